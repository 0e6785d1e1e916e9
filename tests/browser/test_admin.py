"""The merchant's pages as a merchant has them: in a frame of Shopify's, on a phone, and without JavaScript.

Shopify's own scripts cannot be loaded here: a stand-in of a few lines does what App Bridge does with tokens.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Frame, Page, Route, expect
from sqlalchemy import text
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from restock.config import Settings
from tests.browser.conftest import PATIENCE_MS
from tests.web.admin.conftest import DOMAIN, SECRET, House, id_token, open_house
from tests.web.admin.crowd import VARIANTS, fill, hold_back, tell

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
PEOPLE = 60
EMBEDDED = f"?shop={DOMAIN}&host=aG9zdA&embedded=1"


@dataclass(frozen=True)
class Served:
    """The pages, served."""

    house: House
    url: str
    admin_url: str  # another origin: a page with the app in a frame


@pytest.fixture
def served(make_settings: Callable[..., Settings], clean_database: str, free_port: int) -> Iterator[Served]:
    settings = make_settings(
        database_url=clean_database,
        redis_url="redis://127.0.0.1:1/0",
        shopify_api_secret=SECRET,
        port=free_port,
    )
    house = open_house(settings, clean_database, page_size=20)
    for domain in (DOMAIN, "playground"):
        shop = house.services.shops.add(domain)
        fill(house.database, shop, PEOPLE, gap_seconds=20_000)
        tell(house.database, shop)
    url = f"http://127.0.0.1:{free_port}"
    frame = f"<!doctype html><title>Admin</title><iframe id=app width=1200 height=800 src='{url}/{EMBEDDED}'></iframe>"
    servers = [
        make_server("127.0.0.1", free_port, house.app, threaded=True),
        make_server("127.0.0.1", 0, Response(frame, mimetype="text/html"), threaded=True),
    ]
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    yield Served(house, url, f"http://localhost:{servers[1].server_port}/")
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


def listen(page: Page) -> list[str]:
    """Collect what the page complains of."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    return errors


def pretend_shopify(page: Page, token: str) -> None:
    """Answer for Shopify: App Bridge, and its components (none)."""
    bridge = f"""
        const token = {json.dumps(token)};
        window.asked = [];
        window.shopify = {{
            idToken: async () => token,
            scopes: {{ request: async (scopes) => {{
                const result = ["declined-all", "granted-all"][window.asked.push(scopes) - 1];
                return {{ result, detail: {{}} }};
            }} }},
        }};
        const back = new URLSearchParams(location.search).get("shopify-reload");
        if (back) location.replace(back + "&id_token=" + token);
    """

    def cdn(route: Route) -> None:
        body = bridge if route.request.url.endswith("/app-bridge.js") else ""
        route.fulfill(content_type="text/javascript", body=body)

    page.route("https://cdn.shopify.com/**", cdn)


def app_frame(page: Page) -> Frame:
    """Find the frame with the app in it."""
    element = page.wait_for_selector("#app")
    frame = element.content_frame() if element else None
    assert frame is not None
    return frame


def test_inside_shopifys_admin_the_pages_open_page_and_filter(page: Page, served: Served) -> None:
    """From the first request without a token to the second page of the list: nothing blocked, nothing asked twice."""
    errors = listen(page)
    pretend_shopify(page, id_token())
    page.goto(served.admin_url)
    frame = app_frame(page)
    expect(frame.get_by_role("heading", name="Overview")).to_be_visible()
    expect(frame.get_by_role("banner")).to_be_hidden()  # the admin's own navigation shows
    frame.get_by_role("link", name="See everyone waiting").click()
    expect(frame.get_by_role("status")).to_contain_text("subscribers")
    frame.wait_for_load_state("load")  # links page in place once the script is there
    waiting = frame.get_by_role("status").inner_text()
    first = frame.get_by_role("row").nth(1).inner_text()
    with page.expect_response(lambda answer: "after=" in answer.url) as asked:
        frame.get_by_role("link", name="Next").click()
    assert asked.value.request.headers["authorization"].startswith("Bearer ")
    assert asked.value.request.headers["hx-request"] == "true"
    expect(frame.get_by_role("row").nth(1)).not_to_have_text(first)
    frame.get_by_label("Status").select_option("notified")
    expect(frame.get_by_role("status")).not_to_have_text(waiting)
    expect(frame.get_by_role("row").nth(1)).to_contain_text("Told")
    frame.get_by_role("row").nth(1).get_by_role("link").click()
    expect(frame.get_by_text("What happened")).to_be_visible()
    assert errors == []


