"""The page on which a shop says where its text messages go, when and how many, beside what the operator has set.

It decides nothing: what may be typed, and what follows from it, is said by the rooms below.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from restock.channels.sms.countries import ANY
from restock.channels.values import ChannelName
from restock.deliveries.limits.opening import pace_of
from restock.deliveries.limits.service import countries_for
from restock.errors import Fault
from restock.reports.values.messages import TextCost
from restock.web.admin.pages import Pages
from restock.web.admin.rendering import country_name

if TYPE_CHECKING:
    from restock.bootstrap import Services

_PATH = "/messages/sms"
_FIELDS = ("country", "sms.countries", "sms.daily_cap", "send_hours.sms")


def add_texting(blueprint: Blueprint, services: Services, pages: Pages) -> None:
    """Add `/messages/sms` to the merchant's pages."""

    @blueprint.get(_PATH)
    def text_messages() -> Response:
        return _page(services, pages, done=request.args.get("done") == "save")

    @blueprint.post(_PATH)
    def change_text_messages() -> AnyResponse:
        changes = pages.changed({name: request.form.get(name, "") for name in _FIELDS})
        return pages.save(_PATH, changes, lambda faults: _page(services, pages, changes, faults))


def _page(
    services: Services,
    pages: Pages,
    changes: Mapping[str, str] = MappingProxyType({}),
    faults: Sequence[Fault] = (),
    done: bool = False,
) -> Response:
    shop, own, known = pages.as_saved(), services.settings, pages.saved_settings(_FIELDS)
    pace, prices = pace_of(own), services.text_costs.prices
    each = TextCost(1, 1, prices.of(shop.settings.country), prices.currency)
    return pages.show(
        "text_messages.html",
        shown=known,
        values={**known, **changes},
        faults={fault.field: fault for fault in faults},
        goes_to=_named(countries_for(shop, own.sms_countries)),
        ceiling=None if ANY.upper() in own.sms_countries else _named(own.sms_countries),
        home=shop.settings.country,
        today=services.deliveries.texts_today(shop),
        price=each.amount,
        pace=pace.segments_per_second if pace else None,
        is_on=ChannelName.sms in services.channels_on & shop.settings.channels,
        done=done,
    )


def _named(countries: Collection[str] | None) -> list[str] | None:
    """Name countries in English, in their order; None: anywhere."""
    if countries is None:
        return None
    return sorted(country_name(country) for country in countries)
