"""One claim in hand: for how long it is ours, how far it has come, and what became of it. No database, no channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from restock.channels.values import Envelope, Outcome, Verdict
from restock.deliveries.rules import NOT_REACHED
from restock.deliveries.service.breaker import Entry
from restock.deliveries.service.breaker_rules import Signs
from restock.deliveries.values import Batch

TOO_FAST = "rate_limited"

Timer = Callable[[], float]


@dataclass
class Lease:
    """How long a batch is ours, on this machine's monotonic clock, counted from before it was asked for.

    `lost`: others have taken some of it over.
    """

    seconds: float
    timer: Timer
    since: float
    lost: bool = False

    @property
    def left(self) -> float:
        return self.since + self.seconds - self.timer()

    def is_over(self) -> bool:
        return self.lost or self.left <= 0

    @property
    def wants_renewal(self) -> bool:
        return self.left < self.seconds * 2 / 3


@dataclass
class Told:
    """What a batch has come to so far."""

    ids: set[int] = field(default_factory=set)
    accepted_count: int = 0
    not_taken: set[int] = field(default_factory=set)
    slower_seconds: float = 0.0  # the provider asks for a pause
    signs: Signs = field(default_factory=Signs)

    def count(self, outcome: Outcome) -> None:
        self.ids.add(outcome.delivery_id)
        self.accepted_count += outcome.verdict is Verdict.accepted
        if outcome.verdict in (Verdict.deferred, Verdict.refused):
            self.not_taken.add(outcome.delivery_id)
        if outcome.reason == TOO_FAST:
            self.slower_seconds = max(self.slower_seconds, outcome.retry_after_seconds or 1.0)
        self.signs.add(outcome)


@dataclass(eq=False)
class Hold:
    """A claim, and how far it has come.

    `begun`: how many of its envelopes the channel has. `until`: none is begun later, by the lease's timer. `flows`: it
    may be sent in one stream with others.
    """

    entry: Entry
    batch: Batch
    lease: Lease
    until: float = math.inf
    flows: bool = False
    begun: int = 0
    told: Told = field(default_factory=Told)
    withheld: list[Outcome] = field(default_factory=list)  # answered, and not yet judged

    @property
    def left(self) -> int:
        return len(self.batch.envelopes) - self.begun

    @property
    def is_told(self) -> bool:
        return len(self.told.ids) >= len(self.batch.envelopes)

    @property
    def is_all_in(self) -> bool:
        """Nothing more is answered that could say what to make of what is withheld."""
        return len(self.told.ids) + len(self.withheld) >= len(self.batch.envelopes)

    def take_withheld(self) -> list[Outcome]:
        """Give out what was withheld."""
        taken, self.withheld = self.withheld, []
        return taken

    @property
    def is_under_way(self) -> bool:
        """Something of it is with the channel, unanswered."""
        return self.begun > len(self.told.ids)

    def may_begin(self) -> bool:
        """Say whether more of it may be handed over: it is ours, and its time is not over."""
        return self.lease.timer() < self.until and not self.lease.is_over()

    def begin_all(self) -> Sequence[Envelope]:
        """Give out all of it at once."""
        self.begun = len(self.batch.envelopes)
        return self.batch.envelopes

    def drop_rest(self) -> list[Outcome]:
        """Give up what was not begun: nobody has it, and it is queued again at its place."""
        rest = self.batch.envelopes[self.begun :]
        self.begun = len(self.batch.envelopes)
        return [Outcome(one.delivery_id, Verdict.deferred, NOT_REACHED) for one in rest]


@dataclass(frozen=True, slots=True)
class NothingDue:
    """What a claim found that took nothing. `provider_down`: nobody can be reached for now."""

    provider_down: bool


Claimed = Hold | NothingDue
