"""Waves: an event's queue is walked page by page, and whoever's turn it is gets an offer and a message.

One page is one transaction, so nobody ever waits for a large restock to be planned, and a crash costs a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.catalog.values import StockReading
from restock.database import Database
from restock.failpoints import failpoint
from restock.restocks import repository, rules
from restock.restocks.service.following import close_event, load_shop
from restock.restocks.service.ports import Notices
from restock.restocks.values import CloseReason, OfferNotice, OpenEvent, Turn, WaveFacts, WavePlan
from restock.shops.values import Shop
from restock.subscriptions.values import QueuePlace


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
            repository.move_cursor(session, event.id, None)
            return
        policy = shop.settings.policy
        page = subscriptions.queue_page(
            session, event.shop_id, event.variant_id, event.cursor, self.page_size, policy.order
        )
        open_turns = int(repository.has_open_turn(session, event.id))
        match rules.detect_restock(
            reading, policy, len(page) + int(event.cursor is not None), event_is_open=True, open_turns=open_turns
        ):
            case rules.Close(reason):
                close_event(session, event, reason)
            case _:
                self._walk(session, event, reading, shop, page)

    def _walk(
        self,
        session: Session,
        event: OpenEvent,
        reading: StockReading,
        shop: Shop,
        page: Sequence[QueuePlace],
    ) -> None:
        """Plan one page, write what came of it, and say where the walk goes on."""
        policy = shop.settings.policy
        limited = rules.capacity(reading, policy) is not None
        open_units = repository.open_units(session, event.id) if limited else 0
        facts = WaveFacts(tried=_tried(session, event, page), closed_markets=_closed_markets(session, event, shop))
        free = rules.free_units(reading, policy, open_units)
        plan = rules.plan_wave(page, reading, free, policy, datetime.now(UTC), facts)
        goes_on = len(page) == self.page_size and plan.free_left != 0
        if plan.offers or goes_on or event.cursor is not None:
            self._write(session, event, reading, plan)
        last = page[-1] if goes_on else None
        repository.move_cursor(session, event.id, last.cursor if last else None)

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
        failpoint("plan.mid_expansion")
        made = [turn for turn in turns if turn.subscription_id in taken]
        self.notices.add(session, [_notice(event, offers[turn.subscription_id], turn) for turn in made])
        return made


def _notice(event: OpenEvent, offer_id: int, turn: Turn) -> OfferNotice:
    return OfferNotice(
        event.shop_id, event.id, offer_id, turn.subscription_id, turn.contact_id, turn.channel, turn.wakes_at
    )


def _closed_markets(session: Session, event: OpenEvent, shop: Shop) -> frozenset[int]:
    if not shop.settings.markets:
        return frozenset()
    without = catalog.countries_without(session, event.shop_id, event.variant_id)
    return frozenset(one.market_id for one in shop.settings.markets if one.country in without)


def _tried(session: Session, event: OpenEvent, page: Sequence[QueuePlace]) -> frozenset[int]:
    returns = repository.returns_by_subscription(session, event.id, [place.subscription_id for place in page])
    return frozenset(person for person, reasons in returns.items() if rules.tried_enough(reasons))
