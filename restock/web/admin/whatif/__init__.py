"""The page of dry runs: what a restock would do, and what other settings would do. Only what is posted is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from restock.errors import Fault, ValidationError
from restock.reports.values.messages import TextCost
from restock.reports.values.subscribers import SubscriberLine
from restock.restocks.rules.simulated import Bounds, SettingsPreview, Simulation
from restock.restocks.service.simulating.preview import Reach
from restock.shops.values import QueueOrder, Shop
from restock.web.admin.entry import visitor
from restock.web.admin.pages import Pages
from restock.web.admin.whatif.asking import WhatIf, field_of, read_what_if

if TYPE_CHECKING:
    from restock.bootstrap import Services

_A_VISIT = Bounds(people=25, waves=12, looks=20_000, kept=5_000, most_waves=1_000, horizon=timedelta(days=14))

_PATH = "/what-if"
_A_LOOK = Reach(looks=20_000, variants=500)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of trying settings. `is_empty`: there was nothing to save."""

    preview: SettingsPreview | None = None
    faults: Mapping[str, Fault] | None = None
    is_empty: bool = False


def add_what_if(blueprint: Blueprint, services: Services, pages: Pages) -> None:
    """Add `/what-if` to the merchant's pages."""

    @blueprint.get(_PATH)
    def what_if() -> Response:
        asked = read_what_if(request.args)
        return _page(services, pages, request.args, _try(services, visitor().shop, asked))

    @blueprint.post(_PATH)
    def save_settings() -> AnyResponse:
        changes = read_what_if(request.form).changes
        if not changes:  # nor is it true then that something was saved
            return _page(services, pages, request.form, Tried(is_empty=True))
        return pages.save(_PATH, changes, lambda faults: _page(services, pages, request.form, _refused(faults)))


def _page(services: Services, pages: Pages, query: Mapping[str, str], tried: Tried) -> Response:
    shop, asked = pages.as_saved(), read_what_if(query)
    found = _play(services, shop, asked)
    return pages.show(
        "what_if.html",
        asked=asked,
        query=query,
        goods_list=services.merchant_reports.goods(shop),
        found=found,
        names=_names(services, shop, found),
        texts=_texts(services, shop, found),
        tried=tried,
        own=shop.settings.policy,
        done=query.get("done") == "save",
    )


def _play(services: Services, shop: Shop, asked: WhatIf) -> Simulation | None:
    if asked.variant_id is None or not asked.can_play:
        return None
    share = asked.bought_percent / 100
    return services.simulating.simulate(
        shop, asked.variant_id, asked.units, asked.policy, bought_share=share, bounds=_A_VISIT
    )


def _texts(services: Services, shop: Shop, found: Simulation | None) -> TextCost | None:
    if found is None:
        return None
    newest = found.policy.order is QueueOrder.newest
    return services.text_costs.estimate(shop, found.variant_id, found.played.told_by.get("sms", 0), newest=newest)


def _names(services: Services, shop: Shop, found: Simulation | None) -> Mapping[int, SubscriberLine]:
    people = found.played.people if found else ()
    return services.merchant_reports.lines_of(shop, [person.subscription_id for person in people])


def _try(services: Services, shop: Shop, asked: WhatIf) -> Tried:
    if not asked.changes:
        return Tried()
    try:
        return Tried(services.previewing.preview_settings(shop, asked.changes, _A_LOOK))
    except ValidationError as refused:
        return _refused(refused.faults)


def _refused(faults: Sequence[Fault]) -> Tried:
    return Tried(faults={field_of(fault.field): fault for fault in faults})
