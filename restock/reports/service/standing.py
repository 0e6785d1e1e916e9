"""Gathers what a reason is judged by, inside the caller's transaction. It only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from restock.channels.sms.countries import is_allowed
from restock.channels.values import ChannelName
from restock.deliveries.limits.service import countries_for
from restock.reports.repository import standing
from restock.reports.repository.standing import StockRow, Whereabouts
from restock.reports.rules import explain_one, explain_waiting
from restock.reports.values.reason import LookBy, NextLook
from restock.reports.values.standing import Place, PlaceFacts, Standing, StockNow
from restock.restocks.rules import can_be_bought, free_units
from restock.restocks.service.planning import wave_facts
from restock.restocks.values import WaveFacts
from restock.shops.values import Shop, ShopAccess
from restock.subscriptions.rules.zones import candidate_zones, wakes_at


@dataclass(frozen=True, slots=True)
class Installation:
    """What reasons depend on besides rows.

    This instance's providers by channel, how often it reads all stock, how old a reading may be when a message leaves,
    and the only countries its text messages go to; empty: those each shop allows.
    """

    providers: Mapping[ChannelName, str] = field(default_factory=lambda: {name: name.value for name in ChannelName})
    reconcile_seconds: float = 900.0
    reading_max_age_seconds: float = 120.0
    sms_countries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Queue:
    """One variant's queue as one transaction sees it."""

    session: Session
    shop: Shop
    variant_id: int
    installation: Installation

    def first(self, limit: int) -> tuple[StockNow, list[Place]]:
        """Explain the first places."""
        row = self._row()
        order = self.shop.settings.policy.order
        people = standing.waiting(self.session, self.shop.id, self.variant_id, limit, order, self._locator(row.now))
        now = self._stock(row, people)
        return now, explain_waiting(people, now, row.now)

    def left(self, limit: int) -> list[Place]:
        """Explain the people who stopped waiting last."""
        row = self._row()
        people = standing.left(self.session, self.shop.id, self.variant_id, limit, self._locator(row.now))
        return [explain_one(Standing(person, self._stock(row, [])), row.now) for person in people]

    def one(self, subscription_id: int) -> Place | None:
        """Explain one person; None when the shop has no such subscription."""
        row = self._row()
        person = standing.one(self.session, self.shop.id, subscription_id, self._locator(row.now))
        if person is None:
            return None
        order = self.shop.settings.policy.order
        ahead = standing.ahead(self.session, self.shop.id, self.variant_id, person, order)
        return explain_one(Standing(person, self._stock(row, [person]), *ahead), row.now)

    def _row(self) -> StockRow:
        return standing.stock(self.session, self.shop.id, self.variant_id)

    def _stock(self, row: StockRow, people: Sequence[PlaceFacts]) -> StockNow:
        shop, policy, providers = self.shop, self.shop.settings.policy, self.installation.providers
        known = {(channel.value, name) for channel, name in providers.items()}
        return StockNow(
            reading=row.reading,
            event_is_open=row.event_id is not None,
            free_units=free_units(row.reading, policy, row.open_units) if row.reading else 0,
            policy=policy,
            lagging=row.is_lagging,
            reading_max_age_seconds=self.installation.reading_max_age_seconds,
            shop_is_installed=shop.is_installed,
            channels_on=frozenset(channel.value for channel in providers if channel in shop.settings.channels),
            providers_down=standing.providers_down(self.session, shop.id, known),
            wave_facts=self._wave_facts(row, people),
            looks=tuple(self._looks(row)),
        )

    def _wave_facts(self, row: StockRow, people: Sequence[PlaceFacts]) -> WaveFacts:
        if row.reading is None or not can_be_bought(row.reading):
            return WaveFacts()
        ids = [person.subscription_id for person in people if person.offer_state is not None]
        return wave_facts(self.session, self.shop, self.variant_id, row.event_id, ids)

    def _looks(self, row: StockRow) -> Iterator[NextLook]:
        known = ((LookBy.wave, row.plan_at), (LookBy.turn_ends, row.turn_ends_at), (LookBy.settle, row.check_due_at))
        yield from (NextLook(by, at) for by, at in known if at is not None)
        if self.shop.is_installed:
            yield NextLook(LookBy.reconcile, self._read_again_at(row))

    def _read_again_at(self, row: StockRow) -> datetime:
        """Say when everything people wait for is read again: by asking Shopify, or by going through what was told."""
        if self.shop.access is ShopAccess.granted and row.pass_at is not None:
            return row.pass_at
        last = row.reading.read_at if row.reading else row.now
        return last + timedelta(seconds=self.installation.reconcile_seconds if row.reading else 0)

    def _locator(self, now: datetime) -> standing.Locate:
        hours, shop_zone = self.shop.settings.send_hours, self.shop.time_zone
        allowed = countries_for(self.shop, self.installation.sms_countries)

        def locate(channel: str, address: str) -> Whereabouts:
            name = ChannelName(channel)
            wakes = wakes_at(name, hours.of(name), candidate_zones(name, address, shop_zone), now)
            return Whereabouts(wakes, name is ChannelName.sms and not is_allowed(address, allowed))

        return locate
