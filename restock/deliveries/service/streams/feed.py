"""What a channel that streams draws its messages from: the claim in hand, then the one that was taken meanwhile.

The next claim is taken at the desk shortly before the present one is used up, so that the channel's connections stay
full; and only while it is seen to take messages, so that a provider that fails costs no more than two claims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from restock.channels.values import Envelope, Outcome
from restock.deliveries.service.streams.holds import Claimed, Hold, Timer

AHEAD_SECONDS = 0.25  # what is left to send when the next claim is taken


@dataclass(frozen=True)
class Ahead:
    """How the next claim is taken: `ask`, told how many messages were answered, has it taken at the desk.

    None: there is to be no other. `in_hand`: how many messages the channel has at once while all is well.
    """

    ask: Callable[[int], Future[Claimed] | None]
    in_hand: int


@dataclass
class Feed:
    """Gives out envelopes, and knows which claim each answer belongs to. `ahead` None: there is no other claim."""

    first: Hold
    timer: Timer
    ahead: Ahead | None = None
    holds: list[Hold] = field(default_factory=list)  # of which something is not told yet, oldest first
    told_count: int = 0
    _under_way: dict[int, Hold] = field(default_factory=dict)
    _next: Future[Claimed] | None = None
    _following: Hold | None = None
    _is_over: bool = False

    def __post_init__(self) -> None:
        self.holds.append(self.first)
        self._began = self.timer()

    def __iter__(self) -> Iterator[Envelope]:
        hold: Hold | None = self.first
        while hold is not None:
            for envelope in hold.batch.envelopes:
                if self._is_over or not hold.may_begin():
                    return
                hold.begun += 1
                self._under_way[envelope.delivery_id] = hold
                if self.ahead is not None and self._next is None and hold.left <= len(hold.batch.envelopes) // 2:
                    self._look_ahead(self.ahead, hold)
                yield envelope
            hold = self._turn()

    def begin_all(self) -> None:
        """Note that the channel has all of the first claim."""
        self._under_way = {envelope.delivery_id: self.first for envelope in self.first.begin_all()}

    def hold_of(self, delivery_id: int) -> Hold | None:
        """Say which claim a message under way belongs to."""
        return self._under_way.get(delivery_id)

    def answered(self, outcome: Outcome) -> Hold | None:
        """Count an answer; return the claim it belongs to, None for a message nobody asked about."""
        hold = self._under_way.pop(outcome.delivery_id, None)
        if hold is not None:
            self.told_count += 1
            hold.told.count(outcome)
        return hold

    def has_lost(self) -> bool:
        """Say whether something is under way that may be another's by now."""
        return any(hold.lease.is_over() and hold.is_under_way for hold in self.holds)

    def end(self) -> None:
        """Give out nothing more."""
        self._is_over = True

    def following(self) -> Hold | None:
        """Return the claim that was taken and not begun, if there is one; raises what claiming raised."""
        if self._following is None and self._next is not None:
            claimed, self._next = self._next.result(), None
            self._following = claimed if isinstance(claimed, Hold) else None
        return self._following

    def _look_ahead(self, ahead: Ahead, hold: Hold) -> None:
        """Have the next claim taken when this one is about to be used up."""
        rate = self.told_count / max(self.timer() - self._began, 0.001)
        is_well = hold.told.signs.works and len(self._under_way) <= ahead.in_hand
        if is_well and hold.left <= rate * AHEAD_SECONDS:
            self._ask(ahead)

    def _ask(self, ahead: Ahead) -> None:
        self._next = ahead.ask(self.told_count)
        if self._next is None:
            self.ahead = None

    def _turn(self) -> Hold | None:
        """Go over to the claim that was taken meanwhile; None: there is none, or it cannot be sent along."""
        while self.ahead is not None and self._next is not None and not self._is_over:
            if self._next.exception() is not None:  # raised when what is under way has been told
                return None
            claimed, self._next = self._next.result(), None
            if not isinstance(claimed, Hold):
                return None
            if claimed.batch.envelopes:
                if claimed.flows:
                    self.holds.append(claimed)
                    return claimed
                self._following = claimed
                return None
            self._ask(self.ahead)  # nothing of it may leave now
        return None
