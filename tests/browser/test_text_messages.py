"""The page of where, when and how many text messages leave, in a browser: on a desk and on a phone."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_admin import (  # `served` is a fixture
    DESK,
    PHONE,
    Served,
    listen,
    served,  # noqa: F401
)
from tests.browser.test_email import CONTRASTS


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_limits_are_typed_refused_and_saved_and_nothing_is_wider_than_the_window(
    page: Page,
    served: Served,  # noqa: F811
    size: dict[str, int],
) -> None:
    errors = listen(page)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(f"{served.url}/messages?shop=playground")
    page.get_by_role("link", name="Where, when, how many").click()
    countries = page.get_by_label("Countries they may go to")
    countries.fill("Atlantis")
    page.get_by_label("Segments a day at most").fill("500")
    page.get_by_label("Hours they may leave in").fill("25-26")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_count(2)
    expect(countries).to_have_attribute("aria-invalid", "true")
    expect(countries).to_have_value("Atlantis")
    picture(page, f"sms-refused-{size['width']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    countries.fill("us,ca,gb,gg,je,im,de,at,ch,fr")
    page.get_by_label("Hours they may leave in").fill("9-20 sun 12-20")
    page.get_by_label("Your country").fill("us")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".banner.success")).to_be_visible()
    expect(countries).to_have_value("US,CA,GB,GG,JE,IM,DE,AT,CH,FR")
    expect(page.get_by_text("0 of 500 segments")).to_be_visible()
    picture(page, f"sms-{size['width']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    heights = page.evaluate(
        "[...document.querySelectorAll('main input:not([type=hidden]), main button')].map(one => one.offsetHeight)"
    )
    assert all(height >= (40 if size is PHONE else 32) for height in heights)
    assert [(text, round(ratio, 2)) for text, ratio in page.evaluate(CONTRASTS) if ratio < 4.5] == []
    assert errors == []


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
