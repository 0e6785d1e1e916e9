"""The merchant's pages: the first page, the subscribers, one subscriber, the list as a file. They only read.

Every page is whole without JavaScript; htmx swaps parts of it where it runs. The shop is the one the guard verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy.exc
from flask import Blueprint, Response, request

from restock.clock import SystemClock
from restock.errors import NotFoundError, RestockError, UnavailableError
from restock.reports.values.subscribers import SubscriberLine
from restock.shopify.domains import clean_shop_domain
from restock.shops.values import ShopAccess
from restock.web.admin import export, rendering
from restock.web.admin.asking import read_query, write_bookmark, write_query
from restock.web.admin.chart import draw
from restock.web.admin.entry import Entry, found_visitor, visitor
from restock.web.admin.health import Machine, examine
from restock.web.admin.wording import say_code

if TYPE_CHECKING:
    from restock.bootstrap import Services

PERIODS = (7, 30)
_LARGEST_ID = 2**63 - 1
_STATUS = {"outside": 401, "no_token": 401, "refused": 403, "no_access": 403, "missing": 404, "unavailable": 503}


@dataclass(frozen=True)
class Pages:
    """What every route needs to answer."""

    services: Services

    def show(self, template: str, **facts: Any) -> Response:
        """Render a page for whom the guard let in."""
        settings = self.services.settings
        return rendering.render(
            template,
            visitor(),
            api_key=settings.shopify_api_key,
            development=not settings.is_production,
            now=SystemClock().now(),
            code=say_code,
            **facts,
        )

    def refuse(self, kind: str) -> Response:
        """Render the page for somebody who is not let in, or for something that is not there."""
        settings = self.services.settings
        return rendering.render(
            "message.html",
            found_visitor(),
            api_key=settings.shopify_api_key,
            development=not settings.is_production,
            status=_STATUS[kind],
            kind=kind,
            shop_domain=self._framing_shop(),
        )

    def _framing_shop(self) -> str | None:
        """Give the shop whose admin may frame a refusal, which shows nothing of any shop; unproven, it may be named."""
        who = found_visitor()
        if who is not None:
            return who.shop.domain if who.embedded else None
        return clean_shop_domain(request.args.get("shop", ""))


def admin_entry(services: Services) -> Entry:
    """Build the check that stands before the pages."""
    return Entry(
        settings=services.settings,
        clock=SystemClock(),
        find_shop=services.shops.find,
        welcome=services.tokens.welcome,
        refuse=Pages(services).refuse,
    )


def admin_blueprint(services: Services) -> Blueprint:
    """Build `/`, `/subscribers`, `/subscribers/{id}` and `/subscribers.csv`."""
    blueprint = Blueprint("admin", __name__, template_folder="templates")
    pages, reports = Pages(services), services.merchant_reports
    machine = Machine(services.channels_on, services.settings.reconcile_minutes)

    @blueprint.get("/")
    def home() -> Response:
        shop = visitor().shop
        asked = request.args.get("days", PERIODS[-1], type=int)
        found = reports.overview(shop, asked if asked in PERIODS else PERIODS[-1])
        findings = examine(shop, machine, found.last_webhook_at, SystemClock().now())
        reauth = shop.access is ShopAccess.needs_reauth
        return pages.show(
            "home.html", page=found, chart=draw(found.chart), findings=findings, periods=PERIODS, needs_reauth=reauth
        )

    @blueprint.get("/subscribers")
    def subscribers() -> Response:
        shop = visitor().shop
        asked = read_query(request.args, shop.settings.country)
        page = reports.subscribers(shop, asked.wanted, asked.bookmark)
        return pages.show(
            "subscribers.html",
            page=page,
            asked=asked,
            total=reports.count(shop, asked.wanted),
            goods_list=reports.goods(shop),
            query=write_query(asked.wanted),
            around=_around(page.lines),
        )

    @blueprint.get("/subscribers/<int:subscriber_id>")
    def subscriber(subscriber_id: int) -> Response:
        journey = reports.journey(visitor().shop, subscriber_id) if subscriber_id <= _LARGEST_ID else None
        if journey is None:
            raise NotFoundError("There is no such subscriber.")
        return pages.show("subscriber.html", journey=journey, line=journey.facts.line)

    @blueprint.get("/subscribers.csv")
    def subscribers_csv() -> Response:
        shop = visitor().shop
        asked = read_query(request.args, shop.settings.country)
        pieces = export.write_rows(reports.every_subscriber(shop, asked.wanted))
        name = f"subscribers-{shop.domain.split('.')[0]}-{SystemClock().now():%Y-%m-%d}.csv"
        return export_response(pieces, name)

    _answer_failures_with_pages(blueprint, pages)
    return blueprint


def export_response(pieces: Iterator[str], name: str) -> Response:
    """Stream a file; the first piece is made before the answer begins, so that an early failure has its own status."""
    first = next(pieces)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Accel-Buffering": "no",
    }

    def whole() -> Iterator[str]:
        yield first
        yield from pieces

    return Response(whole(), content_type="text/csv; charset=utf-8", headers=headers)


def _around(lines: Sequence[SubscriberLine]) -> dict[str, dict[str, str]]:
    """Give the bookmarks of the pages before and after."""
    if not lines:
        return {"previous": {}, "next": {}}
    return {"previous": write_bookmark(lines[0], backward=True), "next": write_bookmark(lines[-1], backward=False)}


def _answer_failures_with_pages(blueprint: Blueprint, pages: Pages) -> None:
    """A person looks at the answer, so a failure is a page too."""

    def told(error: RestockError) -> Response:
        kinds = {NotFoundError: "missing", UnavailableError: "unavailable"}
        kind = kinds.get(type(error))
        if kind is None:
            raise error
        return pages.refuse(kind)

    def away(_error: Exception) -> Response:
        return pages.refuse("unavailable")

    blueprint.register_error_handler(RestockError, told)
    blueprint.register_error_handler(sqlalchemy.exc.OperationalError, away)
    blueprint.register_error_handler(sqlalchemy.exc.TimeoutError, away)
