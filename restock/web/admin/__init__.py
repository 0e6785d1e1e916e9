"""The merchant's pages: the first page, the subscribers, one subscriber, the list as a file.

They only read, but for one POST that confirms changed settings. Every page is whole without JavaScript; htmx swaps
parts of it where it runs. The shop is the one the guard verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from restock.clock import SystemClock
from restock.commands.shop_state import say_priority
from restock.errors import NotFoundError
from restock.reports.values.subscribers import SubscriberLine
from restock.shops.values import Shop, ShopAccess
from restock.web.admin import export
from restock.web.admin.asking import read_query, write_bookmark, write_query
from restock.web.admin.chart import draw
from restock.web.admin.entry import Entry, visitor
from restock.web.admin.health import Machine, examine
from restock.web.admin.mailing import add_mailing
from restock.web.admin.messages import add_messages
from restock.web.admin.messages.desk import language
from restock.web.admin.pages import Pages
from restock.web.admin.permissions import read_permissions
from restock.web.admin.restocks import add_restocks
from restock.web.admin.settling import add_settling
from restock.web.admin.telling import add_telling
from restock.web.admin.texting import add_texting
from restock.web.admin.whatif import add_what_if

if TYPE_CHECKING:
    from restock.bootstrap import Services

PERIODS = (7, 30)
_LARGEST_ID = 2**63 - 1


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
    """Build `/`, `/settings/confirm`, `/subscribers`, `/subscribers/{id}`, `/subscribers.csv` and `/what-if`."""
    blueprint = Blueprint("admin", __name__, template_folder="templates")
    pages, reports = Pages(services), services.merchant_reports
    machine = Machine(services.channels_on, services.settings.reconcile_minutes * 60)

    @blueprint.get("/")
    def home() -> Response:
        shop = visitor().shop
        asked = request.args.get("days", PERIODS[-1], type=int)
        found = reports.overview(shop, asked if asked in PERIODS else PERIODS[-1])
        state = services.restocks.reconcile_state(shop.id)
        return pages.show(
            "home.html",
            page=found,
            chart=draw(found.chart),
            findings=examine(shop, machine, found.last_webhook_at, state, SystemClock().now()),
            periods=PERIODS,
            needs_reauth=shop.access is ShopAccess.needs_reauth,
            held=services.restocks.what_would_open(shop.id),
            priority=_priority(services, shop),
            pending=sum(reports.pending(shop).values()),
            texts_today=services.deliveries.texts_today(shop),
            outages=[one for one in services.deliveries.outages(shop.id) if one.channel in shop.settings.channels],
            speed=services.latency.of_shop(shop),
            restock_speeds=services.latency.latest(shop),
            confirmed=_asked_number("confirmed"),
            permissions=read_permissions(shop.scopes, request.args.get("asked"), _asked_number("looks") or 0),
        )

    @blueprint.post("/settings/confirm")
    def confirm_settings() -> AnyResponse:
        return pages.go("/", confirmed=services.restocks.confirm_settings_change(visitor().shop.id))

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
        return pages.show("subscriber.html", journey=journey, line=journey.facts.line, language=language)

    @blueprint.get("/subscribers.csv")
    def subscribers_csv() -> Response:
        shop = visitor().shop
        asked = read_query(request.args, shop.settings.country)
        pieces = export.write_rows(reports.every_subscriber(shop, asked.wanted))
        name = f"subscribers-{shop.domain.split('.')[0]}-{SystemClock().now():%Y-%m-%d}.csv"
        return export_response(pieces, name)

    add_restocks(blueprint, services, pages)
    add_what_if(blueprint, services, pages)
    add_mailing(blueprint, services, pages)
    add_telling(blueprint, services, pages)
    add_texting(blueprint, services, pages)
    add_settling(blueprint, pages)
    add_messages(blueprint, services, pages)
    pages.answer_failures(blueprint)
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


def _priority(services: Services, shop: Shop) -> str | None:
    """Say who stands before all others; None where the shop wants nobody to."""
    tag = shop.settings.policy.priority_tag
    return None if tag is None else say_priority(tag, services.priorities.state(shop.id))


def _asked_number(name: str) -> int | None:
    number = request.args.get(name, type=int)
    return number if number is not None and 0 <= number <= _LARGEST_ID else None


def _around(lines: Sequence[SubscriberLine]) -> dict[str, dict[str, str]]:
    """Give the bookmarks of the pages before and after."""
    if not lines:
        return {"previous": {}, "next": {}}
    return {"previous": write_bookmark(lines[0], backward=True), "next": write_bookmark(lines[-1], backward=False)}
