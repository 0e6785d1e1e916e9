"""How a merchant's page goes out: its headers, its links, its words. It must never decide who may see it.

Everything that varies is escaped by the templates; scripts and styles need the nonce of the page or come from our own
files and Shopify's.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_currency, format_decimal
from babel.units import format_unit
from flask import Response, render_template

from restock.reports.values.subscribers import Goods
from restock.web.admin.entry import Visitor
from restock.web.admin.wording import say, say_count
from restock.web.operations import took

ASSETS = Path(__file__).parent / "static"
ASSETS_PATH = "/admin-assets"
SHOPIFY_CDN = "https://cdn.shopify.com"
_LOOPBACK = "http://127.0.0.1:* http://localhost:*"  # development: the pretended admin frames the page


def page_policy(nonce: str, shop_domain: str | None, *, development: bool, inline_styles: bool = False) -> str:
    """Write the Content-Security-Policy of a page; `shop_domain` None: it must not be framed.

    Shopify's components set style attributes on their own elements, hence `style-src-attr`. `inline_styles`: an e-mail
    is shown, whose frame has no rights but keeps to this policy too.
    """
    styles = "'unsafe-inline'" if inline_styles else f"'nonce-{nonce}'"
    frames = f"https://{shop_domain} https://admin.shopify.com" if shop_domain else "'none'"
    local = f" {_LOOPBACK}" if development else ""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' {SHOPIFY_CDN}",
            f"style-src 'self' {styles} {SHOPIFY_CDN}",
            "style-src-attr 'unsafe-inline'",
            f"img-src 'self' data: https:{local}",
            f"font-src {SHOPIFY_CDN}",
            "connect-src 'self' https://*.shopify.com https://*.shopifysvc.com",
            "frame-src https://*.shopify.com",
            "form-action 'self'",
            "base-uri 'none'",
            f"frame-ancestors {frames}{local if shop_domain else ''}",
        ]
    )


def page_headers(policy: str) -> dict[str, str]:
    """Give what every page of the admin carries: never kept, never framed by strangers, no address leaked."""
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Vary": "Authorization, HX-Request, Sec-Fetch-Dest",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex",
    }


def render(
    template: str, who: Visitor | None, *, api_key: str, development: bool, status: int = 200, **facts: object
) -> Response:
    """Render one page for a visitor; None: for somebody who was not let in, and nothing may frame it."""
    nonce = secrets.token_urlsafe(16)
    framed_by = who.shop.domain if who is not None and who.embedded else None
    facts.setdefault("shop_domain", framed_by)
    domain = facts["shop_domain"]
    framing = domain if isinstance(domain, str) else None
    inline_styles = bool(facts.pop("inline_styles", False))
    policy = page_policy(nonce, framing, development=development, inline_styles=inline_styles)
    html = render_template(
        f"admin/{template}",
        nonce=nonce,
        api_key=api_key,
        visitor=who,
        link=lambda path, **asked: link(who, path, asked),
        asset=asset_url,
        say=say,
        count=say_count,
        number=lambda value: format_decimal(value, locale="en"),
        money=money,
        moment=moment,
        day=lambda value: format_date(value, "d MMM", locale="en"),
        ago=ago,
        duration=duration,
        took=took,
        goods=goods_title,
        country=country_name,
        **facts,
    )
    return Response(html, status, headers=page_headers(policy))


def link(who: Visitor | None, path: str, asked: Mapping[str, object]) -> str:
    """Write a link to a page of ours that keeps naming the shop; App Bridge adds a token at the click."""
    known: dict[str, object] = {"shop": who.shop.domain} if who else {}
    if who and who.host:
        known["host"] = who.host
    query = urlencode({name: value for name, value in {**asked, **known}.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path


@cache
def asset_url(name: str) -> str:
    """Give the address of one of our files, which changes with its content and may be kept for ever."""
    digest = hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]
    return f"{ASSETS_PATH}/{name}?v={digest}"


def money(cents: int, currency: str) -> str:
    """Write a sum of hundredths in its currency."""
    return str(format_currency(cents / 100, currency, locale="en"))


def moment(at: datetime) -> str:
    """Write a moment in UTC; a script of the page turns it into the reader's own time."""
    return str(format_datetime(at, "d MMM y, HH:mm 'UTC'", locale="en"))


def ago(at: datetime, now: datetime) -> str:
    """Write how long ago something was."""
    return str(format_timedelta(at - now, add_direction=True, locale="en"))


def duration(seconds: float) -> str:
    """Write how long something takes, in the unit that suits it."""
    if seconds >= 3 * 86_400:
        return str(format_unit(round(seconds / 86_400, 1), "duration-day", locale="en"))
    if round(seconds / 60) >= 2 * 60:
        return str(format_unit(round(seconds / 3600, 1), "duration-hour", locale="en"))
    if seconds >= 2 * 60:
        return str(format_unit(round(seconds / 60), "duration-minute", locale="en"))
    return str(format_unit(round(seconds), "duration-second", locale="en"))


def country_name(code: str) -> str:
    """Name a country by its two letters."""
    return str(Locale("en").territories.get(code, code))


def goods_title(goods: Goods) -> str:
    """Name the goods in one line."""
    title = goods.product_title or say("goods.unnamed", id=goods.product_id)
    return f"{title} · {goods.variant_title}" if goods.variant_title else title
