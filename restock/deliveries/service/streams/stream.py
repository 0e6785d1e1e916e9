"""One sending: from a claim, over those taken meanwhile, to the last record. It holds no connection to the database."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field

import structlog

from restock.channels.values import Outcome, Verdict
from restock.deliveries.service.streams.alike import Alike
from restock.deliveries.service.streams.desk import Desk
from restock.deliveries.service.streams.feed import Feed
from restock.deliveries.service.streams.holds import Hold
from restock.deliveries.service.streams.ledger import Ledger
from restock.failpoints import failpoint

log = structlog.get_logger(__name__)


@dataclass
class Stream:
    """Hands over what a feed gives and writes down what comes back.

    `judge` is asked about each claim at the desk, when all of it is recorded or being so: True when its provider is
    down.
    """

    feed: Feed
    ledger: Ledger
    desk: Desk
    judge: Callable[[Hold], bool]
    stopping: Callable[[], bool]
    alike: Alike = field(default_factory=Alike)
    accepted_count: int = 0
    _judged: list[Future[bool]] = field(default_factory=list)

    def run(self, answers: Iterator[Outcome]) -> bool:
        """Take all answers; True when the provider is down. What was not begun is given back where it is still ours.

        Raises whatever the channel or the database raised after everything known was recorded.
        """
        try:
            with _ending(answers) as outcomes:
                for outcome in outcomes:
                    failpoint("send.answered")
                    self._take(outcome)
                    if self.feed.has_lost():  # others may have taken the rest over: sending it would tell people twice
                        log.warning("lease_lost", channel=self.feed.first.batch.lane.channel.value)
                        self.feed.end()
                        break
        finally:
            try:
                for hold in list(self.feed.holds):
                    self._release(hold)
            finally:
                self.ledger.close()
        for hold in list(self.feed.holds):
            self.give_back(hold)
        self.ledger.close()
        verdicts = [judged.result() for judged in self._judged]
        return any(verdicts)

    def give_back(self, hold: Hold) -> None:
        """End a claim; what nobody has begun of it, and is ours, is queued again at its place."""
        if not hold.lease.is_over():
            for outcome in hold.drop_rest():
                hold.told.count(outcome)
                self.ledger.add(hold, outcome)
        self._end(hold)

    def _take(self, outcome: Outcome) -> None:
        """Count an answer, once it is known whether it is like others."""
        if outcome.verdict is Verdict.accepted and self.alike.is_calm and not self.feed.first.entry.shut:
            self._count(outcome)
        elif (hold := self.feed.hold_of(outcome.delivery_id)) is not None:
            for told in self.alike.sift(hold, outcome):
                self._count(told)
            if hold.withheld and hold.is_all_in:
                self._release(hold)

    def _release(self, hold: Hold) -> None:
        """Count what was withheld of a claim as it is: there were not enough of them."""
        for outcome in hold.take_withheld():
            self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        hold = self.feed.answered(outcome)
        if hold is None:
            return
        has_left = self.ledger.add(hold, outcome)
        if hold.is_told:
            self._end(hold)
        if has_left and (self.stopping() or self._goes_wrong()):
            self.feed.end()

    def _end(self, hold: Hold) -> None:
        self.ledger.hand_over()
        if hold in self.feed.holds:
            self.feed.holds.remove(hold)
        self.accepted_count += hold.told.accepted_count
        self._judged.append(self.desk.submit(self.judge, hold))

    def _goes_wrong(self) -> bool:
        """Say whether a provider is down, or nobody could judge it: that is raised when all under way is heard."""
        return any(judged.done() and (judged.exception() or judged.result()) for judged in self._judged)


def _ending(stream: Iterator[Outcome]) -> AbstractContextManager[Iterator[Outcome]]:
    """End a generator that is left early at once, so that a channel hands over nothing more."""
    return closing(stream) if isinstance(stream, Generator) else nullcontext(stream)
