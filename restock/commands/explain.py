"""`restock explain`: why one subscription stands where it stands, and how it came so. It only reads."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from restock.commands.shop_state import counted
from restock.commands.shops import migrated_services
from restock.errors import NotFoundError
from restock.reports.rules.sentences import say_look, span
from restock.reports.values.journey import Journey, Moment
from restock.reports.values.reason import Reason
from restock.reports.values.standing import Place

if TYPE_CHECKING:
    from restock.bootstrap import Services


def explain(options: argparse.Namespace) -> int:
    """Say why one subscription stands where it stands."""
    with migrated_services() as services:
        domain, place, journey = _read(services, _subscription(services, options.subscription))
    if options.json:
        print(json.dumps(_as_json(domain, place, journey), indent=2, ensure_ascii=False))
        return 0
    print(f"Subscription {place.facts.subscription_id} of {domain}: {place.facts.masked_address}, {_goods(journey)}")
    print(f"\n  {place.reason}\n")
    _print_pairs(list(_inputs(place.why, place, datetime.now(UTC))))
    if journey is not None:
        print()
        for moment in reversed(journey.moments):
            print(f"  {said_at(moment.at)}  {_told(moment)}")
    return 0


def said_at(at: datetime) -> str:
    """Write a moment, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def as_plain(value: object) -> Any:
    """Make what `json` can write of what a dataclass holds."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _subscription(services: Services, named: int | UUID) -> int:
    """Find the number of a subscription by itself, or by an intent that supports it."""
    if isinstance(named, int):
        return named
    found = services.reports.subscription_of(named)
    if found is None:
        raise NotFoundError(f"There is no intent {named}.")
    return found


def _read(services: Services, subscription_id: int) -> tuple[str, Place, Journey | None]:
    shop_id = services.reports.shop_of(subscription_id)
    shop = services.shops.by_id(shop_id) if shop_id is not None else None
    place = services.reports.explain(shop, subscription_id) if shop else None
    if shop is None or place is None:
        raise NotFoundError(f"There is no subscription {subscription_id}: the person's page has its number.")
    return shop.domain, place, services.merchant_reports.journey(shop, subscription_id)


def _goods(journey: Journey | None) -> str:
    if journey is None:
        return "variant no longer known"
    goods = journey.facts.line.goods
    title = " · ".join(part for part in (goods.product_title, goods.variant_title) if part)
    return f"{title or 'variant'} ({goods.variant_id})"


def _inputs(why: Reason, place: Place, now: datetime) -> Iterator[tuple[str, str]]:
    yield "state", place.facts.state
    yield (
        "reason",
        why.code + (f" ({why.detail})" if why.detail else "") + (f", by {why.said_by}" if why.said_by else ""),
    )
    if why.position is not None:
        ahead = (
            f"{counted(why.people_ahead, 'person').replace('persons', 'people')}, {counted(why.units_ahead, 'unit')}"
        )
        yield "place", f"{why.position} (ahead: {ahead})"
    free = f", {why.free_units} free" if why.free_units is not None else ""
    yield "wants", counted(why.wanted, "unit") + free
    if why.reading is not None:
        seen = why.reading
        what = (
            "cannot be bought"
            if not seen.sellable
            else "no limit"
            if seen.units is None
            else counted(seen.units, "unit")
        )
        age = span(max(0.0, (now - seen.read_at).total_seconds()))
        yield "stock", f"{what}, by {seen.source} {age} ago ({said_at(seen.read_at)})"
    if why.turn is not None and why.turn.ends_at is not None:
        yield "last turn", f"wave {why.turn.wave_number}, until {said_at(why.turn.ends_at)}"
    if why.next_look is not None:
        when = f": {said_at(why.next_look.at)}" if why.next_look.at else ""
        yield "next look", say_look(why.next_look.by) + when


def _told(moment: Moment) -> str:
    said = ", ".join(f"{name} {value}" for name, value in moment.said.items() if name not in ("page", "browser"))
    return moment.kind.replace("_", " ") + (f" ({said})" if said else "")


def _print_pairs(pairs: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        print(f"  {name:<{width}}  {value}")


def _as_json(domain: str, place: Place, journey: Journey | None) -> dict[str, object]:
    found = {
        "subscription_id": place.facts.subscription_id,
        "shop": domain,
        "state": place.facts.state,
        "sentence": place.reason,
        "reason": asdict(place.why),
        "moments": [asdict(moment) for moment in journey.moments] if journey else [],
    }
    plain: dict[str, object] = json.loads(json.dumps(found, default=as_plain))
    return plain
