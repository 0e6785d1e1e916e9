"""The use cases of deliveries. Each may run twice, and several at once; the row is the truth.

No method holds a database connection while a provider is asked, and none logs whom a message is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.batches.pipeline import Pipeline
from restock.catalog.rules import market_template, product_url
from restock.channels.port import Channel
from restock.channels.values import ChannelName, NoticeKind, Receipt
from restock.clock import Clock, SystemClock
from restock.database import Database
from restock.deliveries.limits.service import texts_today
from restock.deliveries.limits.values import TextsToday
from restock.deliveries.repository import lanes, notices
from restock.deliveries.repository.clicks import count_click, look, turn_behind
from restock.deliveries.repository.receipts import find_named, find_sent_as
from restock.deliveries.rules import PATIENCE, Patience
from restock.deliveries.service.breaker import Breaker
from restock.deliveries.service.claiming import Claiming, load_shop
from restock.deliveries.service.doubts import Doubts
from restock.deliveries.service.ports import Gate, Senders, Suppressions, Turns
from restock.deliveries.service.receipts import Receipts
from restock.deliveries.service.recording import Recording
from restock.deliveries.service.reminders import Reminders
from restock.deliveries.service.sending import Sending, never
from restock.deliveries.service.streams.desk import open_beside
from restock.deliveries.values import Batch, Drained, NewDelivery, Outage, Sample, SkipReason, TurnView
from restock.failpoints import failpoint
from restock.links import Links
from restock.restocks.values import OfferNotice, OfferRef
from restock.shops.service.texts import TextShelf
from restock.shops.values import Shop

DRAIN_SECONDS = 30.0
_MOST_COUNTED_PER_LANE = 2000
_ANY_SAMPLE = Sample()


class DeliveryNotices:
    """Queue and withdraw the messages of offers: the ports the restocks room declares."""

    def add(self, session: Session, offers: Sequence[OfferNotice]) -> None:
        """Queue one message for each offer, in the caller's transaction; an offer is told once, ever."""
        notices.add(session, [_of_offer(offer) for offer in offers])

    def withdraw(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None:
        """Skip the messages of offers whose people have bought the goods, where they have not left yet."""
        notices.withdraw(session, shop_id, offer_ids, SkipReason.purchased)

    def take_back(self, session: Session, shop_id: int, offer_ids: Sequence[int], reason: str) -> set[int]:
        """Skip the messages of offers that are taken back, where they surely have not left; return those offers."""
        return notices.withdraw(session, shop_id, offer_ids, SkipReason(reason), unless_doubted=True)

    def offer_of(self, session: Session, delivery_id: int) -> OfferRef | None:
        """Say which offer a message is about; None for any other message."""
        return notices.offer_of(session, delivery_id)

    def waiting(self, session: Session, shop_id: int, channels: Sequence[ChannelName]) -> Sequence[int]:
        """List the messages of a shop that wait for an hour or a day it has chosen; nothing is held."""
        return notices.waiting(session, shop_id, channels)

    def wake(self, session: Session, shop_id: int, message_ids: Sequence[int]) -> None:
        """Have messages that wait so decided about now; who has to wait by the present settings waits on."""
        notices.wake(session, shop_id, message_ids)


def _of_offer(offer: OfferNotice) -> NewDelivery:
    return NewDelivery(
        offer.shop_id,
        offer.channel,
        NoticeKind.offer,
        f"offer:{offer.offer_id}:first",
        offer.contact_id,
        offer.subscription_id,
        offer.offer_id,
        offer.event_id,
        offer.due_at,
    )


@dataclass(frozen=True)
class Deliveries:
    """Claim, send, record, and resolve what is in doubt."""

    database: Database
    channels: Mapping[ChannelName, Channel]  # those this instance has a provider for
    turns: Turns
    suppressions: Suppressions
    links: Links
    lease_seconds: float = 60.0
    reading_max_age_seconds: float = 120.0
    clock: Clock = field(default_factory=SystemClock)
    patience: Patience = PATIENCE
    providers: Mapping[ChannelName, str] = field(default_factory=dict)  # what each channel's is called
    texts: TextShelf = field(default_factory=TextShelf)
    gates: Mapping[ChannelName, Gate] = field(default_factory=dict)  # before channels that cost by the message
    senders: Senders | None = None  # None: every shop sends by the instance's own

    def claim(self, channel: ChannelName, limit: int) -> Batch | None:
        """Claim up to `limit` deliveries of the lane served longest ago; None when nothing is due."""
        return self._claiming.claim(channel, limit, self.lease_seconds)

    def drain(
        self,
        channel: ChannelName,
        seconds: float = DRAIN_SECONDS,
        give_way: Callable[[], bool] = never,
        stopping: Callable[[], bool] = never,
    ) -> Drained:
        """Send what is due on one channel for up to `seconds`.

        From the first second on `give_way` is asked before every claim whether someone else waits for this worker. Once
        it is `stopping` nothing more is claimed, and what can be given back is.
        """
        return self._sending.drain(channel, seconds, give_way, stopping)

    def due(self) -> dict[ChannelName, int]:
        """Count the deliveries of each channel that may be sent now; large numbers are cut off.

        Of a channel whose provider is down it is one while a probe is due, else none but of shops with their own.
        """
        with self.database.transaction() as session:
            due = lanes.due_by_channel(session, _MOST_COUNTED_PER_LANE)
        shut = dict(self.breaker.shut()) if due else {}
        if shut.get(ChannelName.email) is False and self.senders is not None:
            with self.database.transaction() as session:
                due[ChannelName.email] = lanes.count_own(session, ChannelName.email)
            del shut[ChannelName.email]
        allowed = {channel: min(rows, int(shut.get(channel, rows))) for channel, rows in due.items()}
        return {channel: rows for channel, rows in allowed.items() if rows}

    def outages(self, shop_id: int | None = None) -> Sequence[Outage]:
        """List the providers that are down, longest first, with what waits for them: of one shop, or of all."""
        return self.breaker.outages(shop_id)

    def texts_today(self, shop: Shop) -> TextsToday:
        """Say how far the text messages of a shop's day have come, and how many wait for the next."""
        return texts_today(self.database, shop, self.clock.now())

    def expire_leases(self, limit: int = 1000) -> int:
        """Take deliveries from workers that were lost; return how many."""
        return self._doubts.expire_leases(limit)

    def resolve_unknown(self, limit: int = 200) -> int:
        """Decide about deliveries nobody knows the end of; return how many were looked into."""
        return self._doubts.resolve(limit, self.lease_seconds)

    def open_confirmations(self, limit: int = 500) -> int:
        """Queue the confirmation messages that were asked for, one in 24 hours for each contact; return how many."""
        with self.database.transaction() as session:
            due = subscriptions.take_confirmations_due(session, limit)
            kind = NoticeKind.confirmation
            fresh = [
                NewDelivery(
                    d.shop_id, d.channel, kind, f"confirm:{d.contact_id}:{d.asked_at.isoformat()}", d.contact_id
                )
                for d in due
            ]
            added = notices.add(session, fresh)
            if added:
                failpoint("confirmations.before_commit")
        if added:
            failpoint("confirmations.after_commit")
        return added

    def open_reminders(self, limit: int = 500) -> int:
        """Queue the reminders that are due, each once, ever; return how many offers were looked at, 0: none is due."""
        return self._reminders.open(limit)

    def queue_test(self, shop_id: int, contact_id: int, channel: ChannelName, sample: Sample = _ANY_SAMPLE) -> bool:
        """Queue a sample message to a contact, of each text at most one a minute; False when it has had its one."""
        key = sample.key(contact_id, self.clock.now().strftime("%Y%m%d%H%M"))
        message = NewDelivery(shop_id, channel.value, NoticeKind.test, key, contact_id)
        with self.database.transaction() as session:
            return notices.add(session, [message]) == 1

    def record_receipt(self, receipt: Receipt, shop_id: int | None = None) -> bool:
        """Record what a provider says about a message it has; False when that is no news.

        Receipts may come doubled, out of order, and before our own record of the hand-over. `shop_id` is the shop whose
        own provider spoke, None: the instance's.
        """
        return self._receipts.record(receipt, shop_id)

    def named(self, name: str, shop_id: int) -> int | None:
        """Find a shop's delivery by the identity it was handed over with; None where there is none (any more)."""
        with self.database.transaction() as session:
            return find_named(session, name, shop_id)

    def sent_as(self, message_id: str, shop_id: int) -> int | None:
        """Find a shop's e-mail by the name its provider gave it; None where there is none (any more, or yet)."""
        with self.database.transaction() as session:
            return find_sent_as(session, message_id, shop_id)

    def follow(self, delivery_id: int, *, count: bool = True) -> str | None:
        """Count a click and return where the goods can be bought; None when the delivery is not known (any more).

        `count` False: somebody only asks where the link leads.
        """
        with self.database.transaction() as session:
            clicked = count_click(session, delivery_id) if count else look(session, delivery_id)
            if clicked is None:
                return None
            shop = load_shop(session, clicked.shop_id)
            if clicked.variant_id is None:
                return f"https://{shop.domain}"
            goods = catalog.product_facts(session, shop, [clicked.variant_id]).get(clicked.variant_id)
            handle = goods.handle if goods else None
            own = {one.market_id: one.base_url for one in shop.settings.markets}.get(clicked.market_id)
            template = market_template(shop.settings.product_url_template, own)
            return product_url(template, shop.domain, handle, clicked.variant_id, clicked.product_id)

    def turn_behind(self, delivery_id: int) -> TurnView | None:
        """Say how the turn stands that a message was about; None when it was about none, or is not known any more."""
        with self.database.transaction() as session:
            turn = turn_behind(session, delivery_id)
            if turn is None:
                return None
            goods = catalog.product_facts(session, load_shop(session, turn.shop_id), [turn.variant_id])
            known = goods.get(turn.variant_id)
            return TurnView(turn.contact_id, turn.standing, known.title if known else None)

    @cached_property
    def _claiming(self) -> Claiming:
        return Claiming(
            self.database,
            self.channels,
            self.turns,
            self.links,
            self.reading_max_age_seconds,
            self.texts,
            self.gates,
            self.senders,
        )

    @cached_property
    def _sending(self) -> Sending:
        pipeline = Pipeline(self.database.connect_for_batches)
        recording = Recording(self.database, self.turns, self.suppressions, self.patience, pipeline)
        return Sending(
            self.database,
            self.channels,
            self._claiming,
            recording,
            self.breaker,
            self.lease_seconds,
            self.clock,
            open_claims=open_beside,
        )

    @cached_property
    def breaker(self) -> Breaker:
        """Say which providers are down, and who may try them."""
        return Breaker(self.database, self.lease_seconds, self.providers, self.patience.provider_pause[1])

    @cached_property
    def _doubts(self) -> Doubts:
        return Doubts(
            self.database, self.channels, self.turns, self.links, self.breaker.shut, self.senders, self.patience
        )

    @cached_property
    def _reminders(self) -> Reminders:
        return Reminders(self.database, self.clock)

    @cached_property
    def _receipts(self) -> Receipts:
        return Receipts(self.database, self.turns, self.suppressions, self._filtered)

    def _filtered(self, shop: Shop) -> None:
        if (gate := self.gates.get(ChannelName.sms)) is not None:
            gate.count_filtered(shop, self.clock.now())
