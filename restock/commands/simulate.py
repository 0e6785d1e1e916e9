"""`restock simulate`, and the preview of `restock shop settings --dry-run`: what would happen. Nothing is changed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from restock.commands.explain import as_plain, said_at
from restock.commands.shop_state import counted
from restock.commands.shops import migrated_services, print_table
from restock.errors import Fault, NotFoundError, ValidationError
from restock.reports.rules.sentences import span
from restock.reports.values.messages import TextCost
from restock.restocks.rules.simulated import RunEnd, SettingsPreview, SimulatedPerson, Simulation
from restock.restocks.values import PassReason
from restock.shops.values import PRESETS, PolicyPreset, QueueOrder, Shop

if TYPE_CHECKING:
    from restock.bootstrap import Services

_ENDS: Mapping[RunEnd, str] = {
    RunEnd.nobody_waits: "Nobody waits for it.",
    RunEnd.no_stock: "Without stock nobody is told.",
    RunEnd.below_minimum: "No restock begins: the shop asks for more units (policy.minimum_units).",
    RunEnd.all_told: "Then nobody is left whom this stock could serve.",
    RunEnd.sold_out: "Then everything is bought.",
    RunEnd.too_few: "Then it stops: nobody left wants so little that a turn could be made of it.",
    RunEnd.horizon: "It would go on; what comes after 30 days is not played.",
    RunEnd.waves: "It would go on; later waves are not played.",
    RunEnd.looks: "It would go on; the rest of the queue is not looked at.",
    RunEnd.crowd: "It would go on; too many were passed over to follow them all.",
}
_PASSES: Mapping[PassReason, str] = {
    PassReason.wants_more: "wants more than is in stock",
    PassReason.not_enough_free: "wants more than is free",
    PassReason.not_in_market: "not sold in their market",
    PassReason.tried: "could not be reached in this restock",
    PassReason.declined: "said “not now” in this restock",
    PassReason.asleep: "asleep for too long",
    PassReason.lent_on: "slept while units were kept",
    PassReason.paused: "has paused",
}


def simulate(options: argparse.Namespace) -> int:
    """Say who would be told when if so many units were in stock now."""
    units = _units(options)
    policy = PRESETS[PolicyPreset(options.policy)] if options.policy else None
    with migrated_services() as services:
        shop = _shop(services, options.shop, options.variant)
        share = options.bought / 100
        found = services.simulating.simulate(
            shop, options.variant, units, policy, bought_share=share, progress=_progress()
        )
        newest = found.policy.order is QueueOrder.newest
        cost = services.text_costs.estimate(shop, options.variant, found.played.told_by.get("sms", 0), newest=newest)
    if options.json:
        texts = {"text_segments": cost.segment_count if cost else 0, "text_cost": cost.amount if cost else ""}
        print(json.dumps({"shop": shop.domain, **asdict(found), **texts}, indent=2, default=as_plain))
    else:
        _print(found, shop, options.policy, cost)
    return 0


def print_preview(preview: SettingsPreview) -> None:
    """Show what a change of settings would do."""
    more = "+" if preview.at_least else ""
    print("People told at once:")
    print(f"  as it is              {preview.before}")
    print(f"  with these settings   {preview.after}{more}")
    if preview.held_variants:
        held = f"{preview.held}{more}"
        print(f"  held back             {held}, about {counted(preview.held_variants, 'variant')}, until you confirm")
    if preview.unread_variants:
        what = counted(preview.unread_variants, "variant")
        print(f"  not known             {what}: Shopify has to be asked anew by these settings")
    if preview.top:
        rows = [(str(one.variant_id), str(one.before), str(one.after), str(one.held)) for one in preview.top]
        print()
        print_table(("VARIANT", "NOW", "AFTER", "HELD BACK"), rows)
    print("\nNothing was saved.")


def _units(options: argparse.Namespace) -> int | None:
    faults = []
    if options.unlimited == (options.units is not None):
        faults.append(Fault("UNITS", "INVALID_UNITS", "give a number of units, or --unlimited: one of the two"))
    if options.units is not None and options.units < 0:
        faults.append(Fault("UNITS", "INVALID_UNITS", "must be 0 or more"))
    if not 0 <= options.bought <= 100:
        faults.append(Fault("--bought", "INVALID_SHARE", "must be a percentage from 0 to 100"))
    if faults:
        raise ValidationError("This cannot be played.", faults=faults)
    units: int | None = options.units
    return units


def _shop(services: Services, domain: str | None, variant_id: int) -> Shop:
    if domain is not None:
        return services.shops.named(domain)
    known = [shop for shop_id in services.simulating.shops_of(variant_id) if (shop := services.shops.by_id(shop_id))]
    if not known:
        raise NotFoundError(f"No shop here has a variant {variant_id}.")
    if len(known) > 1:
        names = ", ".join(shop.domain for shop in known)
        fault = Fault("--shop", "MISSING_SHOP", f"must be one of {names}")
        raise ValidationError("Several shops have this variant.", faults=[fault])
    return known[0]


def _progress() -> Callable[[int], None]:
    """Count on the screen, where there is one, how much of the queue was read."""
    if not sys.stderr.isatty():
        return lambda _: None

    def show(count: int) -> None:
        if count % 10_000 == 0:
            print(f"\r{count} people read", end="", file=sys.stderr, flush=True)

    return show


def _print(found: Simulation, shop: Shop, preset: str | None, cost: TextCost | None) -> None:
    played, policy = found.played, found.policy
    what = "stock without limit" if found.units is None else counted(found.units, "unit")
    how = (
        "everyone at once" if policy.factor is None else f"factor {policy.factor:g}, turns of {policy.turn_minutes} min"
    )
    whose = preset or f"the policy of {shop.domain}"
    print(f"If variant {found.variant_id} had {what} at {said_at(found.at)}, by {whose} ({how}):\n")
    if played.people:
        print_table(("PLACE", "SUBSCRIPTION", "CHANNEL", "WANTS", "WAVE", "TOLD", "WHY"), _people(found))
        print()
    if len(played.waves) > 1:
        rows = [
            (str(wave.number), said_at(wave.at), str(wave.people), str(wave.units), _reasons(wave.passed_over))
            for wave in played.waves
        ]
        print_table(("WAVE", "AT", "PEOPLE", "UNITS", "PASSED OVER"), rows)
        print()
    _print_totals(found, cost)


def _people(found: Simulation) -> Sequence[Sequence[str]]:
    return [
        (
            str(person.position),
            str(person.subscription_id),
            person.channel,
            str(person.quantity),
            str(person.wave or "–"),
            _after(found.at, person.told_at),
            _why(person),
        )
        for person in found.played.people
    ]


def _after(start: datetime, at: datetime | None) -> str:
    if at is None:
        return "not told"
    seconds = (at - start).total_seconds()
    return "at once" if seconds < 1 else f"after {span(seconds)}"


def _why(person: SimulatedPerson) -> str:
    if person.passed is None:
        return ""
    return ("first passed over: " if person.wave else "") + _PASSES[person.passed]


def _reasons(counts: Mapping[PassReason, int]) -> str:
    return ", ".join(f"{count} {_PASSES[reason]}" for reason, count in counts.items()) or "nobody"


def _texts(cost: TextCost) -> str:
    about = f"about {counted(cost.message_count, 'message')}, {counted(cost.segment_count, 'segment')}"
    if not cost.amount:
        return about
    where = f", as if all were in {cost.country}" if cost.country else ""
    lacking = f", and {cost.unpriced_count} without a known price" if cost.unpriced_count else ""
    return f"{about}, about {cost.amount}{where}{lacking}"


def _print_totals(found: Simulation, cost: TextCost | None) -> None:
    played = found.played
    waves = f" in {counted(played.wave_count, 'wave')}" if played.wave_count else ""
    print(f"told         {played.told} of {found.waiting} waiting, {counted(played.told_units, 'unit')} offered{waves}")
    if played.bought_units:
        print(f"bought       {counted(played.bought_units, 'unit')}")
    for reason, count in played.skipped.items():
        print(f"not told     {count}: {_PASSES[reason]}")
    if found.not_reached:
        print(f"not reached  {found.not_reached}")
    if cost is not None:
        print(f"text messages {_texts(cost)}")
    if played.over_at is not None:
        print(f"last turn    until {said_at(played.over_at)}")
    print(f"\n{_ENDS[played.ended_by]} Nothing was changed.")
