"""The pages behind our links, in a browser: in every language they fit a phone, can be read, and run the right way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader
from playwright.sync_api import Browser, Page

import restock.web
from restock.channels.tongues import LANGUAGES
from restock.web.people_texts import texts_for
from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_email import CONTRASTS

TEMPLATES = Environment(loader=FileSystemLoader(Path(restock.web.__file__).with_name("templates")), autoescape=True)
STEPS = ("confirm", "confirmed", "leave", "left", "decline", "passed", "over", "bought", "blocked", "gone")
LONG_SHOP = "Nordseekeramikmanufakturwilhelmshavenundumgebung"


def page_of(language: str, step: str, shop: str = "North & Pine") -> str:
    """Write one of the pages as its route does."""
    texts = texts_for(language)
    facts: dict[str, Any] = {"shop_name": shop, "nonce": "x", "done": step in {"left", "confirmed", "passed"}}
    facts |= {name: texts.say(f"{step}_{name}", shop=shop) for name in ("title", "text")}
    if f"{step}_button" in texts.sentences:
        facts["button"] = texts.say(f"{step}_button")
    if step in {"decline", "passed", "over", "bought"}:
        facts |= {"goods": "Harbour Vase – Deep green", "leave_url": "https://r.example/u/x"}
        facts |= {"leave_link": texts.say("leave_link", shop=shop)}
    else:
        facts["address"] = "a•••@example.com"
    template = TEMPLATES.get_template("people/page.html")
    return template.render(locale=texts.language, direction=texts.direction, **facts)


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 320, "height": 640})
    page.set_default_timeout(PATIENCE_MS)
    yield page
    page.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_fits_a_small_phone(phone: Page, language: str) -> None:
    for step in ("confirm", "decline", "passed"):
        phone.set_content(page_of(language, step, LONG_SHOP))
        assert phone.evaluate("document.documentElement.scrollWidth") <= 320, step
        assert phone.evaluate("document.documentElement.dir") == texts_for(language).direction
        heights = phone.evaluate("[...document.querySelectorAll('button')].map(one => one.offsetHeight)")
        assert all(height >= 44 for height in heights)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_of_every_page_stands_out_from_what_is_behind_it(phone: Page, scheme: str) -> None:
    phone.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for step in STEPS:
        phone.set_content(page_of("en", step))
        found = phone.evaluate(CONTRASTS)
        assert len(found) >= 2
        assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == [], step


@pytest.mark.parametrize("language", ["ar", "he"])
def test_a_masked_address_reads_from_its_own_left(phone: Page, language: str) -> None:
    phone.set_content(page_of(language, "confirm").replace("a•••@example.com", "+49•••12"))
    start, end = phone.evaluate(
        """() => { const words = document.querySelector('.who bdi').firstChild, at = n => { const r = new Range();
        r.setStart(words, n); r.setEnd(words, n + 1); return r.getBoundingClientRect().left; };
        return [at(0), at(words.data.length - 1)]; }"""
    )
    assert start < end
