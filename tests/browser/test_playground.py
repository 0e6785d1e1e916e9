"""The newcomer's first minutes, as a person has them: on a phone and on a desk."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from restock.playground.demo.instance import Instance

pytestmark = pytest.mark.whole_app

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


def open_page(page: Page, instance: Instance, size: dict[str, int], variant: str) -> list[str]:
    """Open the playground at a variant; return the list that the page's own errors are added to."""
    errors: list[str] = []
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Security Policy" in message.text else None)
    page.goto(f"{instance.url}/playground?variant={variant}")
    return errors


def go(page: Page, zone: str, size: dict[str, int]) -> None:
    """Walk to a part of the page; on a desk all of them are in sight."""
    if size is PHONE:
        page.get_by_role("navigation").get_by_role("button", name=zone).click()


def sold_out_pill(page: Page, name: str) -> Locator:
    """Find a variant the way a screen reader names it."""
    return page.get_by_role("radio", name=re.compile(rf"^{name} ?\(sold out\)$"))


@dataclass(frozen=True)
class Visit:
    """One way through the story."""

    size: dict[str, int]
    variant: str
    pill: str
    address: str


VISITS = {
    "phone": Visit(PHONE, "45120000402", "40", "ada@example.com"),
    "desk": Visit(DESK, "45120000101", "Small", "bo@example.com"),
}


@pytest.mark.parametrize("visit", VISITS.values(), ids=VISITS)
def test_from_sold_out_to_a_message_in_the_outbox(page: Page, instance: Instance, visit: Visit) -> None:
    """Choose something sold out, leave an address, restock, and the e-mail appears without a reload."""
    errors = open_page(page, instance, visit.size, "45120000201")
    sold_out_pill(page, visit.pill).check(force=True)
    expect(page.get_by_text(f"{visit.pill} is sold out.")).to_be_visible()
    page.get_by_label("E-mail address").fill(visit.address)
    page.get_by_role("button", name="Notify me").click()
    expect(page.get_by_text("You’re on the list, place 1.")).to_be_visible()
    go(page, "Counter", visit.size)
    expect(page.get_by_text("First in line: told as soon as it is back.")).to_be_visible()
    page.get_by_role("button", name="Restock 3 units").click()
    expect(page.get_by_text(re.compile(r"Webhook inventory_levels/update: 200"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"Told \d+\.\d s after the restock"))).to_be_visible()
    go(page, "Outbox", visit.size)
    message = page.get_by_role("log").get_by_role("article").filter(has_text=visit.address)
    expect(message).to_contain_text("s after restock")
    letter = message.frame_locator("iframe")
    preferences = letter.locator("a[href*='/preferences/']").first.get_attribute("href")
    letter.locator("a[href*='/c/']").first.click()
    page.wait_for_url(f"**/playground?variant={visit.variant}")
    page.goto(str(preferences))
    picture = page.locator(".goods img").first
    expect(picture).to_be_visible()
    picture.scroll_into_view_if_needed()
    page.wait_for_function("picture => picture.complete && picture.naturalWidth > 0", arg=picture.element_handle())
    assert errors == []


def test_a_faulty_address_is_explained_beside_the_field(page: Page, instance: Instance) -> None:
    """The API's own sentence stands below the field, which has the focus."""
    open_page(page, instance, DESK, "45120000302")
    page.goto(f"{instance.url}/playground?variant=45120000301")
    field = page.get_by_label("E-mail address")
    field.fill("ada@")
    page.get_by_role("button", name="Notify me").click()
    expect(page.get_by_role("alert")).to_contain_text("The e-mail address")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    page.get_by_text("SMS", exact=True).click()
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_label("Mobile number").fill("12")
    page.get_by_role("button", name="Notify me").click()
    expect(page.get_by_role("alert")).to_contain_text("The number")


