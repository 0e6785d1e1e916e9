"""The page of a shop's settings that have no page of their own: shown as saved, changed all or none.

It decides nothing: what may be typed, and what follows from it, is said by the rooms below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from restock.errors import Fault
from restock.shopify.values import Location
from restock.shops.service.places import Places, Unnamed
from restock.shops.values import Shop
from restock.web.admin.pages import Pages

_PATH = "/settings"
GROUPS: Mapping[str, Sequence[str]] = {
    "turns": ("policy.order", "policy.quantity_rule", "policy.priority_tag", "policy.max_offers"),
    "reminders": ("policy.reminder_count", "policy.reminder_hours"),
    "hours": ("send_hours.email", "send_hours.push"),
    "stock": ("publication_check", "locations", "markets"),
    "shop": ("name", "locale", "currency", "product_url_template"),
    "form": ("channels", "origins", "legacy_errors"),
    "time": ("expire_days", "attribution_days"),
}
_KEYS = tuple(key for keys in GROUPS.values() for key in keys)
CHOICES: Mapping[str, Sequence[str]] = {
    "policy.order": ("oldest", "newest"),
    "policy.quantity_rule": ("require", "ignore"),
    "policy.reminder_count": ("0", "1", "2"),
    "publication_check": ("online_store", "any"),
    "legacy_errors": ("false", "true"),
}


@dataclass(frozen=True, slots=True)
class PlaceChoice:
    """The locations to tick. `named` empty: they are typed as numbers, and `why` says for what reason, if one is known.

    `gone` are ticked numbers that no location has.
    """

    named: Sequence[Location] = ()
    ticked: Sequence[str] = ()
    gone: Sequence[str] = ()
    why: Unnamed | None = None


def add_settling(blueprint: Blueprint, pages: Pages) -> None:
    """Add `/settings` to the merchant's pages."""

    @blueprint.get(_PATH)
    def settings() -> Response:
        return _page(pages, done=request.args.get("done") == "save")

    @blueprint.post(_PATH)
    def change_settings() -> AnyResponse:
        typed = {key: request.form[key] for key in _KEYS if key in request.form}
        changes = pages.changed(typed | _ticked(request.form))
        return pages.save(_PATH, changes, lambda faults: _page(pages, changes, faults))


def _ticked(form: MultiDict[str, str]) -> dict[str, str]:
    """Read the ticked locations, where they stood there by name; the same ones as before are no change."""
    if "locations.named" not in form:
        return {}
    ticked, shown = form.getlist("location"), form.get("shown.locations", "")
    return {"locations": shown if set(ticked) == set(shown.split(",")) - {""} else ",".join(ticked)}


def _choice(places: Places, shop: Shop, chosen: str, *, is_faulty: bool) -> PlaceChoice:
    """Lay out the locations of a shop, those chosen that Shopify does not name any more too."""
    found = places.of(shop)
    if isinstance(found, Unnamed) or is_faulty:
        return PlaceChoice(why=found if isinstance(found, Unnamed) else None)
    ticked = [number for number in chosen.split(",") if number]
    known = {str(one.location_id) for one in found}
    return PlaceChoice(found, ticked, [number for number in ticked if number not in known])


def _page(
    pages: Pages,
    changes: Mapping[str, str] = MappingProxyType({}),
    faults: Sequence[Fault] = (),
    done: bool = False,
) -> Response:
    known = pages.saved_settings(_KEYS)
    values, by_field = {**known, **changes}, {fault.field: fault for fault in faults}
    choice = _choice(pages.services.places, pages.as_saved(), values["locations"], is_faulty="locations" in by_field)
    return pages.show(
        "settings.html",
        groups=GROUPS,
        choices=CHOICES,
        shown=known,
        values=values,
        faults=by_field,
        places=choice,
        done=done,
    )
