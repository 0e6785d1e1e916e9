"""The page of one restock: who was offered it, told, bought, let it pass or was skipped, and why. It only reads."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from restock.clock import Clock
from restock.database import Database
from restock.reports.repository import latency, lists
from restock.reports.repository import restock as repository
from restock.reports.rules.restock import ends_of, judge, tally
from restock.reports.values.restock import (
    Fate,
    FateCounts,
    PeoplePage,
    PersonFacts,
    RestockHead,
    RestockPerson,
    RestockReport,
)
from restock.reports.values.subscribers import Bookmark
from restock.shops.values import Shop

MOST_COUNTED = 20_000  # people of the queue, of whom it is counted what became
MOST_WALKED = 4_000  # people of the queue looked at for one page
MOST_WAVES = 20


@dataclass(frozen=True)
class RestockReports:
    """What is asked about one restock. The limits keep a page quick where a hundred thousand wait."""

    database: Database
    clock: Clock
    page_size: int = 50
    most_counted: int = MOST_COUNTED
    most_walked: int = MOST_WALKED
    step: int = 1000

    def report(
        self, shop: Shop, event_id: int, wanted: Fate | None = None, bookmark: Bookmark | None = None
    ) -> RestockReport | None:
        """Tell one restock; `wanted` narrows the people. None when the shop has no such restock."""
        with self.database.transaction() as session:
            head = repository.head(session, shop.id, event_id)
            if head is None:
                return None
            return RestockReport(
                head=head,
                sums=repository.sums(session, shop.id, head),
                speed=latency.of_event(session, shop.id, event_id),
                waves=repository.waves(session, shop.id, event_id, MOST_WAVES),
                counts=self._counts(session, shop, head),
                page=self._page(session, shop, head, wanted, bookmark),
            )

    def _counts(self, session: Session, shop: Shop, head: RestockHead) -> FateCounts:
        until = head.closed_at or self.clock.now()
        alike, looked_at = repository.counted(session, shop.id, head, until, self.most_counted + 1)
        return FateCounts(tally(alike), self.most_counted if looked_at > self.most_counted else None)

    def _page(
        self, session: Session, shop: Shop, head: RestockHead, wanted: Fate | None, bookmark: Bookmark | None
    ) -> PeoplePage:
        kept, last, more = self._walk(session, shop, head, wanted, bookmark)
        if bookmark is not None and bookmark.backward:
            kept.reverse()
        lines = {line.id: line for line in lists.lines_of(session, shop.id, [one.subscription_id for one in kept])}
        before, after = ends_of(kept, last, bookmark, more=more)
        people = [RestockPerson(one, judge(one), lines.get(one.subscription_id)) for one in kept]
        return PeoplePage(people, before, after)

    def _walk(
        self, session: Session, shop: Shop, head: RestockHead, wanted: Fate | None, bookmark: Bookmark | None
    ) -> tuple[list[PersonFacts], PersonFacts | None, bool]:
        """Return who is on the page, the last person it came to, and whether somebody may lie beyond."""
        until, kept, last, walked = head.closed_at or self.clock.now(), list[PersonFacts](), None, 0
        backward = bookmark is not None and bookmark.backward
        while walked < self.most_walked:
            step = repository.people(session, shop.id, head, until, bookmark=bookmark, limit=self.step)
            for one in step:
                fits = one.was_in and (wanted is None or judge(one).fate is wanted)
                if fits and len(kept) == self.page_size:
                    return kept, last, True
                kept += [one] if fits else []
                last = one
            if len(step) < self.step:
                return kept, last, False
            walked += len(step)
            bookmark = Bookmark(step[-1].queued_at, step[-1].subscription_id, backward)
        return kept, last, True
