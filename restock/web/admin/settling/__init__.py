"""The page of a shop's settings that have no page of their own: shown as saved, changed all or none.

It decides nothing: what may be typed, and what follows from it, is said by the rooms below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from restock.errors import Fault
from restock.web.admin.pages import Pages

if TYPE_CHECKING:
    from restock.bootstrap import Services

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
CHOICES: Mapping[str, Sequence[str]] = {
    "policy.order": ("oldest", "newest"),
    "policy.quantity_rule": ("require", "ignore"),
    "policy.reminder_count": ("0", "1", "2"),
    "publication_check": ("online_store", "any"),
    "legacy_errors": ("false", "true"),
}


def add_settling(blueprint: Blueprint, services: Services, pages: Pages) -> None:
    """Add `/settings` to the merchant's pages."""

    @blueprint.get(_PATH)
    def settings() -> Response:
        return _page(services, pages, done=request.args.get("done") == "save")

    @blueprint.post(_PATH)
    def change_settings() -> AnyResponse:
        changes = _changed(request.form, _known(services, pages))
        return pages.save(_PATH, changes, lambda faults: _page(services, pages, changes, faults))


def _page(
    services: Services,
    pages: Pages,
    changes: Mapping[str, str] = MappingProxyType({}),
    faults: Sequence[Fault] = (),
    done: bool = False,
) -> Response:
    known = _known(services, pages)
    return pages.show(
        "settings.html",
        groups=GROUPS,
        choices=CHOICES,
        shown=known,
        values={**known, **changes},
        faults={fault.field: fault for fault in faults},
        done=done,
    )


def _changed(form: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Pick what differs from what the form was shown with.

    Nothing else is written: what Shopify says must not become something that was chosen, only because it stood in the
    form, and what somebody else has saved since must not go back.
    """
    shown = {key: form.get(f"shown.{key}", known[key]) for key in known}
    return {key: form[key] for key in known if key in form and form[key].strip() != shown[key]}


def _known(services: Services, pages: Pages) -> dict[str, str]:
    lines = {line.key: line.value for line in services.shops.settings_table(pages.as_saved())}
    return {key: lines[key] for keys in GROUPS.values() for key in keys}
