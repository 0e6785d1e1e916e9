"""Hand text messages to Twilio.

Twilio has no idempotency: after a lost answer a message may exist, so it is looked up before anything is sent again.
Must never log a number or a text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.rest import Client

from restock.channels.answers import retry_after_seconds
from restock.channels.port import ChannelError
from restock.channels.sms.codes import at_create
from restock.channels.sms.message import compose, number_of
from restock.channels.sms.twilio_http import NoAnswerError, NotSentError, PooledHttpClient
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict

OFFICIAL_URL = "https://api.twilio.com"
_VALIDITY_SECONDS = 4 * 3600  # older news about stock is worth nothing
_MOST_LISTED = 50
IN_FLIGHT = 32  # messages handed over at once


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Who sends. One of `messaging_service_sid` and `sender` is set; the service wins."""

    account_sid: str
    auth_token: str = field(repr=False)
    messaging_service_sid: str = ""
    sender: str = ""
    api_url: str = OFFICIAL_URL


class SmsChannel:
    """Send text messages; one instance per process.

    `callback` makes the address Twilio reports to for a delivery; None where Twilio could not reach us.
    """

    name = ChannelName.sms
    doubt = Doubt.at_most_once

    def __init__(
        self,
        account: TwilioAccount,
        *,
        callback: Callable[[int], str] | None = None,
        threads: int = IN_FLIGHT,
        connect_seconds: float = 3.0,
        read_seconds: float = 10.0,
        batch_seconds: float = 25.0,
    ) -> None:
        self._callback = callback
        self._threads = threads
        self._batch_seconds = batch_seconds
        self._http = PooledHttpClient(threads=threads, connect_seconds=connect_seconds, read_seconds=read_seconds)
        self._workers: ThreadPoolExecutor | None = None
        self._messages = _messages_of(account, self._http)
        self._sender = (
            {"messaging_service_sid": account.messaging_service_sid}
            if account.messaging_service_sid
            else {"from_": account.sender}
        )

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        """Hand over a batch, several at a time; see `Channel.send`."""
        deadline = time.monotonic() + self._batch_seconds
        futures = [self._pool().submit(self._send_one, envelope, deadline) for envelope in envelopes]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:
        """Ask Twilio whether a message with this delivery's own link exists; left out when Twilio does not answer.

        Whoever asks has other work: what was not asked about when the batch's time is over is left out as well.
        """
        deadline, listed = time.monotonic() + self._batch_seconds, list(envelopes)
        answers = self._pool().map(lambda envelope: self._exists(envelope, deadline), listed)
        return {
            envelope.delivery_id: answer for envelope, answer in zip(listed, answers, strict=True) if answer is not None
        }

    def close(self) -> None:
        """Finish what is under way and close the connections."""
        if self._workers is not None:
            self._workers.shutdown(wait=True, cancel_futures=True)
            self._workers = None
        self._http.close()

    def _pool(self) -> ThreadPoolExecutor:
        if self._workers is None:
            self._workers = ThreadPoolExecutor(self._threads, thread_name_prefix="sms")
        return self._workers

    def _send_one(self, envelope: Envelope, deadline: float) -> Outcome:
        number = envelope.delivery_id
        if time.monotonic() > deadline:
            return Outcome(number, Verdict.deferred, "batch_time_over")
        try:
            message = self._create(envelope)
        except ChannelError as error:
            return error.outcome(number)
        except TwilioException as error:
            return self._judge(number, error)
        return Outcome(number, Verdict.accepted, provider_message_id=message.sid)

    def _create(self, envelope: Envelope) -> Any:
        report_to = {"status_callback": self._callback(envelope.delivery_id)} if self._callback else {}
        return self._messages.create(
            to=number_of(envelope),
            body=compose(envelope),
            validity_period=_VALIDITY_SECONDS,
            **self._sender,
            **report_to,
        )

    def _judge(self, delivery_id: int, error: TwilioException) -> Outcome:
        match error:
            case NotSentError():
                return Outcome(delivery_id, Verdict.deferred, "provider_unreachable", Blame.provider)
            case NoAnswerError():
                return Outcome(delivery_id, Verdict.unanswered, "no_answer")
            case TwilioRestException() | TwilioServiceException():
                return self._refusal(delivery_id, error.status, error.code if isinstance(error.code, int) else None)
        return Outcome(delivery_id, Verdict.unanswered, "unreadable_answer")

    def _refusal(self, delivery_id: int, status: int, code: int | None) -> Outcome:
        verdict, reason, blame, _ = at_create(status, code)
        wait = retry_after_seconds(self._http.retry_after, time.time()) if verdict is Verdict.deferred else None
        return Outcome(delivery_id, verdict, reason, blame, retry_after_seconds=wait)

    def _exists(self, envelope: Envelope, deadline: float) -> bool | None:
        """Look through the newest messages to this number.

        Not filtered by `DateSent`: a message still queued at Twilio has none, and would be missed.
        """
        if time.monotonic() > deadline:
            return None
        try:
            listed = self._messages.list(to=number_of(envelope), limit=_MOST_LISTED, page_size=_MOST_LISTED)
        except (TwilioException, ChannelError):
            return None
        return any(envelope.notice.links.action in (message.body or "") for message in listed)


def _messages_of(account: TwilioAccount, http: PooledHttpClient) -> Any:
    client = Client(account.account_sid, account.auth_token, http_client=http, environment={})
    client.api.base_url = account.api_url
    return client.messages  # built here: making it is not safe in several threads at once
