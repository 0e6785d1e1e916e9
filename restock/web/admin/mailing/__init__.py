"""The page of a shop's own e-mail provider: chosen, tried and dropped. A key goes in and never comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from restock.channels.email.providers.catalogue import KINDS
from restock.errors import ConflictError, Fault, ValidationError
from restock.web.admin.entry import visitor
from restock.web.admin.pages import Pages

if TYPE_CHECKING:
    from restock.bootstrap import Services

_PATH = "/messages/sender"
_FIELDS = ("provider", "from", "secret", "hook_secret", "region", "domain", "stream")


def add_mailing(blueprint: Blueprint, services: Services, pages: Pages) -> None:
    """Add `/messages/sender` to the merchant's pages."""
    mailings, tests = services.shops.mailings, services.mailing_tests

    @blueprint.get(_PATH)
    def sender() -> Response:
        return _page(services, pages, done=request.args.get("done", ""))

    @blueprint.post(_PATH)
    def change_sender() -> AnyResponse:
        shop, what = visitor().shop, request.form.get("do", "")
        try:
            if what == "drop":
                mailings.drop(shop)
            elif what == "test":
                tests.send(shop, request.form.get("to", ""))
            else:
                mailings.choose(shop, _typed())
        except (ValidationError, ConflictError) as refused:
            return _page(services, pages, _typed(), refused.faults)
        return pages.go(_PATH, done=what if what in ("drop", "test") else "save")


def _typed() -> dict[str, str]:
    """Take what was typed; a name where the provider has none of that is passed over."""
    return {name: request.form.get(name, "") for name in _FIELDS}


def _page(
    services: Services,
    pages: Pages,
    typed: Mapping[str, str] | None = None,
    faults: Sequence[Fault] = (),
    done: str = "",
) -> Response:
    shop = visitor().shop
    shown = services.shops.mailings.show(shop)
    known: dict[str, str] = {}
    if shown is not None:
        known = {"provider": shown.kind.name.value, "from": shown.sender, **shown.options}
    address = ""
    if shown is not None:
        with_login = shown.kind.hook_secret is None
        address = services.links.reports_address(shown.kind.name, shop.id, with_login=with_login)
    typed = {name: text for name, text in (typed or {}).items() if "secret" not in name}  # never shown, not even back
    return pages.show(
        "sender.html",
        shown=shown,
        kinds=list(KINDS.values()),
        values=typed or known,
        faults={fault.field: fault for fault in faults},
        reports_address=address,
        done=done if done in ("save", "drop", "test") else "",
    )
