"""The use cases of restocks: look at stock, plan waves, keep turns. Each may run twice, and several at once.

`checking` and `reconciling` find out what can be bought, `following` opens and closes events, `planning` shares out.
Nothing here talks to a provider; Shopify is asked through `StockSource`, never inside a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.batches.pipeline import Step
from restock.database import Database
from restock.restocks import repository
from restock.restocks.repository import passes, watching
from restock.restocks.repository.turns import keep_for_sleepers, open_offers_for, open_offers_of
from restock.restocks.rules import LONGEST_KEPT
from restock.restocks.service.checking import PATIENCE_SECONDS, Checking
from restock.restocks.service.following import Following
from restock.restocks.service.new_settings import NewSettings
from restock.restocks.service.planning import Planning
from restock.restocks.service.ports import Notices, StockSource, WebhooksOnly
from restock.restocks.service.reconciling import Reconciling
from restock.restocks.service.threads import ShopThreads
from restock.restocks.service.turns import Turns, look_again
from restock.restocks.values import HeldBack, ReconcileState, StockDue
from restock.shops.values import Shop

_UNSUBSCRIBED, _PAUSED = "unsubscribed", "paused"
_RESTS = frozenset({_UNSUBSCRIBED, _PAUSED, "suppressed", "redacted"})  # whoever comes back so waits for nothing now


@dataclass(frozen=True)
class RestockService:
    """From a StockReading to an event, from an event to waves of offers."""

    database: Database
    notices: Notices
    reconcile_seconds: float = 900.0
    page_size: int = 1000
    stock: StockSource = field(default_factory=WebhooksOnly)
    threads: ShopThreads = field(default_factory=ShopThreads)
    lease_seconds: float = 60.0  # how long what was claimed is left to who claimed it

    def check_due(self, limit: int = 1000, patience_seconds: float = PATIENCE_SECONDS) -> int:
        """Look at the variants whose check is due and open, keep or close their events; return how many.

        Shops that answer later than `patience_seconds` are followed up in their threads after this has returned.
        """
        return self._checking.run(limit, patience_seconds)

    def plan_due(self, limit: int = 100) -> int:
        """Plan up to `limit` pages of the queues whose time has come; return how many, 0 when nothing is due.

        Events take turns page by page. One that someone else is planning is left to them. Whoever's turn a sell-out
        has ended is put back in line first.
        """
        return self._turns.settle(limit) + Planning(self.database, self.notices, self.page_size).run(limit)

    def end_turns(self, limit: int = 1000) -> int:
        """End the turns whose time is over, or whose person sleeps too long; have their events planned again.

        Return how many ended.
        """
        return self._turns.end(limit) + self._turns.lend_on(limit)

    def decline(self, delivery_id: int) -> bool:
        """Pass the turn that a message was about on to the next in line, the place kept; False when it is over.

        Not offered again in the same restock. Repeating it changes nothing.
        """
        return self._turns.decline(delivery_id)

    def reconcile(self) -> int:
        """Ask for checks of waiting variants that nothing is known of lately; return how many.

        What a lost webhook would have told is found here, and by `reconcile_due` where Shopify can be asked.
        """
        return self._reconciling.request()

    def reconcile_some(self, seconds: float) -> bool:
        """Go on with `reconcile` for so many seconds, or begin it anew; True when there is more to do."""
        self._reconciling.request(seconds)
        return self._reconciling.is_walking

    def reconcile_due(self, seconds: float = 20.0, give_way: Callable[[], bool] = lambda: False) -> int:
        """Ask Shopify about pages of waiting variants that are due, for so long at most; return how many pages."""
        return self._reconciling.run(seconds, give_way)

    def reconcile_state(self, shop_id: int) -> ReconcileState | None:
        """Say how often a shop's waiting variants are asked about; None for a shop that was never asked."""
        with self.database.transaction() as session:
            return passes.reconcile_state(session, shop_id, self.reconcile_seconds)

    def what_would_open(self, shop_id: int) -> HeldBack:
        """Count what could be bought by changed settings alone, and is held back until that is confirmed."""
        with self.database.transaction() as session:
            return watching.held_back(session, shop_id)

    def confirm_settings_change(self, shop_id: int) -> int:
        """Let what `what_would_open` counts be restocks; return of how many variants."""
        with self.database.transaction() as session:
            variants = catalog.confirm_held(session, shop_id)
            catalog.request_checks(session, shop_id, variants, 0)
        return len(variants)

    def settings_changed(self, session: Session, before: Shop, after: Shop) -> Callable[[], None]:
        """Have open restocks looked at by changed settings at once; nothing where those decide nothing.

        In the transaction that saves them, which holds the shop. What it returns is to be called once they are saved.
        """
        return NewSettings(self.database, self.notices).changed(session, before, after)

    def due(self) -> StockDue:
        """Say what is waiting to be done."""
        with self.database.transaction() as session:
            return repository.due(session)

    def offers_accepted(self, session: Session, shop: Shop, offer_ids: Sequence[int]) -> None:
        """Start the turns of people a provider now has the message for; their waiting is over.

        In the caller's transaction. A turn already running keeps its end.
        """
        if offer_ids:
            policy = shop.settings.policy
            remind_hours = policy.reminder_hours if policy.reminder_count else None
            people = repository.accept_offers(session, shop.id, offer_ids, policy.turn_minutes, remind_hours)
            subscriptions.mark_notified(session, people)

    def named_accepted(self, shop: Shop) -> Sequence[Step]:
        """Give the statements that do what `offers_accepted` does, with what an earlier one names in NAMED_OFFERS."""
        policy = shop.settings.policy
        remind_hours = policy.reminder_hours if policy.reminder_count else None
        accepted = repository.named_accepted(shop.id, policy.turn_minutes, remind_hours)
        return [accepted, *subscriptions.named_notified()]

    def offers_returned(self, session: Session, shop_id: int, offer_ids: Sequence[int], reason: str) -> None:
        """Put people who were never reached back to their place, and free their units for whoever is next.

        In the caller's transaction. `reason` is a stable word; it decides whether this event tries the person again.
        """
        if offer_ids:
            people, event_ids = repository.return_offers(session, shop_id, offer_ids, reason)
            repository.replan(session, list(event_ids))
            subscriptions.release_offers(session, people)
            if reason not in _RESTS:
                look_again(session, shop_id, event_ids)

    def offers_missed(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None:
        """Put people who may have been told, and whose goods are gone, back to their place: their turn was missed.

        In the caller's transaction. As no provider is known to have the message, it is none of the turns a shop gives.
        """
        if offer_ids:
            self._turns.miss_doubted(session, shop_id, offer_ids)

    def offers_bounced(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None:
        """End the running turns of people whose message came back, or who are erased; their units go to the next.

        In the caller's transaction. Their waiting is over all the same; an offer never accepted is left alone.
        """
        if offer_ids:
            repository.replan(session, repository.cut_short(session, shop_id, offer_ids, "bounced"))

    def offers_asleep(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None:
        """Keep units no longer than for any sleeper, of people who were awake when they were offered them.

        In the caller's transaction. Units without limit are not to be named here.
        """
        if offer_ids:
            keep_for_sleepers(session, shop_id, offer_ids, LONGEST_KEPT)

    def person_left(self, session: Session, shop_id: int, contact_id: int) -> None:
        """Give the units that somebody's turns keep to whoever is next, before their waiting is cancelled.

        In the caller's transaction, which holds the contact.
        """
        _give_up(session, shop_id, open_offers_of(session, shop_id, contact_id))

    def alerts_left(self, session: Session, shop_id: int, subscription_ids: Sequence[int]) -> int:
        """Give the units that the turns of single alerts keep to whoever is next, before they are cancelled.

        In the caller's transaction, which holds the contact. Return how many turns ended.
        """
        return _give_up(session, shop_id, open_offers_for(session, shop_id, subscription_ids))

    def alerts_paused(self, session: Session, shop_id: int, subscription_ids: Sequence[int]) -> None:
        """Give the units of turns nobody has heard of yet to whoever is next, before these alerts rest.

        In the caller's transaction, which holds the contact. A message on its way is left alone, and so is a turn that
        is running: its person was told.
        """
        offer_ids = open_offers_for(session, shop_id, subscription_ids)
        free = self.notices.take_back(session, shop_id, offer_ids, _PAUSED) if offer_ids else set()
        self.offers_returned(session, shop_id, sorted(free), _PAUSED)

    @cached_property
    def _turns(self) -> Turns:
        return Turns(self.database, self.notices, self.page_size)

    @cached_property
    def _following(self) -> Following:
        return Following(self.database)

    @cached_property
    def _checking(self) -> Checking:
        return Checking(self.database, self.stock, self.threads, self._following, self.lease_seconds)

    @cached_property
    def _reconciling(self) -> Reconciling:
        return Reconciling(
            self.database, self.stock, self.threads, self._following, self.reconcile_seconds, self.lease_seconds
        )


def _give_up(session: Session, shop_id: int, offer_ids: Sequence[int]) -> int:
    """End these offers, told or not, and have their events planned again; return how many ended."""
    if not offer_ids:
        return 0
    people, event_ids = repository.return_offers(session, shop_id, offer_ids, _UNSUBSCRIBED)
    ended = repository.cut_short(session, shop_id, offer_ids, _UNSUBSCRIBED)
    repository.replan(session, [*event_ids, *ended])
    subscriptions.release_offers(session, people)
    return len(people) + len(ended)
