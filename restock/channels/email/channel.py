"""Hand e-mails to one mail server over a few kept connections. Must never log an address or a text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import assert_never

from restock.channels.email.dkim import DkimKey, sign
from restock.channels.email.message import Mail, Sender
from restock.channels.email.replies import judge
from restock.channels.email.skeleton import Press
from restock.channels.email.smtp_pool import SmtpPool
from restock.channels.email.smtp_talk import Fate, Job, Lost, Refused, Taken, Unfit, Unsent
from restock.channels.port import ChannelError
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict


class EmailChannel:
    """Send e-mails; one instance per process.

    `return_path` makes the address a delivery comes back to; None: the sender's own.
    """

    name = ChannelName.email
    doubt = Doubt.resend_once  # the Message-ID is the same

    def __init__(
        self,
        pool: SmtpPool,
        sender: Sender,
        *,
        batch_seconds: float = 25.0,
        key: DkimKey | None = None,
        return_path: Callable[[int], str] | None = None,
    ) -> None:
        self._pool = pool
        self._press = Press(sender)
        self._key = key
        self._return_path = return_path
        self._batch_seconds = batch_seconds

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        """Hand over a batch, several at once; see `Channel.send`."""
        unsendable: list[Outcome] = []
        for fate in self._pool.deliver(self._jobs(envelopes, unsendable), len(envelopes)):
            yield _outcome(fate)
        yield from unsendable

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:  # noqa: ARG002 (the port's name)
        """A mail server cannot be asked: always {}."""
        return {}

    def close(self) -> None:
        """Say goodbye to the server."""
        self._pool.close()

    def _jobs(self, envelopes: Sequence[Envelope], unsendable: list[Outcome]) -> Iterator[Job]:
        """Write the mails as there is room for them; those that cannot be written are told of at the end."""
        deadline = time.monotonic() + self._batch_seconds
        for envelope in envelopes:
            if time.monotonic() > deadline:
                unsendable.append(Outcome(envelope.delivery_id, Verdict.deferred, "batch_time_over"))
                continue
            try:
                back = self._return_path(envelope.delivery_id) if self._return_path else ""
                yield Job(envelope.delivery_id, self._write(envelope), back)
            except ChannelError as error:
                unsendable.append(error.outcome(envelope.delivery_id))

    def _write(self, envelope: Envelope) -> Mail:
        mail = self._press.write(envelope)
        if self._key is None:
            return mail
        return replace(mail, content=sign(mail.content, self._key, int(envelope.queued_at)))


def _outcome(fate: Fate) -> Outcome:
    delivery_id = fate.job.delivery_id
    match fate:
        case Taken():
            return Outcome(delivery_id, Verdict.accepted)
        case Refused(stage=stage, code=code, text=text):
            verdict, reason, blame = judge(stage, code, text)
            return Outcome(delivery_id, verdict, reason, blame)
        case Lost(in_doubt=in_doubt):
            return Outcome(delivery_id, Verdict.unanswered if in_doubt else Verdict.deferred, "connection_lost")
        case Unsent(reason=reason):
            return Outcome(delivery_id, Verdict.deferred, reason, Blame.provider)
        case Unfit():
            return Outcome(delivery_id, Verdict.refused, "needs_smtputf8")
        case _:
            assert_never(fate)
