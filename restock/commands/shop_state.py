"""The commands that say how one shop is, and let go what its changed settings hold back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from restock.commands.outages import say_outages
from restock.commands.shops import access_word, migrated_services
from restock.deliveries.limits.values import TextsToday
from restock.errors import ValidationError
from restock.restocks.values import HeldBack, ReconcileState
from restock.shops.values import PriorityList, Shop, ShopAccess

if TYPE_CHECKING:
    from restock.bootstrap import Services


def show(options: argparse.Namespace) -> int:
    """Say how a shop is: its access, how often it is read, what is held back."""
    with migrated_services() as services:
        lines = list(_describe(services, services.shops.named(options.domain)))
    width = max(len(name) for name, _ in lines)
    for name, sentence in lines:
        print(f"{name:<{width}}  {sentence}")
    return 0


def confirm(options: argparse.Namespace) -> int:
    """Have people alerted about what changed settings alone made sellable; asks first."""
    with migrated_services() as services:
        shop = services.shops.named(options.domain)
        held = services.restocks.what_would_open(shop.id)
        if not held.variant_count:
            print("Nothing is held back.")
            return 0
        print(f"Changed settings would alert {say_held(held)} now.")
        if not (options.yes or _agrees()):
            print("Nothing was changed.")
            return 1
        number = services.restocks.confirm_settings_change(shop.id)
    print(f"Confirmed for {counted(number, 'variant')}. People are alerted in their order.")
    return 0


def say_reading(shop: Shop, state: ReconcileState | None, wanted_seconds: float) -> str:
    """Say how often everything people wait for is read again: as it is reached, not as it is set."""
    wanted = f"{wanted_seconds / 60:g} minutes (RECONCILE_MINUTES)"
    if shop.access is not ShopAccess.granted:
        return f"cannot be asked: what its webhooks told is gone through every {wanted}"
    if state is None:
        return f"nobody has waited yet; a round every {wanted} is set"
    if state.interval_seconds is None or state.last_finished_at is None:
        return f"the first round is under way; one every {wanted} is set"
    variants = counted(state.last_variant_count or 0, "variant")
    reached = f"every {state.interval_seconds / 60:.1f} minutes".replace(".0 ", " ")
    if state.exceeds(wanted_seconds):
        reached += f", set are {wanted}: the shop's API points allow no more"
    return f"{reached}; {variants} in the last round, which ended {state.last_finished_at:%Y-%m-%d %H:%M} UTC"


def say_priority(tag: str | None, known: PriorityList | None) -> str:
    """Say who stands before all others, and since when that is known."""
    if tag is None:
        return "nobody stands before others: policy.priority_tag is not set"
    if known is None or known.tag != tag or (known.known_at is None and known.reason is None):
        return f"customers tagged {tag} are being asked for"
    if known.reason == "no_access":
        return (
            f"nobody, though policy.priority_tag is {tag}: the shop does not let its customers be read (read_customers)"
        )
    if known.known_at is None:
        return f"nobody yet: Shopify could not be asked for customers tagged {tag}, and is asked again"
    count = counted(known.customer_count or 0, "customer")
    late = "" if known.reason is None else "; Shopify could not be asked since"
    return f"{count} tagged {tag}, as of {known.known_at:%Y-%m-%d %H:%M} UTC; asked every 15 minutes{late}"


def say_held(held: HeldBack) -> str:
    """Say whom a confirmed change of settings would alert about how much."""
    people = "1 person" if held.people_count == 1 else f"{held.people_count} people"
    return f"{people} about {counted(held.variant_count, 'variant')}"


def counted(number: int, thing: str) -> str:
    """Write a number of things."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _describe(services: Services, shop: Shop) -> Iterator[tuple[str, str]]:
    state = services.restocks.reconcile_state(shop.id)
    held = services.restocks.what_would_open(shop.id)
    yield "shop", f"{shop.domain}, {shop.state.value}"
    yield "access", access_word(shop) or "none"
    yield "scopes", ", ".join(sorted(shop.scopes)) or "none known"
    yield "read again", say_reading(shop, state, services.restocks.reconcile_seconds)
    yield "priority", say_priority(shop.settings.policy.priority_tag, services.priorities.state(shop.id))
    yield "messages", say_outages(services.deliveries.outages(shop.id))
    yield "text messages", say_texts(services.deliveries.texts_today(shop))
    way_on = f"; to alert them: restock shop confirm {shop.domain}"
    yield "held back", f"{say_held(held)}{way_on}" if held.variant_count else "nothing"


def _agrees() -> bool:
    if not sys.stdin.isatty():
        raise ValidationError("Nothing was changed: nobody can be asked here. Add --yes to alert them.")
    return input("Alert them? [y/N] ").strip().lower() in ("y", "yes")


def say_texts(today: TextsToday) -> str:
    """Say in a line how far a shop's text messages of the day have come."""
    cap = f" of {today.daily_cap}" if today.daily_cap is not None else ""
    said = [f"{today.segment_count}{cap} segments today"]
    if today.capped_count:
        said.append(f"{today.capped_count} wait for tomorrow, the day's are used up (sms.daily_cap)")
    if today.filtered_count:
        said.append(f"{today.filtered_count} wait, carriers filter too many")
    return "; ".join(said)
