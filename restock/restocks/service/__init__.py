"""The use cases of restocks: look at stock, plan waves, keep turns. Each may run twice, and several at once.

One transaction is one check or one page of a queue, so nobody ever waits for a large restock to be planned, and a
crash in the middle costs a page. Nothing here talks to a provider or to Shopify.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, assert_never

import structlog
from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.catalog.values import Check, StockReading
from restock.database import Database
from restock.restocks import repository, rules
from restock.restocks.values import CloseReason, OfferNotice, OpenEvent, StockDue, Turn, WavePlan
from restock.shops.repository import by_id
from restock.shops.service import to_shop
from restock.shops.values import NotificationPolicy, Shop
from restock.subscriptions.values import QueuePlace

log = structlog.get_logger(__name__)

CHECKS_PER_CLAIM = 20  # few, so that a crash leaves few behind for the length of a lease
VARIANTS_PER_PAGE = 1000


class Notices(Protocol):
    """Queue the messages of new offers, in the transaction that makes the offers."""

    def add(self, session: Session, notices: Sequence[OfferNotice]) -> None: ...


@dataclass(frozen=True)
class RestockService:
    """From a StockReading to an event, from an event to waves of offers."""

    database: Database
    notices: Notices
    reconcile_seconds: float = 900.0
    page_size: int = 1000

    def check_due(self, limit: int = 200) -> int:
        """Look at the variants whose check is due and open, keep or close their events; return how many."""
        done = 0
        while done < limit:
            with self.database.transaction() as session:
                checks = catalog.claim_checks(session, min(CHECKS_PER_CLAIM, limit - done))
            for check in checks:
                self._check_safely(check)
            done += len(checks)
            if len(checks) < CHECKS_PER_CLAIM:
                break
        return done

    def plan_due(self, limit: int = 100) -> int:
        """Plan up to `limit` pages of the queues whose time has come; return how many, 0 when nothing is due.

        Events take turns page by page. One that someone else is planning is left to them.
        """
        for done in range(limit):
            with self.database.transaction() as session:
                event = repository.claim_event(session)
                if event is None:
                    return done
                self._plan_page(session, event)
        return limit

    def end_turns(self, limit: int = 1000) -> int:
        """End the turns whose time is over and have their events planned again; return how many ended."""
        with self.database.transaction() as session:
            event_ids = repository.end_offers(session, limit)
            repository.replan(session, event_ids)
        return len(event_ids)

    def reconcile(self) -> int:
        """Ask for every variant somebody waits for that was not read for `reconcile_seconds`; return how many.

        What a lost webhook would have told is found here.
        """
        asked, after = 0, None
        while True:
            with self.database.transaction() as session:
                page = subscriptions.waiting_variants(session, after, VARIANTS_PER_PAGE)
                asked += _request_stale(session, page, self.reconcile_seconds)
            if len(page) < VARIANTS_PER_PAGE:
                return asked
            after = page[-1]

    def due(self) -> StockDue:
        """Say what is waiting to be done."""
        with self.database.transaction() as session:
            return repository.due(session)

    def offers_accepted(self, session: Session, shop: Shop, offer_ids: Sequence[int]) -> None:
        """Start the turns of people a provider now has the message for; their waiting is over.

        In the caller's transaction. A turn already running keeps its end.
        """
        if offer_ids:
            turn_minutes = shop.settings.policy.turn_minutes
            people = repository.accept_offers(session, shop.id, offer_ids, turn_minutes)
            subscriptions.mark_notified(session, people)

    def offers_returned(self, session: Session, shop_id: int, offer_ids: Sequence[int], reason: str) -> None:
        """Put people who were never reached back to their place, and free their units for whoever is next.

        In the caller's transaction. `reason` is a stable word; it decides whether this event tries the person again.
        """
        if offer_ids:
            people, event_ids = repository.return_offers(session, shop_id, offer_ids, reason)
            repository.replan(session, list(event_ids))
            subscriptions.release_offers(session, people)

    def offers_missed(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None:
        """End the running turns of people whose message came back, and free their units for whoever is next.

        In the caller's transaction. Their waiting is over all the same; an offer never accepted is left alone.
        """
        if offer_ids:
            repository.replan(session, repository.end_missed(session, shop_id, offer_ids))

    def _check_safely(self, check: Check) -> None:
        try:
            with self.database.transaction() as session:
                self._check(session, check)
        except Exception:  # the door of one small job: the others go on, and this one comes back after its lease
            log.exception("stock_check_failed", shop_id=check.shop_id, variant_id=check.variant_id)

    def _check(self, session: Session, check: Check) -> None:
        event = repository.lock_open_event(session, check.shop_id, check.variant_id)
        shop = _shop(session, check.shop_id)
        if shop is None or not shop.is_installed:
            if event is not None:
                repository.close_event(session, event.id, CloseReason.shop_uninstalled)
        else:
            reading = catalog.take_reading(session, shop, check.variant_id)
            self._follow_reading(session, reading, shop.settings.policy, event)
        catalog.finish_check(session, check)

    def _follow_reading(
        self, session: Session, reading: StockReading, policy: NotificationPolicy, event: OpenEvent | None
    ) -> None:
        waiting = subscriptions.waiting_count(session, reading.shop_id, [reading.variant_id]).get(reading.variant_id, 0)
        decision = rules.detect_restock(
            reading,
            policy,
            waiting,
            event_is_open=event is not None,
            open_turns=int(event is not None and repository.has_open_turn(session, event.id)),
        )
        match decision:
            case rules.Open():
                repository.open_event(session, reading.shop_id, reading.variant_id, reading.units)
                log.info("restock_opened", shop_id=reading.shop_id, variant_id=reading.variant_id, waiting=waiting)
            case rules.Keep() if event is not None and waiting:
                repository.replan(session, [event.id])
            case rules.Close(reason) if event is not None:
                _close(session, event, reason)
            case rules.Keep() | rules.Close() | rules.Nothing():
                pass
            case _:
                assert_never(decision)

    def _plan_page(self, session: Session, event: OpenEvent) -> None:
        shop = _shop(session, event.shop_id)
        if shop is None or not shop.is_installed:
            _close(session, event, CloseReason.shop_uninstalled)
            return
        reading = catalog.current_reading(session, event.shop_id, event.variant_id)
        if reading is None:  # never so while an event is open, unless someone erased it: ask, and plan on the answer
            catalog.request_checks(session, event.shop_id, [event.variant_id], 0)
            repository.move_cursor(session, event.id, None)
            return
        policy = shop.settings.policy
        page = subscriptions.queue_page(session, event.shop_id, event.variant_id, event.cursor, self.page_size)
        open_turns = int(repository.has_open_turn(session, event.id))
        match rules.detect_restock(
            reading, policy, len(page) + int(event.cursor is not None), event_is_open=True, open_turns=open_turns
        ):
            case rules.Close(reason):
                _close(session, event, reason)
            case _:
                self._walk(session, event, reading, policy, page)

    def _walk(
        self,
        session: Session,
        event: OpenEvent,
        reading: StockReading,
        policy: NotificationPolicy,
        page: Sequence[QueuePlace],
    ) -> None:
        """Plan one page, write what came of it, and say where the walk goes on."""
        limited = rules.capacity(reading, policy) is not None
        open_units = repository.open_units(session, event.id) if limited else 0
        plan = rules.plan_wave(page, reading, open_units, policy, _tried(session, event, page))
        goes_on = len(page) == self.page_size and plan.free_left != 0
        if plan.offers or goes_on or event.cursor is not None:
            self._write(session, event, reading, plan)
        last = page[-1] if goes_on else None
        repository.move_cursor(session, event.id, (last.queued_at, last.subscription_id) if last else None)

    def _write(self, session: Session, event: OpenEvent, reading: StockReading, plan: WavePlan) -> None:
        if event.cursor is None:
            free = None if plan.free_left is None else plan.free_left + sum(turn.units for turn in plan.offers)
            wave_id = repository.start_wave(session, event, reading.units, free)
        else:
            wave_id = repository.running_wave(session, event)
        turns = self._offer(session, event, wave_id, plan.offers)
        repository.count_in(session, wave_id, turns, len(plan.passed_over))

    def _offer(self, session: Session, event: OpenEvent, wave_id: int, turns: Sequence[Turn]) -> Sequence[Turn]:
        """Make the offers and queue their messages; return the turns of people who were still waiting."""
        if not turns:
            return turns
        offers = repository.add_offers(session, event, wave_id, turns)
        taken = subscriptions.attach_offers(session, list(offers.items()))
        repository.drop_offers(session, [offer_id for person, offer_id in offers.items() if person not in taken])
        made = [turn for turn in turns if turn.subscription_id in taken]
        self.notices.add(session, [_notice(event, offers[turn.subscription_id], turn) for turn in made])
        return made


def _notice(event: OpenEvent, offer_id: int, turn: Turn) -> OfferNotice:
    return OfferNotice(event.shop_id, event.id, offer_id, turn.subscription_id, turn.contact_id, turn.channel)


def _tried(session: Session, event: OpenEvent, page: Sequence[QueuePlace]) -> frozenset[int]:
    returns = repository.returns_by_subscription(session, event.id, [place.subscription_id for place in page])
    return frozenset(person for person, reasons in returns.items() if rules.tried_enough(reasons))


def _close(session: Session, event: OpenEvent, reason: CloseReason) -> None:
    repository.close_event(session, event.id, reason)
    log.info("restock_closed", shop_id=event.shop_id, variant_id=event.variant_id, reason=reason.value)


def _shop(session: Session, shop_id: int) -> Shop | None:
    row = by_id(session, shop_id)
    return to_shop(row) if row else None


def _request_stale(session: Session, variants: Sequence[tuple[int, int]], older_than_seconds: float) -> int:
    stale = repository.stale_variants(session, variants, older_than_seconds)
    for shop_id, group in groupby(stale, key=lambda pair: pair[0]):
        catalog.request_checks(session, shop_id, [variant_id for _, variant_id in group], 0)
    return len(stale)
