"""Turns that end without a purchase: their time is over, they are declined, slept through, or missed.

Whatever ends frees units for whoever is next. It must never take a turn away whose message is being handed over.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.database import Database
from restock.failpoints import failpoint
from restock.restocks import repository
from restock.restocks.repository import turns
from restock.restocks.service.following import load_shop
from restock.restocks.service.ports import Notices
from restock.restocks.values import ClosedEvent, HeldTurn, OfferRef
from restock.subscriptions.values import HistoryEntry, HistoryKind

_TRIES = 5
_ON_ITS_WAY_SECONDS = 300.0  # until it is known what became of a message that a provider may have
_ASLEEP, _EVENT_CLOSED, _SOLD_OUT, _USED_UP = "asleep", "event_closed", "sold_out", "offers_used_up"
_SAID_BY_SHOPPER, _SAID_BY_US = "shopper", "restock"


@dataclass(frozen=True)
class Turns:
    """End turns, and give what they kept to whoever is next."""

    database: Database
    notices: Notices
    page_size: int

    def end(self, limit: int) -> int:
        """End the turns whose time is over; return how many."""
        with self.database.transaction() as session:
            event_ids = repository.end_offers(session, limit)
            repository.replan(session, event_ids)
            if event_ids:
                failpoint("turns.before_commit")
        if event_ids:
            failpoint("turns.after_commit")
        return len(event_ids)

    def lend_on(self, limit: int) -> int:
        """Take back the offers of people who have slept for as long as units are kept; return how many."""
        with self.database.transaction() as session:
            due = turns.slept_through(session, limit)
        lent = 0
        for shop_id, offer_ids in due:
            with self.database.transaction() as session:
                lent += self._lend_on(session, shop_id, offer_ids)
                failpoint("lend.before_commit")
        return lent

    def decline(self, delivery_id: int) -> bool:
        """End the turn a message was about by its person's own word; False when it is over."""
        for _ in range(_TRIES):
            try:
                with self.database.transaction() as session:
                    offer = self.notices.offer_of(session, delivery_id)
                    return offer is not None and _decline(session, offer)
            except IntegrityError:  # the same address has just asked again: look again, and see it
                continue
        return False

    def miss_doubted(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None:
        """Miss turns whose message may have arrived, and is not repeated: sold out meanwhile."""
        missed = turns.miss_unheard(session, shop_id, offer_ids)
        repository.replan(session, [turn.event_id for turn in missed])
        subscriptions.release_offers(session, [turn.subscription_id for turn in missed], told=True)
        subscriptions.add_history(session, shop_id, [_said(turn, HistoryKind.missed, _SOLD_OUT) for turn in missed])
        look_again(session, shop_id, {turn.event_id for turn in missed})

    def settle(self, limit: int) -> int:
        """End the turns of sold-out restocks, a page a transaction; return how many pages.

        Running ones are missed; those whose message waits for its hour are taken back, or a night would go by in which
        their people stand in no line.
        """
        for done in range(limit):
            if not self._settle_page():
                return done
        return limit

    def _lend_on(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> int:
        free = self.notices.take_back(session, shop_id, offer_ids, _ASLEEP)
        turns.keep_on(session, shop_id, sorted(set(offer_ids) - free), _ON_ITS_WAY_SECONDS)
        lent = turns.lend_on(session, shop_id, sorted(free))
        repository.replan(session, [turn.event_id for turn in lent])
        subscriptions.release_offers(session, [turn.subscription_id for turn in lent])
        subscriptions.add_history(session, shop_id, [_said(turn, HistoryKind.lent_on, _ASLEEP) for turn in lent])
        look_again(session, shop_id, {turn.event_id for turn in lent})
        return len(lent)

    def _settle_page(self) -> bool:
        for _ in range(_TRIES):
            try:
                with self.database.transaction() as session:
                    event = turns.claim_sold_out(session)
                    only_unheard = event is not None and self._miss(session, event)
                    if event is not None:
                        failpoint("missed.before_commit")
            except IntegrityError:  # somebody has just asked again: look again, and see it
                continue
            if event is not None and only_unheard:
                self._take_back(event)
            return event is not None
        return False

    def _miss(self, session: Session, event: ClosedEvent) -> bool:
        """Miss one page of running turns; what others hold is left for the next look. True: only others are open."""
        page = turns.running_turns(session, event.id, self.page_size)
        held = subscriptions.hold_contacts(session, event.shop_id, {t.contact_id for t in page if t.contact_id})
        missed = [turn for turn in page if turn.contact_id is None or turn.contact_id in held]
        if missed:
            turns.miss_offers(session, [turn.offer_id for turn in missed])
            _put_back(session, event.shop_id, event.variant_id, missed)
        if len(missed) == self.page_size:
            turns.settle_now(session, event.id)  # there is more of it, behind the others that are due
            return False
        if not repository.has_open_turn(session, event.id):
            turns.settled(session, event.id)
            return False
        turns.settle_later(session, event.id)
        return True

    def _take_back(self, event: ClosedEvent) -> None:
        """Take back one page of offers whose message has not left; those on their way are looked at again later."""
        with self.database.transaction() as session:
            page = turns.unheard_offers(session, event.id, self.page_size)
            free = self.notices.take_back(session, event.shop_id, page, _EVENT_CLOSED)
            people, _ = repository.return_offers(session, event.shop_id, sorted(free), _EVENT_CLOSED)
            if people:
                turns.settle_now(session, event.id)
                repository.replan(session, [event.id])
                subscriptions.release_offers(session, people)
                look_again(session, event.shop_id, [event.id])


def look_again(session: Session, shop_id: int, event_ids: Collection[int]) -> None:
    """Have stock looked at of what came back while nobody waited for it: whoever does now was still being told of the
    restock before. The last thing a transaction does.
    """
    if variants := repository.over_too_soon(session, shop_id, event_ids):
        catalog.request_checks(session, shop_id, variants, 0)


def _decline(session: Session, offer: OfferRef) -> bool:
    turn = turns.open_turn(session, offer.shop_id, offer.offer_id)
    if turn is None:
        return False
    if turn.contact_id is not None:
        subscriptions.hold_contacts(session, offer.shop_id, [turn.contact_id], patient=True)
    if not turns.decline_offer(session, offer.shop_id, offer.offer_id):
        return False
    repository.replan(session, [turn.event_id])
    subscriptions.release_offers(session, [turn.subscription_id])  # where nobody has written down yet that it arrived
    subscriptions.return_to_place(session, offer.shop_id, [turn.subscription_id])
    said = _said(turn, HistoryKind.declined, None, said_by=_SAID_BY_SHOPPER)
    subscriptions.add_history(session, offer.shop_id, [said])
    return True


def _put_back(session: Session, shop_id: int, variant_id: int, missed: Sequence[HeldTurn]) -> None:
    """Put people back in line, or end their waiting after as many turns as the shop gives; note both."""
    repository.lock_open_event(session, shop_id, variant_id)  # before its people, as whoever plans it does
    shop = load_shop(session, shop_id)
    people = [turn.subscription_id for turn in missed]
    most = shop.settings.policy.max_offers if shop else 1
    ended = subscriptions.expire_used_up(session, shop_id, turns.used_up(session, people, most))
    subscriptions.return_to_place(session, shop_id, people)
    entries = [_said(turn, HistoryKind.missed, _SOLD_OUT) for turn in missed]
    entries += [
        _said(turn, HistoryKind.expired, _USED_UP, said_by=_SAID_BY_US)
        for turn in missed
        if turn.subscription_id in ended
    ]
    subscriptions.add_history(session, shop_id, entries)
    # Back on sale before this was done: whoever stands in line again comes first there, and these units are free.
    repository.replan_variant(session, shop_id, variant_id)
    look_again(session, shop_id, {turn.event_id for turn in missed})


def _said(turn: HeldTurn, kind: HistoryKind, reason: str | None, said_by: str | None = None) -> HistoryEntry:
    return HistoryEntry(turn.subscription_id, kind, reason, turn.event_id, turn.offer_id, turn.units, said_by=said_by)
