"""The page on which a shop says what it wants to be told itself, and whether shoppers are asked first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from restock.channels.values import ChannelName
from restock.errors import Fault
from restock.shops.values import AlertRhythm
from restock.web.admin.pages import Pages
from restock.web.admin.wording import say_code, texts

if TYPE_CHECKING:
    from restock.bootstrap import Services

_PATH = "/messages/alerts"
_FIELDS = ("alerts.to", "alerts.when", "alerts.hour", "alerts.waitlist")
_SWITCHES = tuple(f"double_opt_in.{channel}" for channel in ChannelName)


def add_telling(blueprint: Blueprint, services: Services, pages: Pages) -> None:
    """Add `/messages/alerts` to the merchant's pages."""

    @blueprint.get(_PATH)
    def alerts() -> Response:
        return _page(services, pages, done=request.args.get("done") == "save")

    @blueprint.post(_PATH)
    def change_alerts() -> AnyResponse:
        typed = {name: request.form.get(name, "") for name in _FIELDS}
        typed |= {name: "true" if request.form.get(name) else "false" for name in _SWITCHES}
        changes = pages.changed(typed)
        return pages.save(_PATH, changes, lambda faults: _page(services, pages, changes, faults))


def _page(
    services: Services,
    pages: Pages,
    changes: Mapping[str, str] = MappingProxyType({}),
    faults: Sequence[Fault] = (),
    done: bool = False,
) -> Response:
    shop = pages.as_saved()
    known = pages.saved_settings((*_FIELDS, *_SWITCHES))
    return pages.show(
        "alerts.html",
        shown=known,
        values={**known, **changes},
        faults={fault.field: fault for fault in faults},
        rhythms=list(AlertRhythm),
        channels=list(ChannelName),
        pending=services.merchant_reports.pending(shop),
        latest=services.shop_alerts.latest(shop.id),
        missed=services.shop_alerts.missed(shop),
        why=_why,
        done=done,
    )


def _why(reason: str | None) -> str:
    """Say why a mail did not leave: for the mailbox's own sake, or for what keeps all mail."""
    of_all = f"outage.{reason}"
    return say_code("alertmiss", reason, of_all if of_all in texts() else "alertmiss.other")