def test_a_token_that_got_old_is_replaced_without_the_merchant_noticing(page: Page, served: Served) -> None:
    """The first answer to a click is 401; the page comes back by itself with a good one."""
    pretend_shopify(page, id_token())
    page.goto(served.admin_url)
    frame = app_frame(page)
    frame.get_by_role("link", name="See everyone waiting").click()
    expect(frame.get_by_role("status")).to_contain_text("subscribers")
    frame.wait_for_load_state("load")
    frame.evaluate("window.shopify.idToken = async () => 'stale'")
    frame.get_by_role("link", name="Next").click()
    expect(frame.get_by_role("link", name="Previous")).to_be_visible()


def hold_two(served: Served, domain: str) -> None:
    """Have a shop's changed settings hold two variants back."""
    shop = served.house.services.shops.find(domain)
    assert shop
    hold_back(served.house.database, shop, *VARIANTS[:2])


def test_inside_shopifys_admin_changed_settings_are_confirmed_with_a_token(page: Page, served: Served) -> None:
    """One press: the card goes, a sentence says what was done, and has the focus."""
    hold_two(served, DOMAIN)
    errors = listen(page)
    pretend_shopify(page, id_token())
    page.goto(served.admin_url)
    frame = app_frame(page)
    with page.expect_request(lambda asked: asked.method == "POST") as sent:
        frame.get_by_role("button", name="Alert 9 people").click()
    assert sent.value.headers["authorization"].startswith("Bearer ")
    assert "id_token" not in sent.value.url
    expect(frame.get_by_role("status").filter(has_text="Confirmed for 2 variants.")).to_be_focused()
    expect(frame.get_by_text("changed settings would alert")).to_have_count(0)
    assert errors == []


def test_a_press_that_comes_to_nothing_says_so(page: Page, served: Served) -> None:
    """Nothing was confirmed, and the page is still there to try again."""
    hold_two(served, DOMAIN)
    pretend_shopify(page, id_token())
    page.goto(served.admin_url)
    frame = app_frame(page)
    button = frame.get_by_role("button", name="Alert 9 people")
    expect(button).to_be_enabled()
    served.house.services.tokens.refusal = RuntimeError("a fault of ours")
    button.click()
    expect(frame.get_by_role("alert")).to_contain_text("That did not work.")
    served.house.services.tokens.refusal = None
    button.click()
    expect(frame.get_by_text("Confirmed for 2 variants.")).to_be_visible()
    expect(frame.get_by_role("alert")).to_be_hidden()


def test_a_permission_is_asked_for_by_shopify_and_shown_once_its_webhook_has_told(page: Page, served: Served) -> None:
    """Declined: nothing changes. Granted: the page comes back and waits for what Shopify tells the server."""
    errors = listen(page)
    pretend_shopify(page, id_token())
    page.goto(served.admin_url)
    frame = app_frame(page)
    button = frame.get_by_role("button", name="Allow").nth(1)
    expect(button).to_have_attribute("data-scopes", "read_customers write_customers")
    assert frame.evaluate("window.asked") == []  # nothing opens by itself
    button.click()
    expect(button).to_be_enabled()
    assert frame.evaluate("window.asked") == [["read_customers", "write_customers"]]
    button.click()
    expect(frame.get_by_text("Shopify is passing your answer on")).to_be_visible()
    with served.house.database.transaction() as session:
        session.execute(text("UPDATE shops SET scopes = '{read_customers,write_customers}'"))
    served.house.services.shops.memory.forget(DOMAIN)
    expect(frame.get_by_text("Allowed", exact=True)).to_be_visible()
    expect(frame.get_by_text("Shopify is passing your answer on")).to_have_count(0)
    assert errors == []


def test_in_the_playground_a_plain_form_confirms(browser: Browser, served: Served) -> None:
    """Without a line of JavaScript, by the browser's own word on where the form stood."""
    hold_two(served, "playground.myshopify.com")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{served.url}/?shop=playground")
    page.get_by_role("button", name="Alert 9 people").click()
    expect(page.get_by_text("Confirmed for 2 variants.")).to_be_visible()
    context.close()


