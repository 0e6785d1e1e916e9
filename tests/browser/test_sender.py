"""The page of a shop's own e-mail provider in a browser: on a desk and on a phone, chosen and tried."""

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

WHERE = "/messages/sender?shop=playground"


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_provider_is_chosen_and_tried_and_nothing_is_wider_than_the_window(
    page: Page,
    served: Served,  # noqa: F811
    size: dict[str, int],
) -> None:
    errors = listen(page)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(f"{served.url}/messages?shop=playground")
    page.get_by_role("link", name="Who sends the email").click()
    page.get_by_label("Provider").select_option("postmark")
    expect(page.locator("[name='stream']")).to_be_visible()
    expect(page.locator("[name='domain']")).to_be_hidden()
    page.get_by_label("From").fill("Kettle <hello@kettle.example>")
    page.locator("[name='secret']").fill("wrong-key")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".banner.success")).to_be_visible()
    assert page.locator("[name='secret']").input_value() == ""
    page.locator("[name='to']").fill("ada@mail.example")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".banner.critical[role='status']")).to_contain_text("The key is wrong.")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/sender-{size['width']}.png", full_page=True)
    page.get_by_role("button", name="Use this app's mail server").click()
    expect(page.locator(".banner.success")).to_be_visible()
    assert errors == []
