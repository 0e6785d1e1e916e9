"""Dry runs: what a restock would do, told by the planner itself on the real queue. Nothing is ever changed.

The queue is read page by page, each page in a read-only transaction of its own, so that a dry run over a million people
holds up nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

import restock.subscriptions.repository as subscriptions
from restock.catalog.values import ReadingSource, StockReading
from restock.database import Database
from restock.restocks import rules
from restock.restocks.repository import dryruns
from restock.restocks.repository.dryruns import OpenTurns
from restock.restocks.rules.simulated import Bounds, Played, Premise, RunEnd, Simulation
from restock.restocks.rules.simulation import Awaken, DryRun, Page
from restock.restocks.service.planning import wave_facts
from restock.restocks.values import WaveFacts
from restock.shops.values import NotificationPolicy, Shop
from restock.subscriptions.rules.zones import with_wakes_at
from restock.subscriptions.values import Cursor

NO_BOUNDS = Bounds()
_READ_ONLY = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

Progress = Callable[[int], None]  # how many of the queue were read


@dataclass(frozen=True)
class Simulating:
    """Play restocks forward."""

    database: Database
    page_size: int = 1000

    def simulate(
        self,
        shop: Shop,
        variant_id: int,
        units: int | None,
        policy: NotificationPolicy | None = None,
        at: datetime | None = None,
        *,
        bought_share: float = 0.0,
        bounds: Bounds = NO_BOUNDS,
        progress: Progress = lambda _: None,
    ) -> Simulation:
        """Say who would be told when, and why others would not, if so many units were in stock; None: without limit.

        `policy` None: the shop's own. `at` None: now. Turns under way keep their units. `bought_share` of what a turn
        keeps is bought when it ends, 0 to 1. Raises ValueError for a share or a count out of range.
        """
        if not 0 <= bought_share <= 1 or (units is not None and units < 0):
            raise ValueError("a share is from 0 to 1, and units are not negative")
        asked = replace(shop, settings=replace(shop.settings, policy=policy or shop.settings.policy))
        with self.reading() as session:
            turns = dryruns.open_turns(session, shop.id, variant_id, asked.settings.policy.turn_minutes)
            waiting = dryruns.waiting_count(session, shop.id, variant_id)
            starts_at = at or dryruns.time_now(session)
        reading = StockReading(shop.id, variant_id, units != 0, units, ReadingSource.admin, starts_at)
        premise = Premise(reading, asked.settings.policy, starts_at, bought_share, turns.units_by_end)
        played = self.play(asked, premise, turns, waiting, bounds, progress)
        return Simulation(variant_id, units, premise.policy, starts_at, bought_share, waiting, played)

    def shops_of(self, variant_id: int) -> Sequence[int]:
        """List the shops in which something is known of a variant."""
        with self.reading() as session:
            return dryruns.shops_of_variant(session, variant_id)

    def play(  # noqa: PLR0917 (see `simulate`)
        self, shop: Shop, premise: Premise, turns: OpenTurns, waiting: int, bounds: Bounds, progress: Progress
    ) -> Played:
        """Play one restock by a shop's settings, if there would be one."""
        decision = rules.detect_restock(
            premise.reading,
            premise.policy,
            waiting,
            event_is_open=turns.event_id is not None,
            open_turns=len(turns.units_by_end),
        )
        match decision:
            case rules.Open() | rules.Keep():
                pages = self._pages(shop, premise.reading.variant_id, turns.event_id, progress)
                return DryRun(premise, pages, _awaken(shop), bounds).play()
            case rules.Close() | rules.Nothing():
                return Played(ended_by=_why_not(premise.reading, waiting))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that sees one moment and can change nothing."""
        with self.database.transaction() as session:
            session.execute(_READ_ONLY)
            yield session

    def _pages(
        self, shop: Shop, variant_id: int, event_id: int | None, progress: Progress
    ) -> Iterator[tuple[Page, WaveFacts]]:
        cursor: Cursor | None = None
        order, count = shop.settings.policy.order, 0
        while True:
            with self.reading() as session:
                page = subscriptions.queue_page(session, shop.id, variant_id, cursor, self.page_size, order)
                ids = [place.subscription_id for place in page]
                facts = wave_facts(session, shop, variant_id, event_id, ids)
            if not page:
                return
            count += len(page)
            progress(count)
            yield page, facts
            cursor = page[-1].cursor


def _awaken(shop: Shop) -> Awaken:
    return lambda page, now: with_wakes_at(page, shop.settings.send_hours, shop.time_zone, now)


def _why_not(reading: StockReading, waiting: int) -> RunEnd:
    if not rules.can_be_bought(reading):
        return RunEnd.no_stock
    return RunEnd.below_minimum if waiting else RunEnd.nobody_waits
