"""One shop's look: who has signed up, whether a digest is due, whether a waitlist has grown long."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.alerts import repository
from restock.alerts.repository import outbox
from restock.alerts.rules import PAUSE_SECONDS, next_digest, rearms_below, write_moment
from restock.alerts.values import ShopTurn
from restock.channels.alerts.values import AlertFacts, AlertKind, VariantLine
from restock.reports.repository import overview
from restock.reports.service.digest import digest_of
from restock.reports.values.overview import Newcomers
from restock.shops.repository import by_id
from restock.shops.repository import texts as shop_texts
from restock.shops.service import to_shop
from restock.shops.values import AlertRhythm, Shop

_SETTLED = timedelta(seconds=10)  # a post that began so long ago is committed by now
_PAUSE = timedelta(seconds=PAUSE_SECONDS)
_MOST_LINES = 10
_MOST_WAITLISTS = 5  # told one by one in a single look; more wait for the next, after the pause


@dataclass(frozen=True)
class Looking:
    """Look at one shop, in the caller's transaction. `down`: channels whose provider takes nothing."""

    session: Session
    shop_id: int
    down: Sequence[str] = ()
    _queued: list[AlertKind] = field(default_factory=list, repr=False)

    def run(self) -> bool:
        """Queue what is to be told, and move on; say whether anything was. Nothing while somebody else looks here."""
        turn = repository.hold(self.session, self.shop_id)
        row = by_id(self.session, self.shop_id) if turn is not None else None
        if turn is None or row is None:
            return False
        shop = to_shop(row)
        after = _begun_anew(turn, shop)
        after = self._tell_new(shop, after)
        after = self._tell_digest(shop, after)
        after = self._tell_waitlists(shop, after)
        if after != turn:
            repository.move_on(self.session, after)
        return bool(self._queued)

    def _tell_new(self, shop: Shop, turn: ShopTurn) -> ShopTurn:
        """Tell of new sign-ups together, at most once in PAUSE_SECONDS, however many there are."""
        if shop.settings.alerts.when is not AlertRhythm.each or turn.next_new_at > turn.now:
            return turn
        until = turn.now - _SETTLED
        found = overview.newcomers(self.session, shop.id, turn.counted_until, until)
        reached = self._reached(shop, AlertKind.new) if found else ()
        if not reached:
            return turn
        facts = self._new(shop, found, turn.counted_until)
        behind = [address for address in shop.settings.alerts.to if address not in reached]
        unaware = [address for address in behind if not self._catch_up(shop, address, until)]
        self._queue(shop, AlertKind.new, _moment(turn.counted_until), facts, to=[*reached, *unaware])
        return replace(turn, counted_until=until, next_new_at=turn.now + _PAUSE)

    def _new(self, shop: Shop, found: Sequence[Newcomers], since: datetime) -> AlertFacts:
        everybody = overview.demand(self.session, shop.id, 1)
        return AlertFacts(
            count=sum(one.people for one in found),
            people=everybody.people,
            units=everybody.units,
            since=_said(since, shop),
            top=self._lines(shop, found[:_MOST_LINES]),
        )

    def _catch_up(self, shop: Shop, address: str, until: datetime) -> bool:
        """Have the message that an address still waits for tell of everybody until now; False: there is none such."""
        held = outbox.held_back(self.session, shop.id, AlertKind.new, address)
        if held is None:
            return False
        alert_id, key = held
        since = datetime.fromtimestamp(float(key.split(":")[2]), UTC)
        facts = self._new(shop, overview.newcomers(self.session, shop.id, since, until), since)
        return outbox.say_more(self.session, alert_id, _written(facts))

    def _tell_digest(self, shop: Shop, turn: ShopTurn) -> ShopTurn:
        if turn.next_digest_at is None or turn.next_digest_at > turn.now:
            return turn
        if not self._reached(shop, AlertKind.digest):
            return turn
        facts = self._digest(shop, turn)
        if not facts.is_empty:
            self._queue(shop, AlertKind.digest, _moment(turn.digest_from), facts)
        alerts = shop.settings.alerts
        due = next_digest(turn.now, alerts.when, alerts.hour, shop.time_zone)
        return replace(turn, digest_from=turn.now - _SETTLED, next_digest_at=due)

    def _digest(self, shop: Shop, turn: ShopTurn) -> AlertFacts:
        return replace(
            digest_of(self.session, shop.id, turn.digest_from, turn.now - _SETTLED),
            since=_said(turn.digest_from, shop),
            broken=sum(text.broken_at is not None for text in shop_texts.every(self.session, shop.id)),
            down=list(self.down),
            weekly=shop.settings.alerts.when is AlertRhythm.weekly,
        )

    def _tell_waitlists(self, shop: Shop, turn: ShopTurn) -> ShopTurn:
        """Tell once of each waitlist that has passed the shop's number, a few at a time."""
        least = shop.settings.alerts.waitlist
        until = turn.now - _SETTLED
        if not least:
            return turn
        repository.rearm(self.session, shop.id, rearms_below(least))
        if outbox.was_told(self.session, shop.id, AlertKind.waitlist, PAUSE_SECONDS):
            return turn
        grown = repository.grown_lists(self.session, shop.id, turn.looked_until, until)
        if not grown or not self._reached(shop, AlertKind.waitlist):
            return turn
        long = repository.long_lists(self.session, shop.id, grown, least)
        crossed = repository.cross(self.session, shop.id, [one.variant_id for one in long[:_MOST_WAITLISTS]])
        for one in long:
            if one.variant_id in crossed:
                facts = AlertFacts(people=one.people, units=one.units, top=self._lines(shop, [one]))
                self._queue(shop, AlertKind.waitlist, f"{one.variant_id}:{crossed[one.variant_id]}", facts)
        return turn if len(long) > _MOST_WAITLISTS else replace(turn, looked_until=until)

    def _lines(self, shop: Shop, found: Sequence[Newcomers]) -> list[VariantLine]:
        known = catalog.product_facts(self.session, shop, {one.variant_id for one in found})
        lines = []
        for one in found:
            goods = known.get(one.variant_id)
            parts = (goods.title, goods.variant_title) if goods else (f"#{one.variant_id}", None)
            lines.append(VariantLine(" · ".join(part for part in parts if part), one.people, one.units))
        return lines

    def _reached(self, shop: Shop, kind: AlertKind) -> Sequence[str]:
        """List the addresses no message of this kind still waits for: what cannot leave is not piled up.

        While there is none, all that happens is told together once mail leaves again.
        """
        unsent = outbox.unsent(self.session, shop.id, kind)
        return [address for address in shop.settings.alerts.to if address not in unsent]

    def _queue(
        self, shop: Shop, kind: AlertKind, which: str, facts: AlertFacts, *, to: Sequence[str] | None = None
    ) -> None:
        self._queued.append(kind)
        queue(self.session, shop.id, kind, which, facts, shop.settings.alerts.to if to is None else to)


