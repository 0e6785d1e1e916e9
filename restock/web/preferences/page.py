"""How a person's own page is written: its words, its moments, its headers. It decides nothing and reads no database."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date, format_time, get_datetime_format
from flask import Response, render_template, request

from restock.catalog.values import GoodsFacts
from restock.channels.tongues import FALLBACK, LANGUAGES, nearest_of
from restock.channels.wording import price_text
from restock.reports.values.preferences import OwnAlert, OwnAlerts
from restock.web.people_texts import PageTexts, texts_for

_FOLDER = Path(__file__).with_name("texts")
_FEW = 20  # places up to here are said as they are
_RESTS = ("7", "30", "90")
_THIS_MACHINE = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Page:
    """One address's page. `said`: the name of the sentence about what was just done.

    `shows_local`: pictures of this machine are shown as well, which are on plain HTTP. Development only.
    """

    own: OwnAlerts
    token: str
    said: str = ""
    shows_local: bool = False

    def show(self) -> Response:
        """Write the list of alerts and what can be done with them."""
        return self._render("show")

    def ask_to_erase(self) -> Response:
        """Write the page that asks once more before everything is erased."""
        return self._render("erase")

    def erased(self) -> Response:
        """Write what an erased person reads last."""
        return self._render("erased")

    def say(self, key: str, **slots: str | int) -> str:
        """Fill one sentence of the page, in the person's language."""
        text = _sentences(self.texts.language).get(key) or _sentences(FALLBACK)[key]
        return self.texts.fill(text, shop=self.own.shop_name, **slots)

    @cached_property
    def texts(self) -> PageTexts:
        return texts_for(self.own.locale)

    def standing(self, alert: OwnAlert) -> str:
        """Say how one alert stands."""
        key = f"state_{alert.state.value}"
        if alert.place is not None:
            return (
                self.say("state_far", place=alert.place - 1) if alert.at_least else self.say(key, place=_about(alert))
            )
        if alert.at is None:
            return self.say(f"{key}_open" if alert.is_resting else key)
        return self.say(key, at=self._moment(alert.at, with_hour=alert.state.value == "turn"))

    def price(self, goods: GoodsFacts | None) -> str:
        """Write what the goods cost; empty where that is not known."""
        if goods is None or goods.price_cents is None or not goods.currency:
            return ""
        return price_text(goods.price_cents, goods.currency, self.own.locale)

    def picture(self, goods: GoodsFacts | None) -> str:
        """Give the address of a picture that a page may show; empty where there is none."""
        url = goods.image_url if goods is not None and goods.image_url else ""
        try:
            parts = urlsplit(url)
        except ValueError:
            return ""
        is_local = self.shows_local and parts.scheme == "http" and parts.hostname in _THIS_MACHINE
        if parts.scheme != "https" and not is_local:
            return ""
        small = parts.hostname == "cdn.shopify.com" and "width=" not in url
        return f"{url}{'&' if '?' in url else '?'}width=160" if small else url

    def _moment(self, at: datetime, *, with_hour: bool) -> str:
        locale = Locale.parse(self.texts.language, sep="-")
        zone = _zone(self.own.time_zone)
        if with_hour:
            day = format_date(at.astimezone(zone), "medium", locale=locale)  # 9/10/26 is two days
            hour = format_time(at, "short", tzinfo=zone, locale=locale)
            both = str(get_datetime_format("medium", locale)).format(hour, day)
            return both if self.own.time_zone else f"{both} UTC"
        return str(format_date(at.astimezone(zone), "medium", locale=locale))

    def _render(self, step: str) -> Response:
        return _answer(
            200,
            pictures=" ".join(["https:", *(f"http://{host}:*" for host in _THIS_MACHINE if self.shows_local)]),
            locale=self.texts.language,
            direction=self.texts.direction,
            page=self,
            own=self.own,
            step=step,
            say=self.say,
            rests=_RESTS,
            languages=_languages(),
            address=self.own.masked_address or self.texts.say("this_browser"),
            here=f"/preferences/{self.token}",
            shop_url=f"https://{self.own.shop_domain}",
        )


def page_not_found() -> Response:
    """Write what is behind a link that is wrong, or whose address is gone."""
    texts = texts_for(*request.accept_languages.values())
    facts = {"title": texts.say("gone_title"), "text": texts.say("gone_text")}
    return _answer(404, locale=texts.language, direction=texts.direction, step="gone", own=None, **facts)


def _answer(status: int, pictures: str = "https:", **facts: object) -> Response:
    nonce = secrets.token_urlsafe(16)
    html = render_template("people/preferences.html", nonce=nonce, **facts)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self' {pictures}; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
    }
    return Response(html, status, headers=headers)


def _about(alert: OwnAlert) -> int:
    """Round a place, which changes while one reads it: as it is up to _FEW, then to two figures."""
    place = alert.place or 1
    return place if place <= _FEW else round(place, 1 - len(str(place)) + 1)


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


@cache
def _languages() -> Mapping[str, str]:
    """Name every language we speak in its own words."""
    return {tag: _own_name(tag) for tag in sorted(LANGUAGES)}


def _own_name(tag: str) -> str:
    locale = Locale.parse(tag, sep="-")
    name = locale.get_display_name(locale) or tag
    return name[:1].upper() + name[1:]


@cache
def _sentences(language: str) -> Mapping[str, str]:
    path = _FOLDER / f"{nearest_of(language)}.json"
    found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found
