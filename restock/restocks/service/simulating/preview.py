"""What changed settings would do at once, said before they are saved. Nothing is ever changed.

For every variant that somebody waits for, one wave is played under the settings as they are and as they would be. What
only the change would make a restock of is counted apart: nobody hears of it until the merchant confirms.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.catalog.rules import read_stock
from restock.catalog.rules.basis import basis_of, opens
from restock.catalog.values import ReadingBasis, ReadingSource, StockReading, StockVerdict
from restock.database import Database
from restock.errors import NotFoundError, ValidationError
from restock.restocks.repository import dryruns
from restock.restocks.repository.dryruns import OpenTurns
from restock.restocks.rules import can_be_bought
from restock.restocks.rules.simulated import Bounds, Played, Premise, RunEnd, SettingsPreview, VariantPreview
from restock.restocks.service.simulating import Simulating
from restock.shops import rules as shop_rules
from restock.shops.repository import by_id
from restock.shops.values import Shop

MOST_SHOWN = 10
_VARIANTS_A_PAGE = 200
_NOBODY = Played()
_AT_ONCE = Bounds(people=0, waves=0, horizon=timedelta(0))


@dataclass(frozen=True, slots=True)
class _Looked:
    """One variant as it is: its reading, the same under the new choices (None: nobody knows), and its turns."""

    reading: StockReading
    changed: StockReading | None
    turns: OpenTurns
    waiting: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a preview goes: so many looks at people in all, and so many variants."""

    looks: int = 5_000_000
    variants: int = 100_000


NO_REACH = Reach()


@dataclass(frozen=True)
class Previewing:
    """Say what changed settings would do now."""

    database: Database
    simulating: Simulating

    def preview_settings(self, shop: Shop, changes: Mapping[str, str], reach: Reach = NO_REACH) -> SettingsPreview:
        """Compare what would be told now under the settings as they are and with changes by key; "" is the default.

        Raises ValidationError with every fault of the changes, NotFoundError when the shop is gone.
        """
        changed = self._changed(shop, changes)
        asks_anew = _asks_anew(basis_of(shop.settings), basis_of(changed.settings))
        found: list[VariantPreview] = []
        totals, left = SettingsPreview(), reach.looks
        for number, variant_id in enumerate(self._variants(shop.id, sold_out_too=asks_anew)):
            if left <= 0 or number >= reach.variants:
                totals = replace(totals, at_least=True)
                break
            one, looks = self._variant(shop, changed, variant_id, left, asks_anew=asks_anew)
            totals, left = totals.plus(one), left - looks
            if one.before or one.after or one.held:
                found = heapq.nlargest(MOST_SHOWN, [*found, one], key=_weight)
        return replace(totals, top=tuple(found))

    def _changed(self, shop: Shop, changes: Mapping[str, str]) -> Shop:
        change = shop_rules.read_changes(changes)
        if change.faults:
            raise ValidationError("Some settings are not usable; nothing was changed.", faults=change.faults)
        with self.simulating.reading() as session:
            row = by_id(session, shop.id)
            if row is None:
                raise NotFoundError("This shop does not use the app.")
            stored = shop_rules.merge_settings(row.settings, change)
        chosen = shop_rules.read_settings(stored)
        return replace(shop, settings=replace(chosen, country=chosen.country or shop.settings.country))

    def _variants(self, shop_id: int, *, sold_out_too: bool) -> Iterator[int]:
        after = 0
        while True:
            with self.simulating.reading() as session:
                page = dryruns.read_variants(session, shop_id, after, _VARIANTS_A_PAGE, sold_out_too=sold_out_too)
            yield from page
            if len(page) < _VARIANTS_A_PAGE:
                return
            after = page[-1]

    def _variant(
        self, shop: Shop, changed: Shop, variant_id: int, looks: int, *, asks_anew: bool
    ) -> tuple[VariantPreview, int]:
        """Compare one variant; return how often somebody was looked at for it, too."""
        with self.simulating.reading() as session:
            looked = _look(session, shop, changed, variant_id, asks_anew=asks_anew)
        if looked is None:
            return VariantPreview(variant_id), 0
        is_on, begins = looked.turns.event_id is not None, _begins(looked.reading, shop)
        is_told = is_on or (begins and not looked.reading.held)
        before = self._told(shop, looked.reading, looked, looks) if is_told else _NOBODY
        if looked.changed is None:
            return VariantPreview(variant_id, before.told, is_open=is_on, is_unread=True), before.looks
        would_begin = _begins(looked.changed, changed)
        after = self._told(changed, looked.changed, looked, looks) if is_on or would_begin else _NOBODY
        one = VariantPreview(variant_id, before.told, is_cut=RunEnd.looks in (before.ended_by, after.ended_by))
        if would_begin and not is_on and (looked.reading.held or not begins):
            one = replace(one, held=after.told, is_held=True)
        else:
            goes_on = would_begin or (is_on and can_be_bought(looked.changed))
            one = replace(one, after=after.told, is_open=goes_on)
        return one, before.looks + after.looks

    def _told(self, shop: Shop, reading: StockReading, looked: _Looked, looks: int) -> Played:
        policy = shop.settings.policy
        premise = Premise(replace(reading, held=False), policy, looked.at, running=looked.turns.units_by_end)
        bounds = replace(_AT_ONCE, looks=looks)
        return self.simulating.play(shop, premise, looked.turns, looked.waiting, bounds, lambda _: None)


def _look(session: Session, shop: Shop, changed: Shop, variant_id: int, *, asks_anew: bool) -> _Looked | None:
    reading = catalog.current_reading(session, shop.id, variant_id)
    if reading is None:
        return None
    after: StockReading | None = reading
    if asks_anew:
        after = _read_anew(session, reading, basis_of(changed.settings))
    turns = dryruns.open_turns(session, shop.id, variant_id, changed.settings.policy.turn_minutes)
    waiting = dryruns.waiting_count(session, shop.id, variant_id)
    return _Looked(reading, after, turns, waiting, dryruns.time_now(session))


def _read_anew(session: Session, reading: StockReading, basis: ReadingBasis) -> StockReading | None:
    """Read what was told under other choices; what Shopify itself said has to be asked anew: None."""
    if reading.source is ReadingSource.admin:
        return None
    facts, _ = catalog.variant_facts(session, reading.shop_id, reading.variant_id, basis.locations)
    verdict = read_stock(facts, basis.publication_check)
    return replace(reading, sellable=verdict.sellable, units=verdict.units)


def _asks_anew(before: ReadingBasis, after: ReadingBasis) -> bool:
    """Say whether readings come out otherwise by the new choices, minimum units apart: those only judge a reading."""
    return replace(before, minimum_units=after.minimum_units) != after


def _begins(reading: StockReading, shop: Shop) -> bool:
    return opens(StockVerdict(reading.sellable, reading.units), basis_of(shop.settings))


def _weight(one: VariantPreview) -> tuple[int, int]:
    return abs(one.after - one.before) + one.held, one.after + one.before