def queue(  # noqa: PLR0917 (one message)
    session: Session, shop_id: int, kind: AlertKind, which: str, facts: AlertFacts, to: Sequence[str]
) -> int:
    """Queue a message to each address, once for each kind and `which`; return how many were."""
    told = _written(facts)
    count = 0
    for address in to:
        mark = hashlib.sha256(address.encode()).hexdigest()[:16]
        count += outbox.add(session, shop_id, kind, f"{kind.value}:{shop_id}:{which}:{mark}", address, told)
    return count


def _written(facts: AlertFacts) -> str:
    return json.dumps(asdict(facts), ensure_ascii=False)


def _moment(at: datetime) -> str:
    return f"{at.timestamp():.6f}"


def _begun_anew(turn: ShopTurn, shop: Shop) -> ShopTurn:
    """Begin at this moment where the shop has chosen another rhythm: nobody is told of what was before the choice."""
    alerts = shop.settings.alerts
    rhythm = f"{alerts.when}:{alerts.hour}:{shop.time_zone or ''}:{'' if alerts.waitlist else 'none'}"
    if turn.rhythm == rhythm:
        return turn
    due = next_digest(turn.now, alerts.when, alerts.hour, shop.time_zone)
    before = (turn.rhythm or "").split(":")
    turn = replace(turn, rhythm=rhythm, next_digest_at=due)
    if before[0] != alerts.when:
        turn = replace(turn, counted_until=turn.now - _SETTLED, digest_from=turn.now - _SETTLED)
    return replace(turn, looked_until=turn.now - _SETTLED) if before[-1] == "none" or len(before) == 1 else turn


def _said(at: datetime, shop: Shop) -> str:
    return write_moment(at, shop.time_zone)
