"""Hand e-mails to one mail server over a few kept connections. Must never log an address or a text."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from restock.channels.email.message import Mail, Sender
from restock.channels.email.replies import judge
from restock.channels.email.skeleton import Press
from restock.channels.email.smtp_pool import SmtpPool
from restock.channels.email.smtp_talk import Fate, Job, Lost, Refused, Taken, Unfit, Unsent
from restock.channels.port import ChannelError
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict

if TYPE_CHECKING:
    from restock.channels.email.dkim import DkimKey


class EmailChannel:
    """Send e-mails; one instance per process.

    `return_path` makes the address a delivery comes back to; None: the sender's own. `given_id` reads out of what the
    server said to a message the name it has there; None: it says none, or none that anybody uses.
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
        given_id: Callable[[bytes], str | None] | None = None,
    ) -> None:
        self._pool = pool
        self._press = Press(sender)
        self._key = key
        self._return_path = return_path
        self._given_id = given_id
        self.batch_seconds = batch_seconds

    @property
    def in_hand(self) -> int:
        """Count a message that is being taken and one that is announced on each connection; one more is looked at."""
        return 2 * self._pool.server.connections + 1

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        """Hand over a batch, several at once; see `Channel.send`."""
        deadline = time.monotonic() + self.batch_seconds
        return self._send(envelopes, len(envelopes), deadline)

    def stream(self, envelopes: Iterator[Envelope], count: int) -> Iterator[Outcome]:
        """Hand over what is drawn as there is room for it; see `StreamingChannel.stream`."""
        return self._send(envelopes, count, math.inf)

    def _send(self, envelopes: Iterable[Envelope], count: int, deadline: float) -> Iterator[Outcome]:
        unsendable: list[Outcome] = []
        for fate in self._pool.deliver(self._jobs(envelopes, unsendable, deadline), count):
            yield self._outcome(fate)
            while unsendable:
                yield unsendable.pop()
        yield from unsendable

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:  # noqa: ARG002 (the port's name)
        """A mail server cannot be asked: always {}."""
        return {}

    def close(self) -> None:
        """Say goodbye to the server."""
        self._pool.close()

    def _jobs(self, envelopes: Iterable[Envelope], unsendable: list[Outcome], deadline: float) -> Iterator[Job]:
        """Write the mails as there is room for them; those that cannot be written are told of beside the others."""
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
        from restock.channels.email.dkim import sign  # loaded with the key, and where there is none not at all

        return replace(mail, content=sign(mail.content, self._key, int(envelope.queued_at)))

    def _outcome(self, fate: Fate) -> Outcome:
        if not isinstance(fate, Taken):
            return _untaken(fate)
        given = self._given_id(fate.said) if self._given_id is not None else None
        return Outcome(fate.job.delivery_id, Verdict.accepted, provider_message_id=given)


def _untaken(fate: Refused | Lost | Unsent | Unfit) -> Outcome:
    delivery_id = fate.job.delivery_id
    match fate:
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
