"""Hand e-mails to one mail server over one kept connection. Must never log an address or a text."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from restock.channels.email.message import Mail, Sender, compose
from restock.channels.email.replies import judge
from restock.channels.email.smtp_session import LostError, OpenError, RefusedError, SmtpSession
from restock.channels.port import ChannelError
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict

_MOST_LOSSES = 3  # connections lost one after the other until the server counts as away


class EmailChannel:
    """Send e-mails; one instance per process."""

    name = ChannelName.email
    doubt = Doubt.resend_once  # the Message-ID is the same

    def __init__(self, session: SmtpSession, sender: Sender, *, batch_seconds: float = 25.0) -> None:
        self._session = session
        self._sender = sender
        self._batch_seconds = batch_seconds
        self._losses = 0

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        """Hand over a batch, one after the other; see `Channel.send`."""
        deadline = time.monotonic() + self._batch_seconds
        away: str | None = None
        self._losses = 0
        for envelope in envelopes:
            if time.monotonic() > deadline:
                yield Outcome(envelope.delivery_id, Verdict.deferred, "batch_time_over")
                continue
            try:
                mail = compose(envelope, self._sender)
                away = away or self._open()
                yield self._unsent(envelope, away) if away else self._deliver(envelope, mail)
            except ChannelError as error:
                yield error.outcome(envelope.delivery_id)

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:  # noqa: ARG002 (the port's name)
        """A mail server cannot be asked: always {}."""
        return {}

    def close(self) -> None:
        """Say goodbye to the server."""
        self._session.close()

    def _open(self) -> str | None:
        """Return None with a good connection, else why there is none."""
        if self._losses >= _MOST_LOSSES:
            return "connection_lost"
        try:
            self._session.open()
        except OpenError as error:
            return error.reason
        return None

    @staticmethod
    def _unsent(envelope: Envelope, reason: str) -> Outcome:
        return Outcome(envelope.delivery_id, Verdict.deferred, reason, Blame.provider)

    def _deliver(self, envelope: Envelope, mail: Mail) -> Outcome:
        if mail.needs_utf8 and not self._session.takes_utf8:
            raise ChannelError("needs_smtputf8", permanent=True)
        try:
            self._session.deliver(self._sender.address, mail)
        except RefusedError as refusal:
            verdict, reason, blame = judge(refusal.stage, refusal.code, refusal.text)
            return Outcome(envelope.delivery_id, verdict, reason, blame)
        except LostError as loss:
            self._losses += 1
            if loss.in_doubt:
                return Outcome(envelope.delivery_id, Verdict.unanswered, "connection_lost")
            return Outcome(envelope.delivery_id, Verdict.deferred, "connection_lost")
        self._losses = 0
        return Outcome(envelope.delivery_id, Verdict.accepted)
