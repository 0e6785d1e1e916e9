"""The pages of a shop's own texts in a browser: on a desk and on a phone, and the preview while one types."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from restock.channels.texts.values import Stage, TextKey
from restock.channels.values import ChannelName
from tests.browser.test_admin import (  # `served` is a fixture
    DESK,
    EMBEDDED,
    PHONE,
    Served,
    app_frame,
    listen,
    pretend_shopify,
    served,  # noqa: F401
)
from tests.web.admin.conftest import id_token

WHERE = "/messages/email/restock/en?shop=playground"


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_no_page_of_texts_is_wider_than_its_window(page: Page, served: Served, size: dict[str, int]) -> None:  # noqa: F811
    errors = listen(page)
    shop = served.house.services.shops.find("playground.myshopify.com")
    assert shop is not None
    for locale in ("en", "fr", "de", "fr-CA", "pt-BR"):
        key = TextKey(ChannelName.sms, Stage.restock, locale)
        served.house.services.texts.save(shop, key, {"text": "{{ product.title }} {{ links.action }}"})
    page.set_viewport_size(size)  # type: ignore[arg-type]
    of_people = ("/messages/email/restock/en", "/messages/sms/restock/fr", "/messages/push/reminder/en")
    for path in ("/messages", *of_people, "/messages/email/merchant_alert/en"):
        page.goto(f"{served.url}{path}?shop=playground")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert errors == []


def test_the_preview_follows_what_is_typed_and_saving_keeps_it(page: Page, served: Served) -> None:  # noqa: F811
    errors = listen(page)
    page.goto(served.url + WHERE)
    letter = page.frame_locator("iframe.letter")
    expect(letter.locator("h1")).to_have_text("It’s back.")
    assert letter.locator("h1").evaluate("one => getComputedStyle(one).fontSize") != "16px", "the e-mail has its styles"
    page.fill("[name='part.heading']", "Hurrah for {{ product.title }}")
    expect(letter.locator("h1")).to_contain_text("Hurrah for ")
    page.fill("[name='part.subject']", "{{ prise }}")
    expect(page.locator("#preview .fault")).to_contain_text("did you mean price?")
    page.fill("[name='part.subject']", "")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".banner.success")).to_be_visible()
    expect(page.locator("[name='part.heading']")).to_have_value("Hurrah for {{ product.title }}")
    assert errors == []


def test_inside_shopifys_admin_a_text_is_shown_and_saved_with_a_token(page: Page, served: Served) -> None:  # noqa: F811
    errors = listen(page)
    pretend_shopify(page, id_token())
    page.goto(served.admin_url)
    frame = app_frame(page)
    expect(frame.get_by_role("heading", name="Overview")).to_be_visible()
    frame.goto(f"{served.url}/messages{EMBEDDED}")
    frame.get_by_label("Language").fill("fr")
    frame.get_by_role("button", name="Write", exact=True).click()
    expect(frame.get_by_role("heading", name="Back in stock by Email, French")).to_be_visible()
    frame.wait_for_load_state("load")  # who types before the page's script is there is answered by the button alone
    letter = frame.frame_locator("iframe.letter")
    frame.locator("[name='part.heading']").fill("Voilà {{ product.title }}")
    expect(letter.locator("h1")).to_contain_text("Voilà ")
    with page.expect_request(lambda asked: asked.method == "POST" and "do=save" in (asked.post_data or "")) as sent:
        frame.get_by_role("button", name="Save").click()
    assert sent.value.headers["authorization"].startswith("Bearer ")
    expect(frame.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    assert letter.locator("h1").evaluate("one => getComputedStyle(one).fontSize") != "16px"
    assert errors == []
