"""Claiming a batch: pick a lane, decide about each due delivery, take those that may leave.

No provider is asked here, and nothing of the network.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple, assert_never

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.channels.values import ChannelName, NoticeKind, SenderChoice
from restock.database import Database
from restock.deliveries import rules
from restock.deliveries.limits.rules import DAY_CAP, FILTERED, PACED
from restock.deliveries.limits.second_tries import is_second_try
from restock.deliveries.limits.values import Admission
from restock.deliveries.repository import claims, lanes
from restock.deliveries.service.envelopes import seal_envelopes
from restock.deliveries.service.ports import Gate, Senders, Turns
from restock.deliveries.values import Batch, ClaimedRow, Lane, LaneFacts, MessageFacts, PersonFacts, SkipReason
from restock.failpoints import failpoint
from restock.ids import new_token
from restock.links import Links
from restock.shops.repository import by_id
from restock.shops.service import to_shop
from restock.shops.service.texts import TextShelf
from restock.shops.values import Shop
from restock.subscriptions.rules.zones import candidate_zones, wakes_at

_WHOLE_LANE = (rules.STALE, PACED)  # everybody behind waits too: nobody is overtaken
_GOODS_GONE = (SkipReason.sold_out, SkipReason.event_closed)
_SLEEPERS = (rules.ASLEEP, DAY_CAP, FILTERED)  # whose units are kept no longer than a sleeper's


class Taken(NamedTuple):
    """Deliveries that are marked as being sent, and what their messages say; no envelope is written yet."""

    token: uuid.UUID
    lane: Lane
    rows: Sequence[ClaimedRow]
    told: MessageFacts
    at: datetime


@dataclass(frozen=True)
class Claiming:
    """Take due deliveries out of the queue, one lane at a time."""

    database: Database
    channels: Container[ChannelName]  # those this instance has a provider for
    turns: Turns
    links: Links
    reading_max_age_seconds: float
    texts: TextShelf
    gates: Mapping[ChannelName, Gate] = field(default_factory=dict)
    senders: Senders | None = None

    def claim(self, channel: ChannelName, limit: int, lease_seconds: float, *, own: bool = False) -> Batch | None:
        """Claim up to `limit` deliveries of the lane served longest ago; None when no lane is due.

        `own`: only of shops with a provider of their own.

        Two transactions: the lane moves to the end of the line, then its deliveries are decided about and marked, so
        that nobody waits at the lane's row meanwhile. When this returns no connection is held.
        """
        taken = self.take(channel, limit, lease_seconds, own=own)
        if taken is None:
            return None
        envelopes = seal_envelopes(taken.rows, taken.told, self.links)
        if taken.told.speaker is not None:
            self.texts.tell(self.database, taken.told.shop.id, taken.told.speaker)
        rows = {row.id: row for row in taken.rows}
        return Batch(taken.token, taken.lane, taken.told.shop, rows, envelopes, taken.at)

    def take(self, channel: ChannelName, limit: int, lease_seconds: float, *, own: bool = False) -> Taken | None:
        """Do all of `claim` but write the envelopes."""
        if own and self.senders is None:
            return None
        gate = self.gates.get(channel)
        if gate is not None and (room := gate.room(channel)) is not None:
            if not room:
                return None
            limit = min(limit, room)
        while True:
            with self.database.transaction() as session:
                lane = lanes.pick(session, channel, own=own)
            if lane is None:
                return None
            if (taken := self._take(lane, limit, lease_seconds)) is not None:
                return taken

    def _take(self, lane: Lane, limit: int, lease_seconds: float) -> Taken | None:
        """Take from one lane; None: its shop was erased since it was picked, and the lane with it."""
        token = new_token()
        with self.database.transaction() as session:
            row = by_id(session, lane.shop_id)
            if row is None:
                return None
            shop = to_shop(row)
            rows = claims.take_due(session, lane, limit)
            facts, now = self._lane_facts(session, lane, shop)
            sending, rest_seconds = self._decide(session, shop, rows, facts, now)
            claims.mark_sending(session, [row.id for row in sending], token, lease_seconds)
            told = self._told(session, shop, sending, facts)
            if rest_seconds:
                lanes.rest(session, lane.id, rest_seconds)
            elif len(rows) < limit:
                lanes.settle(session, lane.id)
            failpoint("claim.before_commit")
        failpoint("claim.after_commit")
        return Taken(token, lane, sending, told, now)

    def give_back(self, batch: Batch, ids: Container[int], slower_seconds: float = 0.0) -> None:
        """Say which messages of a batch the provider did not take: nobody pays for them.

        `slower_seconds`: it asked for a pause, and gets it from all workers.
        """
        gate = self.gates.get(batch.lane.channel)
        if gate is not None and slower_seconds:
            gate.pause(batch.lane.channel, slower_seconds)
        if gate is not None and (unpaid := [one for one in batch.envelopes if one.delivery_id in ids]):
            gate.give_back(batch.shop, unpaid, batch.claimed_at)

    def _lane_facts(self, session: Session, lane: Lane, shop: Shop) -> tuple[LaneFacts, datetime]:
        variant_id, event_open, now = claims.event_state(session, lane.shop_id, lane.event_id)
        reading = catalog.current_reading(session, lane.shop_id, variant_id) if variant_id is not None else None
        channel_on = lane.channel in self.channels and lane.channel in shop.settings.channels
        reminds = shop.settings.policy.reminder_count > 0
        age = self.reading_max_age_seconds
        return LaneFacts(shop.is_installed, channel_on, event_open, reading, age, reminds), now

    def _decide(
        self, session: Session, shop: Shop, rows: Sequence[ClaimedRow], facts: LaneFacts, now: datetime
    ) -> tuple[list[ClaimedRow], float]:
        """Skip and postpone what may not leave; return the rest, and for how long the whole lane is to be left alone.

        A reading that is too old is so for everybody behind it: nobody is postponed alone and overtaken by others.
        """
        found = self._sort(shop, rows, facts, now)
        if rows and found.sending and (gate := self.gates.get(rows[0].channel)) is not None:
            envelopes = seal_envelopes(found.sending, self._told(session, shop, found.sending, facts), self.links)
            found.narrow(gate.admit(session, shop, envelopes, now))
        rest_seconds = max((seconds for seconds, why in found.held if why in _WHOLE_LANE), default=0.0)
        for (seconds, why), group in found.held.items():
            if why not in _WHOLE_LANE:
                claims.postpone(session, [row.id for row in group], seconds, why)
            if why in _SLEEPERS and _has_turns(shop, facts):
                self.turns.offers_asleep(session, shop.id, [row.offer_id for row in group if row.offer_id is not None])
        for reason, group in found.skipped.items():
            self._skip(session, shop, group, reason)
        # Behind the turns: whoever follows a reading holds the event before the check.
        held = found.held.items()
        if unread := [row for (_, why), group in held if why in (rules.STALE, rules.UNREAD) for row in group]:
            variants = {row.variant_id for row in unread if row.variant_id}
            catalog.request_checks(session, shop.id, variants, 0)
        return found.sending, rest_seconds

    def _skip(self, session: Session, shop: Shop, rows: Sequence[ClaimedRow], reason: SkipReason) -> None:
        """Skip messages and give their turns back; of one that may have arrived nobody says that it was not sent.

        Where the goods are gone, whoever may have been told already has missed a turn: what comes next says so.
        """
        if doubted := [row.id for row in rows if row.doubts]:
            offers_in_doubt = claims.leave_in_doubt(session, doubted, reason)
            if reason in _GOODS_GONE:
                self.turns.offers_missed(session, shop.id, offers_in_doubt)
        claims.mark_skipped(session, [row.id for row in rows], reason)
        offers = (row.offer_id for row in rows if row.kind is NoticeKind.offer)
        offer_ids = [offer_id for offer_id in offers if offer_id is not None]
        self.turns.offers_returned(session, shop.id, offer_ids, reason.value)

    def _sort(self, shop: Shop, rows: Sequence[ClaimedRow], facts: LaneFacts, now: datetime) -> _Sorted:
        """Decide about each by itself."""
        found = _Sorted()
        decide = _Decisions(facts, shop, now, self.gates.get(rows[0].channel) if rows else None)
        for row in rows:
            decision = decide.about(row)
            match decision:
                case rules.Send():
                    found.sending.append(row)
                case rules.Skip(reason):
                    found.skipped[reason].append(row)
                case rules.Hold(seconds, why):
                    found.held[seconds, why].append(row)
                case _:
                    assert_never(decision)
        return found

    def _told(self, session: Session, shop: Shop, rows: Sequence[ClaimedRow], facts: LaneFacts) -> MessageFacts:
        """Read what the messages of some rows share."""
        goods = catalog.product_facts(session, shop, {row.variant_id for row in rows if row.variant_id})
        prices = catalog.market_prices(session, shop, markets_of(rows))
        speaker = self.texts.speaker(session, shop)
        sender = self._sender(session, rows[0].channel, shop) if rows else None
        return MessageFacts(shop, goods, prices, _has_turns(shop, facts), speaker, sender)

    def _sender(self, session: Session, channel: ChannelName, shop: Shop) -> SenderChoice | None:
        return self.senders.choice(session, shop.id) if self.senders and channel is ChannelName.email else None


@dataclass
class _Sorted:
    """The rows of one claim by what becomes of them."""

    sending: list[ClaimedRow] = field(default_factory=list)
    skipped: dict[SkipReason, list[ClaimedRow]] = field(default_factory=lambda: defaultdict(list))
    held: dict[tuple[float, str], list[ClaimedRow]] = field(default_factory=lambda: defaultdict(list))

    def narrow(self, admission: Admission) -> None:
        """Take out of those that may leave whom the gate does not let through now."""
        for row in self.sending:
            if row.id in admission.flooding:
                self.skipped[SkipReason.number_flood].append(row)
            elif row.id in admission.held:
                self.held[admission.held_seconds, admission.why].append(row)
            elif row.id not in admission.leaving:
                self.held[admission.rest_seconds, PACED].append(row)
        self.sending = [row for row in self.sending if row.id in admission.leaving]


def markets_of(rows: Sequence[ClaimedRow]) -> set[tuple[int, int]]:
    """Name the (variant, market) of those who asked from a market."""
    return {(row.variant_id, row.market_id) for row in rows if row.variant_id and row.market_id}


def load_shop(session: Session, shop_id: int) -> Shop:
    """Read the shop of a lane; it exists as long as its lanes do."""
    row = by_id(session, shop_id)
    if row is None:
        raise LookupError("a lane outlived its shop")
    return to_shop(row)


def _has_turns(shop: Shop, facts: LaneFacts) -> bool:
    """Say whether units are kept for anybody: not where everybody is told at once, nor where there is no limit."""
    return shop.settings.policy.factor is not None and facts.is_limited


# What decides, but for the address: of one shop on one channel at one moment.
_DECIDING = "kind holds_offer units suppression has_bought turn was_told waits_again is_paused"
_known = itemgetter(*map(ClaimedRow._fields.index, _DECIDING.split()))


class _Decisions:
    """What `may_send` says of the rows of one claim, asked once for all of whom the same is known."""

    def __init__(self, facts: LaneFacts, shop: Shop, now: datetime, gate: Gate | None = None) -> None:
        self._facts, self._shop, self._now, self._gate = facts, shop, now, gate
        self._made: dict[tuple[object, ...], rules.Send | rules.Hold | rules.Skip] = {}

    def about(self, row: ClaimedRow) -> rules.Send | rules.Hold | rules.Skip:
        """Decide about one delivery."""
        where = row.address if self._gate is not None or row.channel is ChannelName.sms else row.address is not None
        prompt = rules.is_prompt(row.kind, row.created_at, self._now)
        key = (_known(row), where, is_second_try(row.dedupe_key), prompt)
        decision = self._made.get(key)
        if decision is None:
            allowed = self._gate is None or row.address is None or self._gate.is_allowed(self._shop, row.address)
            person = _person(row, self._shop, self._now, country_allowed=allowed)
            self._made[key] = decision = rules.may_send(self._facts, person, self._now)
        return decision


def _person(row: ClaimedRow, shop: Shop, now: datetime, *, country_allowed: bool = True) -> PersonFacts:
    return PersonFacts(
        country_allowed=country_allowed,
        is_second_try=is_second_try(row.dedupe_key),
        kind=row.kind,
        holds_offer=row.holds_offer,
        is_paused=row.is_paused,
        units=row.units,
        suppression=row.suppression,
        address_known=row.address is not None,
        has_bought=row.has_bought,
        turn=row.turn,
        was_told=row.was_told,
        waits_again=row.waits_again,
        wakes_at=_wakes_at(row, shop, now),
    )


def _wakes_at(row: ClaimedRow, shop: Shop, now: datetime) -> datetime | None:
    """What answers somebody at once is sent at any hour; all else waits until they wake."""
    if rules.is_prompt(row.kind, row.created_at, now):
        return None
    zones = candidate_zones(row.channel, row.address, shop.time_zone)
    return wakes_at(row.channel, shop.settings.send_hours.of(row.channel), zones, now)