def test_units_are_counted_and_everyone_waiting_has_a_reason(page: Page, instance: Instance) -> None:
    """Five sample shoppers on three channels want eight units; three arrive, and three units' worth of people hear."""
    errors = open_page(page, instance, DESK, "45120000202")
    page.get_by_role("button", name="Add 5 shoppers").click()
    expect(page.get_by_text("5 waiting, 8 units")).to_be_visible()
    page.get_by_role("button", name="Restock 3 units").click()
    queue = page.get_by_role("list", name="The queue")
    expect(queue.get_by_text(re.compile("Told"))).to_have_count(2)
    expect(queue.get_by_text(re.compile("All 3 units in stock are offered to others"))).to_have_count(3)
    page.get_by_role("button", name="Restock 3 units").click()
    expect(queue.get_by_text(re.compile("Told"))).to_have_count(4)
    expect(page.locator(".bubble").first).to_be_visible()
    expect(page.locator(".note").first).to_be_visible()
    assert errors == []


def test_nothing_is_wider_than_a_phone(page: Page, instance: Instance) -> None:
    open_page(page, instance, PHONE, "45120000402")
    for zone in ("Store", "Counter", "Outbox"):
        go(page, zone, PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_keyboard_alone_is_enough(page: Page, instance: Instance) -> None:
    """Arrow keys move between variants, Enter sends the form."""
    open_page(page, instance, DESK, "45120000403")
    expect(page.get_by_text("42 is sold out.")).to_be_visible()
    sold_out_pill(page, "42").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("40 is sold out.").or_(page.get_by_text("In stock and ready to go."))).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("42 is sold out.")).to_be_visible()
    page.get_by_label("E-mail address").focus()
    page.keyboard.type("cleo@example.com")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You’re on the list, place 1.")).to_be_visible()


def knob(page: Page, name: str, word: str) -> None:
    """Turn one knob of the Shopify panel."""
    page.get_by_role("group", name=name).get_by_text(word, exact=True).click()


def test_shopify_may_misbehave_and_everybody_hears_once(page: Page, instance: Instance) -> None:
    """Webhooks come twice and a stale quantity hides the stock: nobody hears; when it is exact, one message comes."""
    errors = open_page(page, instance, DESK, "45120000301")
    page.get_by_label("E-mail address").fill("elif@example.com")
    page.get_by_role("button", name="Notify me").click()
    expect(page.get_by_text("You’re on the list, place 1.")).to_be_visible()
    expect(page.get_by_role("group", name="Webhooks")).to_be_hidden()
    page.get_by_role("heading", name="Shopify").click()
    knob(page, "Webhooks", "Twice")
    expect(page.get_by_text("Nobody is told twice.")).to_be_visible()
    knob(page, "Quantity", "Stale")
    expect(page.get_by_text("misbehaving")).to_be_visible()
    page.get_by_role("button", name="Restock 3 units").click()
    expect(page.get_by_text(re.compile(r"Webhook inventory_levels/update: 200"))).to_be_visible()
    expect(page.get_by_text("In stock and ready to go.")).to_be_visible()
    assert page.get_by_role("log").get_by_role("article").filter(has_text="elif@example.com").count() == 0
    knob(page, "Quantity", "Exact")
    expect(page.get_by_text("The quantity sold online stays as it is")).to_be_hidden()
    page.get_by_role("button", name="Restock 3 units").click()
    message = page.get_by_role("log").get_by_role("article").filter(has_text="elif@example.com")
    expect(message).to_have_count(1)
    knob(page, "Webhooks", "Once")
    page.get_by_role("button", name="Buy one").click()
    expect(page.get_by_text(re.compile(r"Order #\d+ is placed\.")).first).to_be_visible()
    expect(page.get_by_role("list", name="The queue").get_by_text("Bought it.")).to_be_visible()
    expect(message).to_have_count(1)
    assert errors == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_merchant_removes_the_app_and_takes_it_back(page: Page, instance: Instance, size: dict[str, int]) -> None:
    errors = open_page(page, instance, size, "45120000201")
    go(page, "Counter", size)
    page.get_by_role("heading", name="Shopify").click()
    expect(page.get_by_text("connected")).to_be_visible()
    page.get_by_role("button", name="Uninstall the app").click()
    expect(page.get_by_text("app removed")).to_be_visible()
    page.get_by_role("button", name="Install it again").click()
    expect(page.get_by_text("connected")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert errors == []
