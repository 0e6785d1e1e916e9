"""The page of a shop's settings that have no page of their own: shown as saved, changed all or none.

It decides nothing: what may be typed, and what follows from it, is said by the rooms below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from restock.errors import Fault
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


def add_settling(blueprint: Blueprint, pages: Pages) -> None:
    """Add `/settings` to the merchant's pages."""

    @blueprint.get(_PATH)
    def settings() -> Response:
        return _page(pages, done=request.args.get("done") == "save")

    @blueprint.post(_PATH)
    def change_settings() -> AnyResponse:
        changes = pages.changed({key: request.form[key] for key in _KEYS if key in request.form})
        return pages.save(_PATH, changes, lambda faults: _page(pages, changes, faults))


def _page(
    pages: Pages,
    changes: Mapping[str, str] = MappingProxyType({}),
    faults: Sequence[Fault] = (),
    done: bool = False,
) -> Response:
    known = pages.saved_settings(_KEYS)
    return pages.show(
        "settings.html",
        groups=GROUPS,
        choices=CHOICES,
        shown=known,
        values={**known, **changes},
        faults={fault.field: fault for fault in faults},
        done=done,
    )