def test_a_form_on_another_page_confirms_nothing(page: Page, served: Served) -> None:
    """The other page stands on another port of this machine, which browsers call the same site."""
    hold_two(served, "playground.myshopify.com")
    form = f"<form id=f method=post action='{served.url}/settings/confirm?shop=playground'></form>"
    page.goto(served.admin_url)
    page.evaluate("(form) => { document.body.innerHTML = form; document.getElementById('f').submit(); }", form)
    expect(page.get_by_role("heading", name="This did not come from Restock’s own page")).to_be_visible()
    page.goto(f"{served.url}/?shop=playground")
    expect(page.get_by_role("button", name="Alert 9 people")).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_no_page_is_wider_than_its_window(page: Page, served: Served, size: dict[str, int]) -> None:
    errors = listen(page)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    for path in ("/?shop=playground", "/subscribers?shop=playground", "/subscribers?shop=playground&status=waiting"):
        page.goto(served.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.get_by_text("What happened")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert errors == []


def test_everything_works_without_javascript(browser: Browser, served: Served) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{served.url}/subscribers?shop=playground")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="Previous")).to_be_visible()
    page.get_by_label("Email or phone").fill("ADA7@example.com")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status")).to_have_text("1 subscriber")
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.get_by_role("heading", name="ada7@example.com")).to_be_visible()
    context.close()


def test_a_keyboard_alone_is_enough(page: Page, served: Served) -> None:
    """The first stop skips to the content, and every stop can be seen."""
    page.goto(f"{served.url}/?shop=playground")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert focused != "none"


def test_a_dry_run_is_played_in_place(page: Page, served: Served) -> None:
    errors = listen(page)
    page.goto(f"{served.url}/what-if?shop=playground")
    page.get_by_label("Product").select_option(f"v{VARIANTS[0]}")
    page.get_by_label("Units in stock").fill("2")
    page.get_by_role("button", name="Play it through").click()
    expect(page.get_by_role("status")).to_contain_text("would be told")
    expect(page).to_have_url(f"{served.url}/what-if?shop=playground.myshopify.com&item=v{VARIANTS[0]}&units=2")
    page.get_by_label("Shared out").nth(1).select_option("everyone")
    page.get_by_role("button", name="Try these settings").click()
    expect(page.get_by_text("Nothing was saved yet.")).to_be_visible()
    expect(page.get_by_text("would be told in")).to_be_visible()  # the other answer stays
    page.get_by_role("button", name="Save these settings").click()
    expect(page.locator(".banner.success")).to_be_visible()
    assert errors == []


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_settings_are_refused_and_saved_and_every_page_is_named_at_the_top(
    page: Page, served: Served, size: dict[str, int]
) -> None:
    errors = listen(page)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(f"{served.url}/?shop=playground")
    page.get_by_role("link", name="Settings", exact=True).click()
    tabs = page.locator("header nav")
    assert tabs.evaluate("one => one.scrollWidth <= one.clientWidth"), "none of them is cut off"
    page.get_by_label("Email may leave").fill("25-26")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_count(1)
    page.get_by_label("Email may leave").fill("9-20")
    page.get_by_label("Reminders after a message").select_option("1")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".banner.success")).to_be_visible()
    expect(page.get_by_label("Email may leave")).to_have_value("9-20")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert errors == []


def test_the_page_fits_a_phone_and_a_desk(page: Page, served: Served) -> None:
    for size in (PHONE, DESK):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.goto(f"{served.url}/what-if?shop=playground&item=v{VARIANTS[0]}&units=2&policy=strict&preset=everyone")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_restock_is_opened_from_the_first_page_and_shows_what_became_of_people(
    page: Page, served: Served, size: dict[str, int]
) -> None:
    errors = listen(page)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(f"{served.url}/?shop=playground")
    page.locator("a[href^='/restocks/']").last.click()
    page.get_by_role("link", name="Told, did not buy").click()
    expect(page.get_by_role("link", name="Everybody", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    expect(page.locator("#people tbody s-badge").first).to_have_text("Told, did not buy")
    assert errors == []
