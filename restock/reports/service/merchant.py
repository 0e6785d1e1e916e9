"""The questions of the merchant's pages. Each is a short read-only transaction; none may change anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from restock.clock import Clock
from restock.database import Database
from restock.reports.repository import journey, lists, overview
from restock.reports.rules import overview as sums
from restock.reports.rules.journey import tell
from restock.reports.rules.lists import cut_page, search_hashes
from restock.reports.service.standing import Installation, Queue
from restock.reports.values.journey import Journey
from restock.reports.values.overview import Overview
from restock.reports.values.subscribers import (
    Bookmark,
    Count,
    Goods,
    SubscriberFilter,
    SubscriberLine,
    SubscriberPage,
)
from restock.shops.values import Shop

PAGE_SIZE = 50
EXPORT_PAGE_SIZE = 1000
COUNTED_AT_MOST = 10_000
TOP_VARIANTS = 5
OPEN_RESTOCKS = 6


@dataclass(frozen=True)
class MerchantReports:
    """What a merchant's pages ask. `page_size` is how many subscribers a page has."""

    database: Database
    clock: Clock
    page_size: int = PAGE_SIZE
    export_page_size: int = EXPORT_PAGE_SIZE
    installation: Installation = field(default_factory=Installation)

    def overview(self, shop: Shop, days: int) -> Overview:
        """Sum up the last `days` days of a shop, today included, in UTC days."""
        today = self.clock.now().astimezone(UTC).date()
        start = sums.first_day(today, days)
        since = datetime.combine(start, time(), UTC)
        with self.database.transaction() as session:
            asked = overview.asked(session, shop.id, since)
            sent = overview.sent(session, shop.id, since)
            return Overview(
                days=days,
                demand=overview.demand(session, shop.id, TOP_VARIANTS),
                outcomes=sums.sum_outcomes(asked),
                sent=sums.sum_channels(sent),
                chart=sums.fill_days(start, today, asked, sent),
                recovered=overview.recovered(session, shop.id, since),
                restocks=overview.open_restocks(session, shop.id, OPEN_RESTOCKS),
                last_webhook_at=overview.last_webhook_at(session, shop.domain),
                ever_asked=bool(asked) or overview.ever_asked(session, shop.id),
            )

    def pending(self, shop: Shop) -> Mapping[str, int]:
        """Count the wishes whose address has not said yes, by channel."""
        with self.database.transaction() as session:
            return overview.pending(session, shop.id)

    def subscribers(self, shop: Shop, wanted: SubscriberFilter, bookmark: Bookmark | None = None) -> SubscriberPage:
        """Read one page of a shop's subscribers; without a bookmark the first."""
        return self._page(shop, wanted, bookmark, self.page_size)

    def count(self, shop: Shop, wanted: SubscriberFilter) -> Count:
        """Count a shop's subscribers, up to COUNTED_AT_MOST."""
        with self.database.transaction() as session:
            return lists.count(session, shop.id, wanted, _hashes(shop, wanted), COUNTED_AT_MOST)

    def goods(self, shop: Shop) -> Sequence[Goods]:
        """List the variants anybody asked for, by product, to choose from."""
        with self.database.transaction() as session:
            return lists.goods_asked_for(session, shop.id)

    def lines_of(self, shop: Shop, subscription_ids: Sequence[int]) -> Mapping[int, SubscriberLine]:
        """Read some of a shop's subscribers by their ids; strangers' and erased ones are left out."""
        with self.database.transaction() as session:
            return {line.id: line for line in lists.lines_of(session, shop.id, subscription_ids)}

    def every_subscriber(self, shop: Shop, wanted: SubscriberFilter) -> Iterator[SubscriberLine]:
        """Yield all of a shop's subscribers, reading as it goes: one short transaction for each page, memory flat."""
        bookmark: Bookmark | None = None
        while True:
            page = self._page(shop, wanted, bookmark, self.export_page_size)
            yield from page.lines
            if not page.has_next:
                return
            bookmark = Bookmark(page.lines[-1].queued_at, page.lines[-1].id)

    def journey(self, shop: Shop, subscription_id: int) -> Journey | None:
        """Tell one person's wait; None when the shop has no such subscriber."""
        with self.database.transaction() as session:
            facts = journey.facts(session, shop.id, subscription_id)
            if facts is None:
                return None
            place = Queue(session, shop, facts.line.goods.variant_id, self.installation).one(subscription_id)
        return Journey(facts, place, tell(facts)) if place else None

    def _page(self, shop: Shop, wanted: SubscriberFilter, bookmark: Bookmark | None, limit: int) -> SubscriberPage:
        with self.database.transaction() as session:
            found = lists.lines(session, shop.id, wanted, _hashes(shop, wanted), bookmark=bookmark, limit=limit + 1)
        return cut_page(found, limit, bookmark)


def _hashes(shop: Shop, wanted: SubscriberFilter) -> list[bytes] | None:
    return search_hashes(wanted.search, shop.settings.country) if wanted.search else None
