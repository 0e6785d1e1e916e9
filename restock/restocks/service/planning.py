"""Waves: an event's queue is walked page by page, and whoever's turn it is gets an offer and a message.

One page is one transaction, so nobody ever waits for a large restock to be planned, and a crash costs a page. What a
wave may give is counted once, when it begins; every page takes from what the one before has left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.catalog.values import StockReading
from restock.database import Database
from restock.failpoints import failpoint
from restock.restocks import repository, rules
from restock.restocks.rules import walking
from restock.restocks.service.following import close_event, load_shop
from restock.restocks.service.ports import Notices
from restock.restocks.values import (
    CloseReason,
    OfferNotice,
    OpenEvent,
    RunningWave,
    Turn,
    TurnsTaken,
    WaveFacts,
    WaveGround,
    WavePlan,
)
from restock.shops.values import NotificationPolicy, QuantityRule, Shop
from restock.subscriptions.rules.zones import with_wakes_at
from restock.subscriptions.values import Cursor, QueuePlace


@dataclass(frozen=True)
class _Step:
    """One page of a walk. `wave` None: a new one begins with it; `free` None: without limit.

    `walking` None: the walk begins; `again`: what it may give has changed since, so that another must follow.
    """

    cursor: Cursor | None
    free: int | None
    wave: RunningWave | None = None
    walking: RunningWave | None = None
    again: bool = False


@dataclass(frozen=True)
class Planning:
    """Plan the queues whose time has come."""

    database: Database
    notices: Notices
    page_size: int

    def run(self, limit: int) -> int:
        """Plan up to `limit` pages; return how many, 0 when nothing is due."""
        for done in range(limit):
            with self.database.transaction() as session:
                event = repository.claim_event(session)
                if event is None:
                    return done
                self._plan_page(session, event)
                failpoint("plan.before_commit")
            failpoint("plan.after_commit")
        return limit

    def _plan_page(self, session: Session, event: OpenEvent) -> None:
        shop = load_shop(session, event.shop_id)
        if shop is None or not shop.is_installed:
            close_event(session, event, CloseReason.shop_uninstalled)
            return
        reading = catalog.current_reading(session, event.shop_id, event.variant_id)
        if reading is None:  # never so while an event is open, unless someone erased it: ask, and plan on the answer
            catalog.request_checks(session, event.shop_id, [event.variant_id], 0)
            repository.end_walk(session, event.id, None)
            return
        waiting = int(subscriptions.is_waited_for(session, event.shop_id, event.variant_id))
        turns = int(repository.has_open_turn(session, event.id))
        match rules.detect_restock(reading, shop.settings.policy, waiting, event_is_open=True, open_turns=turns):
            case rules.Close(reason):
                close_event(session, event, reason)
            case _:
                self._walk(session, event, reading, shop)

    def _walk(self, session: Session, event: OpenEvent, reading: StockReading, shop: Shop) -> None:
        """Plan one page, write what came of it, and say where the walk goes on."""
        policy, step = shop.settings.policy, _step(session, event, reading, shop)
        if step.cursor is None:
            subscriptions.add_paused_over(session, event.shop_id, event.variant_id, event.id)
        page = () if step.free == 0 else self._page(session, event, shop, step)
        # Before the first page nobody has had a turn in this restock; behind it, whose place moved may come by again.
        people = [place.subscription_id for place in page] if event.wave_count else ()
        facts = wave_facts(session, shop, event.variant_id, event.id, people)
        plan = rules.plan_wave(page, reading, step.free, policy, event.seen_at, facts)
        walked = None if step.walking is None else event.seen_at - step.walking.planned_at
        after = walking.after_page(
            plan,
            walking.WalkFacts(event.seen_at, walked, event.look_at if step.cursor else None, event.rest_until),
            page_is_full=len(page) == self.page_size,
        )
        if plan.offers or step.wave or isinstance(after, walking.GoOn):
            self._write(session, event, reading, shop, step, plan)
        passed_over = rules.passed_over(event.id, page, plan, step.free, policy)
        subscriptions.add_passed_over(session, event.shop_id, event.id, passed_over)
        match after:
            case walking.GoOn(look_at):
                repository.go_on(session, event.id, page[-1].cursor, look_at, again=step.again)
            case walking.WalkEnds(next_at, rest):
                repository.end_walk(session, event.id, next_at, again=step.again, rest=rest)
            case _:
                assert_never(after)

    def _page(self, session: Session, event: OpenEvent, shop: Shop, step: _Step) -> Sequence[QueuePlace]:
        """Read the next places, and who of them sleeps."""
        order, size = shop.settings.policy.order, self.page_size
        page = subscriptions.queue_page(session, event.shop_id, event.variant_id, step.cursor, size, order)
        return with_wakes_at(page, shop.settings.send_hours, shop.time_zone, event.seen_at)

    def _write(  # noqa: PLR0917 (everything a page is made of)
        self, session: Session, event: OpenEvent, reading: StockReading, shop: Shop, step: _Step, plan: WavePlan
    ) -> None:
        policy = shop.settings.policy
        wave_id = step.wave.id if step.wave else None
        if wave_id is None:
            ground = WaveGround(reading.units, rules.capacity(reading, policy), step.free, policy.order)
            wave_id = repository.start_wave(session, event, ground)
        turns = self._offer(session, event, wave_id, plan, policy)
        repository.count_in(session, wave_id, turns, len(plan.passed_over))

    def _offer(
        self, session: Session, event: OpenEvent, wave_id: int, plan: WavePlan, policy: NotificationPolicy
    ) -> Sequence[Turn]:
        """Make the offers and queue their messages; return the turns of people who were still waiting."""
        if not plan.offers:
            return ()
        kept = None if plan.free_left is None else rules.LONGEST_KEPT
        offers = repository.add_offers(session, event, wave_id, plan.offers, kept)
        counts = policy.quantity_rule is QuantityRule.require
        wanted = {turn.subscription_id: turn.units for turn in plan.offers} if counts else {}
        taken = subscriptions.attach_offers(session, list(offers.items()), wanted)
        repository.drop_offers(session, [offer_id for person, offer_id in offers.items() if person not in taken])
        made = [turn for turn in plan.offers if turn.subscription_id in taken]
        failpoint("plan.mid_expansion")
        self.notices.add(session, [_notice(event, offers[turn.subscription_id], turn) for turn in made])
        return made


def _step(session: Session, event: OpenEvent, reading: StockReading, shop: Shop) -> _Step:
    """Say where a walk goes on, and what it may give: what is left of it as long as it stands on the same ground.

    Otherwise it goes on as a new wave with the less of both, for whoever was passed over before comes first; a walk in
    another order of the queue begins at its head.
    """
    policy = shop.settings.policy
    capacity = rules.capacity(reading, policy)
    wave = None if event.cursor is None else repository.running_wave(session, event)
    in_order = wave is not None and wave.order == policy.order.value
    if wave is not None and in_order and wave.capacity == capacity:
        return _Step(event.cursor, wave.free_left, wave, wave)
    free = None if capacity is None else rules.free_units(reading, policy, _count(session, event))
    if wave is None or not in_order:
        return _Step(None, free)
    return _Step(event.cursor, walking.fewer(wave.free_left, free), None, wave, again=True)


def _count(session: Session, event: OpenEvent) -> int:
    """Count what open offers keep; a crowd of them is not counted again for a while."""
    units, offers = repository.open_units(session, event)
    if (pause := walking.pause_after_counting(offers)) is not None:
        repository.put_off(session, event.id, pause)
    return units


def _notice(event: OpenEvent, offer_id: int, turn: Turn) -> OfferNotice:
    return OfferNotice(
        event.shop_id, event.id, offer_id, turn.subscription_id, turn.contact_id, turn.channel, turn.wakes_at
    )


def wave_facts(
    session: Session, shop: Shop, variant_id: int, event_id: int | None, subscription_ids: Sequence[int]
) -> WaveFacts:
    """Read what a wave must know of these people: their earlier turns in the event, and where the variant is not sold.

    `event_id` None: no restock is on, and nobody has had a turn.
    """
    taken: Sequence[TurnsTaken] = ()
    if event_id is not None and subscription_ids:
        taken = repository.turns_taken(session, event_id, subscription_ids)
    return rules.wave_facts(taken, _closed_markets(session, shop, variant_id))


def _closed_markets(session: Session, shop: Shop, variant_id: int) -> frozenset[int]:
    if not shop.settings.markets:
        return frozenset()
    without = catalog.countries_without(session, shop.id, variant_id)
    return frozenset(one.market_id for one in shop.settings.markets if one.country in without)
