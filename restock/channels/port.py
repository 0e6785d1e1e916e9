"""What the delivery engine needs of a channel, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict

# A deferral that was never tried: its service takes nothing for `retry_after_seconds`. No attempt of its counts.
HELD_BACK = "service_held_back"


class ChannelError(Exception):
    """Say why one message cannot be handed over; raised inside a channel, turned into an Outcome at its edge."""

    def __init__(self, reason: str, *, permanent: bool, blame: Blame = Blame.message) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.blame = blame

    def outcome(self, delivery_id: int) -> Outcome:
        """Tell it as the outcome of one delivery."""
        verdict = Verdict.refused if self.permanent else Verdict.deferred
        return Outcome(delivery_id, verdict, self.reason, self.blame)


class Channel(Protocol):
    """Hand messages to one provider.

    A channel is used by one thread of one process, holds its connections between batches, and is closed at the end.
    """

    @property
    def name(self) -> ChannelName: ...

    @property
    def doubt(self) -> Doubt: ...

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        """Hand over a batch and yield exactly one outcome for each envelope, as soon as it is known, in any order.

        Never raises for one recipient's sake: a fault of one envelope is its outcome, and the others go on. Every
        outside call has a timeout well below the delivery lease.
        """
        ...

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:
        """Ask the provider which of these it accepted earlier: delivery id -> yes or no.

        An envelope the provider cannot answer for is left out; a channel that cannot ask returns {}.
        """
        ...

    def close(self) -> None:
        """End the connections; the channel may be used again afterwards."""
        ...


@runtime_checkable
class StreamingChannel(Channel, Protocol):
    """A channel that takes its messages one by one, as it has room for them.

    `in_hand`: how many it has at once while all is well; 0: it does not stream as it is set up. `batch_seconds`: for
    how long after a claim something of it may be begun, so that it ends well before the lease.
    """

    @property
    def in_hand(self) -> int: ...

    @property
    def batch_seconds(self) -> float: ...

    def stream(self, envelopes: Iterator[Envelope], count: int) -> Iterator[Outcome]:
        """Hand over what is drawn until there is no more, at least `count`; otherwise like `send`.

        None of them has a sender of its own. Drawing may take a while, and is over for good when it ends.
        """
        ...
