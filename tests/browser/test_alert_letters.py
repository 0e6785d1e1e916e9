"""What a shop is told, as a picture: it fits every window, can be read in either scheme, and runs from its side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser

from restock.channels.alerts.message import write_alert
from restock.channels.alerts.values import AlertKind, VariantLine
from restock.channels.alerts.variables import EXAMPLES, sample_alert
from restock.channels.tongues import LANGUAGES
from restock.channels.wording import phrases_for
from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_email import CONTRASTS, LONGEST, WIDTHS, Reader


def letter(kind: AlertKind, locale: str, test_locale: str = "") -> str:
    """The HTML of an alert that has everything it can have."""
    long = VariantLine(f"{LONGEST} · {LONGEST}", 1_234_567, 7_654_321)
    facts = EXAMPLES[kind]
    facts = replace(facts, top=(long, *facts.top), down=("email", "sms", "push"), test_locale=test_locale)
    return write_alert(sample_alert(kind, locale, facts=facts)).html


@pytest.fixture(scope="module")
def reader(browser: Browser) -> Iterator[Reader]:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield Reader(page)
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", list(AlertKind))
def test_no_letter_is_wider_than_its_window(reader: Reader, kind: AlertKind, width: int) -> None:
    for locale in LANGUAGES:
        reader.open(letter(kind, locale), width)
        assert reader.width() <= width, locale


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", list(AlertKind))
def test_every_word_stands_out_from_what_is_behind_it(reader: Reader, kind: AlertKind, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2 (1.4.3) asks for text of any size."""
    found = reader.open(letter(kind, "en", "en"), scheme=scheme).evaluate(CONTRASTS)
    assert len(found) >= 8
    assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reader_s_scheme_decides_how_bright_the_page_is(reader: Reader, scheme: str) -> None:
    page = reader.open(letter(AlertKind.digest, "en"), scheme=scheme)
    for selector in ("body", ".card"):
        red = page.locator(selector).evaluate("one => +getComputedStyle(one).backgroundColor.match(/\\d+/)[0]")
        assert red < 50 if scheme == "dark" else red > 230


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_stand_where_lines_end_and_a_fingertip_finds_the_button(reader: Reader, language: str) -> None:
    page = reader.open(letter(AlertKind.digest, language), 320)
    name, figure = page.locator("th").first.bounding_box(), page.locator("td.figure").first.bounding_box()
    button = page.locator(".button a").bounding_box()
    assert name is not None
    assert figure is not None
    assert button is not None
    assert (name["x"] > figure["x"]) == (phrases_for(language).direction == "rtl")
    assert button["height"] >= 44
    assert button["width"] >= 200


def test_nothing_is_fetched_by_reading(reader: Reader) -> None:
    reader.forget()
    reader.open(letter(AlertKind.digest, "en"))
    assert reader.asked == []
