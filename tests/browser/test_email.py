"""The default e-mail as a picture, as far as a machine can judge one: no line leaves the window, in either scheme every
word can be read, a fingertip finds the button, and lines that run from the right have their price on the left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from restock.channels.email.message import html_of, words_of
from restock.channels.tongues import LANGUAGES
from restock.channels.values import MessageLinks, Notice, NoticeKind, ProductFacts, ShopFacts
from restock.channels.wording import phrases_for, price_text
from tests.browser.conftest import PATIENCE_MS

WIDTHS = (320, 1280)
HOME = "https://mail.example/"
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="900"><rect width="900" height="900"/></svg>'
LONGEST = "Donaudampfschifffahrtsgesellschaftskapitänsmützenfrühstückskaffeebecher"
PRODUCT = ProductFacts("Harbour Vase", "Deep green", None, "https://img.example/vase.png", 2)


def notice_in(locale: str) -> Notice:
    """An offer with everything it can have: picture, price, quantity, a turn, an earlier miss."""
    links = MessageLinks("https://r.example/c/x", "https://r.example/u/x", "https://r.example/d/x")
    product = replace(PRODUCT, price=price_text(8900, "EUR", locale))
    shop = ShopFacts("north.myshopify.com", "North & Pine", "https://north.example")
    return Notice(NoticeKind.offer, shop, links, locale, product, 120, missed_before=True)


def crowded(locale: str) -> Notice:
    notice = notice_in(locale)
    product = ProductFacts(f"{LONGEST} {LONGEST}", LONGEST, "1.234.567,89 €", "https://img.example/vase.png", 99)
    return replace(notice, product=product, shop=replace(notice.shop, name=LONGEST[:60]))


NOTICES: dict[str, Callable[[str], Notice]] = {
    "whole": notice_in,
    "crowded": crowded,
    "without goods": lambda locale: replace(notice_in(locale), product=None),
    "without picture and price": lambda locale: replace(notice_in(locale), product=ProductFacts("Harbour Vase")),
    "test": lambda locale: replace(notice_in(locale), kind=NoticeKind.test),
    "confirmation": lambda locale: replace(
        notice_in(locale), kind=NoticeKind.confirmation, turn_minutes=None, missed_before=False
    ),
}

# Every text, the colour it has and the nearest background behind it, as three numbers each.
CONTRASTS = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = one => { for (; one; one = one.parentElement) {
    const found = numbers(getComputedStyle(one).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found; }
    return [255, 255, 255]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || one.closest('[style*="display:none"]')) continue;
    const [a, b] = [light(numbers(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    found.push([walker.currentNode.data.trim().slice(0, 40), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""


class Reader:
    """A mail reader: one page that shows a message at a width, in the light or in the dark."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.html = ""
        self.asked: list[str] = []
        page.route("**/*", self._answer)

    def _answer(self, route: Any) -> None:
        if route.request.url == HOME:
            route.fulfill(body=self.html, content_type="text/html; charset=utf-8")
            return
        self.asked.append(route.request.url)
        route.fulfill(body=PICTURE, content_type="image/svg+xml")

    def show(self, notice: Notice, width: int = 375, scheme: str = "light") -> Page:
        phrases = phrases_for(notice.locale)
        return self.open(html_of(notice, phrases, words_of(notice, phrases)), width, scheme)

    def open(self, html: str, width: int = 375, scheme: str = "light") -> Page:
        self.html = html
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        if self.page.url != HOME:
            self.page.goto(HOME)
        else:  # on the page that is there: to go to an address anew takes six times as long
            self.page.set_content(html)
        return self.page

    def forget(self) -> None:
        """Forget what was fetched: the next message comes with a page of its own."""
        self.asked.clear()
        self.page.goto("about:blank")

    def width(self) -> int:
        found: int = self.page.evaluate("document.documentElement.scrollWidth")
        return found

    def left_of(self, selector: str) -> float:
        found: float = self.page.locator(selector).evaluate("one => one.getBoundingClientRect().left")
        return found


@pytest.fixture(scope="module")
def reader(browser: Browser) -> Iterator[Reader]:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield Reader(page)
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NOTICES)
def test_no_message_is_wider_than_its_window(reader: Reader, name: str, width: int) -> None:
    for locale in ("en", "ar"):
        reader.show(NOTICES[name](locale), width)
        assert reader.width() <= width, locale


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NOTICES)
def test_every_word_stands_out_from_what_is_behind_it(reader: Reader, name: str, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2 (1.4.3) asks for text of any size."""
    found = reader.show(NOTICES[name]("en"), scheme=scheme).evaluate(CONTRASTS)
    assert len(found) >= 6
    assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reader_s_scheme_decides_how_bright_the_page_is(reader: Reader, scheme: str) -> None:
    page = reader.show(notice_in("en"), scheme=scheme)
    for selector in ("body", ".card"):
        red = page.locator(selector).evaluate("one => +getComputedStyle(one).backgroundColor.match(/\\d+/)[0]")
        assert red < 50 if scheme == "dark" else red > 230


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["en", "he"])
def test_a_fingertip_finds_the_button(reader: Reader, language: str, width: int) -> None:
    box = reader.show(notice_in(language), width).locator(".button a").bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["width"] >= 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_fits_the_smallest_window_and_goods_and_price_stand_where_its_lines_begin_and_end(
    reader: Reader, language: str
) -> None:
    page = reader.show(notice_in(language), 320)
    assert reader.width() <= 320
    direction = phrases_for(language).direction
    directions = "one => ['html', 'body', 'body > table'].map(name => document.querySelector(name).dir)"
    assert page.locator("h1").evaluate(directions) == [direction] * 3, "webmail drops the first, some the second"
    title, price = "table.line td:nth-child(1) > bdi", "table.line td:nth-child(2) > bdi"
    assert (reader.left_of(title) > reader.left_of(price)) == (direction == "rtl")


def test_only_the_picture_of_the_goods_is_fetched_and_it_fills_its_card_without_an_edge(reader: Reader) -> None:
    reader.forget()
    page = reader.show(notice_in("en"), 1280, "dark")
    assert set(reader.asked) == {"https://img.example/vase.png"}
    picture, place = page.locator("img"), page.locator(".picture a")
    assert picture.get_attribute("alt") == "Harbour Vase"
    assert picture.bounding_box() == place.bounding_box()
    assert place.evaluate("one => getComputedStyle(one).backgroundColor") == "rgba(0, 0, 0, 0)"


def test_the_preheader_is_there_and_not_seen(reader: Reader) -> None:
    page = reader.show(notice_in("en"))
    words = page.locator("body > div").first
    assert "We can’t hold it" in (words.text_content() or "")
    assert not words.is_visible()
