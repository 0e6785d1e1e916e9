"""What the pages show, to whom, and in which words."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import text

from restock.channels.values import ChannelName
from restock.commands.outages import say_outages
from restock.deliveries.values import DeliveryState
from restock.reports.values.journey import MomentKind
from restock.reports.values.subscribers import SubscriberStatus
from restock.shops.values import Shop
from restock.web.admin.wording import texts
from tests.web.admin.conftest import House, id_token
from tests.web.admin.crowd import fill, tell

ADMIN = Path(__file__).parents[3] / "restock" / "web" / "admin"
ELEMENTS: dict[str, list[str]] = json.loads((Path(__file__).parent / "polaris_elements.json").read_text())
EVIL = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "javascript:alert(1)"]


class Tags(HTMLParser):
    """Collects every element with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def crowd(house: House, kettle: Shop) -> House:
    fill(house.database, kettle, 60, gap_seconds=20_000)
    tell(house.database, kettle)
    return house


def some_id(house: House, condition: str = "true") -> int:
    with house.database.transaction() as session:
        return int(session.execute(text(f"SELECT id FROM subscriptions WHERE {condition} LIMIT 1")).scalar_one())


def test_a_new_shop_reads_what_to_do_first(house: House, kettle: Shop) -> None:
    page = house.get("/")
    assert texts()["empty.title"] in page
    assert f"https://{kettle.domain}/admin/themes/current/editor?context=apps" in page
    assert "Nobody has asked yet" in house.get("/subscribers")


def test_the_first_page_counts_what_the_tables_hold(crowd: House, kettle: Shop) -> None:
    page = crowd.services.merchant_reports.overview(kettle, 30)
    with crowd.database.transaction() as session:
        waiting, units = session.execute(
            text("SELECT count(*), sum(quantity) FROM subscriptions WHERE state IN ('pending', 'active')")
        ).one()
        sent = session.execute(
            text("SELECT count(*) FROM deliveries WHERE sent_at > now() - interval '29 days'")
        ).scalar_one()
    assert (page.demand.people, page.demand.units) == (waiting, units)
    assert sum(one.people for one in page.demand.top) <= waiting
    assert sum(one.sent for one in page.sent) == pytest.approx(sent, abs=2)
    assert sum(day.messages for day in page.chart) == sum(one.sent for one in page.sent)
    outcomes = page.outcomes
    assert outcomes.asked == outcomes.waiting + outcomes.told + outcomes.bought + outcomes.left
    assert len(page.chart) == 30
    assert page.recovered[0].currency == "EUR"
    assert [restock.waiting >= 0 for restock in page.restocks] == [True]
    html = crowd.get("/")
    assert "Recovered sales" in html
    assert "The latest restocks" in html
    assert "€" in html


def test_another_shops_people_are_nobodys_business(crowd: House) -> None:
    """Neither on the pages nor by an id that exists."""
    stranger = {"Authorization": f"Bearer {id_token('stranger.myshopify.com')}"}
    theirs = crowd.client.get(f"/subscribers/{some_id(crowd)}", headers=stranger)
    nobody = crowd.client.get("/subscribers/999999999", headers=stranger)
    assert (theirs.status_code, nobody.status_code) == (404, 404)
    assert "frame-ancestors https://stranger.myshopify.com " in nobody.headers["Content-Security-Policy"]
    strip = re.compile(rb'nonce="[^"]+"')
    assert strip.sub(b"", theirs.data) == strip.sub(b"", nobody.data)
    for path in ("/", "/subscribers", "/subscribers?q=ada7@example.com", "/subscribers.csv", "/?days=7"):
        page = crowd.client.get(path, headers=stranger).get_data(as_text=True)
        assert "Beanie" not in page
        assert not re.search(r"ada\d+@", page.replace("ada7@", ""))
        assert "/subscribers/" not in page


@pytest.mark.parametrize("number", ["0", str(2**63), "9" * 40])
def test_an_id_that_cannot_be_is_simply_not_there(crowd: House, number: str) -> None:
    answer = crowd.client.get(f"/subscribers/{number}", headers={"Authorization": f"Bearer {id_token()}"})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


@pytest.mark.parametrize("evil", EVIL)
def test_what_strangers_write_stays_text(crowd: House, kettle: Shop, evil: str) -> None:
    """Names, titles, sources, addresses, pages, browsers: all of it was typed by somebody."""
    someone = some_id(crowd, "channel = 'email' AND state = 'active'")
    with crowd.database.transaction() as session:
        for statement in (
            "UPDATE customers SET name = :evil, locale = :evil",
            "UPDATE products SET title = :evil, image_url = :evil",
            "UPDATE variants SET title = 'v' || :evil, sku = :evil",
            "UPDATE intents SET source = :evil",
            "UPDATE subscriptions SET locale = :evil, end_reason = :evil",
            "UPDATE deliveries SET reason = :evil",
            "UPDATE shops SET name = :evil",
            "UPDATE contacts SET address = address || :evil",
            """INSERT INTO consents (shop_id, contact_id, purpose, action, variant_id, source, page_url, user_agent,
                said_at) SELECT s.shop_id, s.contact_id, 'back_in_stock', 'granted', s.variant_id, :evil, :evil, :evil,
                i.created_at FROM subscriptions s JOIN intents i ON i.subscription_id = s.id""",
        ):
            session.execute(text(statement), {"evil": evil})
    for path in (
        "/",
        "/subscribers",
        f"/subscribers/{someone}",
        "/subscribers?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ):
        page = crowd.get(path)
        own = [attrs for tag, attrs in Tags(page).found if tag == "script"]
        assert all("src" in attrs and attrs.get("nonce") for attrs in own)
        assert not [tag for tag, attrs in Tags(page).found if any(name.startswith("on") for name in attrs)]
        assert not [1 for _, attrs in Tags(page).found if (attrs.get("href") or "").startswith("javascript:")]
        assert "49" not in page or "{{ 7 * 7 }}" not in evil or "{{ 7 * 7 }}" in page


def test_one_persons_page_tells_the_whole_story(crowd: House) -> None:
    someone = some_id(crowd, "state = 'purchased'")
    page = crowd.get(f"/subscribers/{someone}")
    story = re.findall(r'<li class="(\w+)">', page)
    assert story[-1] == "asked"
    assert {"bought", "sent", "offered", "asked"} <= set(story)
    assert "Bought it." in page


def test_a_waiting_person_has_a_place_and_a_reason(crowd: House) -> None:
    page = crowd.get(f"/subscribers/{some_id(crowd, 'state = ' + repr('active'))}")
    assert texts()["person.place"] in page
    assert '<p class="reason">' in page


def test_app_bridge_is_the_first_script_inside_the_admin_and_absent_outside(crowd: House) -> None:
    scripts = re.findall(r'<script[^>]*src="([^"]+)"', crowd.get("/"))
    assert scripts[0] == "https://cdn.shopify.com/shopifycloud/app-bridge.js"
    crowd.services.shops.add("playground")
    alone = crowd.client.get("/?shop=playground").get_data(as_text=True)
    assert "cdn.shopify.com" not in alone


def test_every_element_of_shopifys_is_one_of_the_published_list(crowd: House) -> None:
    used = set()
    for path in ("/", "/subscribers", f"/subscribers/{some_id(crowd)}", "/messages/sms", "/messages/alerts"):
        for tag, attrs in Tags(crowd.get(path)).found:
            if tag.startswith("s-") and tag != "s-app-nav":  # App Bridge's own
                own = set(attrs) - {"class", "id", "rel"}
                assert {name for name in own if not name.startswith("data-")} <= set(ELEMENTS[tag]), tag
                used.add(tag)
    assert {"s-page", "s-section", "s-badge", "s-banner"} <= used


def test_a_page_can_be_read_without_seeing_it(crowd: House) -> None:
    """Every field has a label, every picture a text, every table heads; one first heading; nothing without a name."""
    for path in ("/", "/subscribers", f"/subscribers/{some_id(crowd)}", "/messages/sms", "/messages/alerts"):
        page = crowd.get(path)
        found = Tags(page).found
        assert len([tag for tag, _ in found if tag == "h1"]) == 1
        assert all("alt" in attrs for tag, attrs in found if tag == "img")
        assert all(attrs.get("scope") for tag, attrs in found if tag == "th")
        fields = [tag for tag, attrs in found if tag in ("input", "select") and attrs.get("type") != "hidden"]
        assert len(fields) == page.count("<label")


_FIELDS = ("provider", "from", "secret", "region", "domain", "stream")  # of the page of the e-mail provider


def test_every_sentence_asked_for_exists_and_every_one_that_exists_is_asked_for() -> None:
    sources = [*ADMIN.rglob("*.html"), *ADMIN.rglob("*.py")]
    whole = "\n".join(path.read_text() for path in sources).replace("'", '"')
    known = texts()
    counted = set(re.findall(r'count\("([a-z_.]+)"', whole))
    asked = set(re.findall(r'(?:say|say_code|code)\("([a-z_]+\.[a-z_.]*[a-z_])"', whole))
    asked |= set(re.findall(r'say\("[^"]+" if [^()]+ else "([a-z_]+\.[a-z_.]*[a-z_])"\)', whole))
    asked |= set(re.findall(r'"((?:fault|health|source|reason|kind|delivery|list|bounce)\.[a-z_.]*[a-z_])"', whole))
    assert {key for key in asked - counted if key not in known} == set()
    assert {f"{key}.{form}" for key in counted for form in ("one", "other")} <= known.keys()
    families: tuple[str, ...] = (
        "moment",
        "passed",
        "skip",
        "runend",
        "look.",
        "reading.",
        "preset.",
        "whatif.field",
        "status",
        "channel",
        "delivery",
        "reason",
        "source",
        "kind",
        "refusal",
        "outage",
        "outcome",
        "marketing",
        "permission",
    )
    families += ("list.field", "list.previous", "list.next")
    families += ("stage", "part", "textfault", "today")
    families += ("texts.done", "texts.field", "texts.test_to", "texts.alphabet", "texts.cost")
    families += ("alerts.kind.", "alerts.state.", "alerts.when.", "alertmiss.")  # test_alerts asks for them
    families += ("fate.", "closing.")  # test_restock asks for them
    families += ("setting.", "settings.")  # test_settings_page asks for them
    families += ("sms.field.",)  # test_text_messages asks for every one of them
    families += ("sendertest", "sender.done", *(f"sender.{name}" for name in (*_FIELDS, "hook_secret")))
    plain = {key for key in known if not key.startswith(families)} - {
        f"{k}.{f}" for k in counted for f in ("one", "other")
    }
    assert plain - asked == set()


def test_every_word_of_the_tables_has_its_words_here() -> None:
    known = texts()
    assert {f"moment.{kind}" for kind in MomentKind} <= known.keys()
    assert {f"status.{status}" for status in SubscriberStatus} <= known.keys()
    assert {f"channel.{channel}" for channel in ChannelName} <= known.keys()
    assert {f"delivery.{state}" for state in DeliveryState} <= known.keys()
    assert all(known.values())


def test_files_are_kept_for_ever_and_change_their_address_with_their_content(house: House, kettle: Shop) -> None:
    page = house.get("/")
    for address in re.findall(r'"(/admin-assets/[^"]+)"', page):
        answer = house.client.get(address, buffered=True)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert re.search(r"\?v=[0-9a-f]{12}$", address)


def test_a_provider_that_is_down_is_told_with_what_waits_for_it(house: House, kettle: Shop) -> None:
    """Whose messages wait is told; a shop that has the channel off, or another shop's number, is left out."""
    with house.database.transaction() as session:
        session.execute(
            text("""INSERT INTO provider_states (channel, provider, state, reason, opened_at, last_failure_at)
                    VALUES ('email', 'email', 'open', 'login_rejected', '2026-11-02T14:02Z', now()),
                           ('push', 'push', 'open', 'a_new_word', now(), now())""")
        )
        session.execute(
            text("""WITH lane AS (
                        INSERT INTO delivery_lanes (shop_id, channel, next_at) VALUES (:shop, 'email', now())
                        RETURNING id
                    ) INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key)
                    SELECT :shop, id, 'test', 'email', 'test:' || n FROM lane, generate_series(1, 412) n"""),
            {"shop": kettle.id},
        )
    page = " ".join(house.get("/").split())
    assert "Email can’t be sent right now" in page
    assert (
        "2 Nov 2026, 14:02 UTC</time>: the mail server refuses our login. 412 messages wait; nothing is lost." in page
    )
    assert texts()["outage.unknown"] in page, "a reason nobody has put into words yet"
    assert "No message of yours waits for it." in page
    house.services.shops.change_settings(kettle.domain, {"channels": "email"})
    assert texts()["outage.unknown"] not in house.get("/")


def test_a_channel_that_refuses_all_of_one_shops_messages_is_told_to_that_shop_alone(
    house: House, kettle: Shop
) -> None:
    with house.database.transaction() as session:
        session.execute(
            text("""INSERT INTO provider_states (shop_id, channel, provider, state, reason, opened_at, last_failure_at)
                    VALUES (:shop, 'email', 'email', 'open', 'policy_rejected', now(), now())"""),
            {"shop": kettle.id},
        )
    page = house.get("/")
    assert "Email can’t be sent right now" in page
    assert texts()["outage.policy_rejected"].partition(":")[0] in page
    other = house.services.shops.add("elsewhere")
    assert house.services.deliveries.outages(other.id) == []
    [seen] = house.services.deliveries.outages()
    assert seen.service == f"shop {kettle.id}", "whoever runs the instance is told whose it is"
    assert "e-mail of shop" in say_outages([seen])


def test_a_day_whose_text_messages_are_used_up_is_told_on_the_first_page(house: House, kettle: Shop) -> None:
    assert "Today’s text messages are used up" not in house.get("/")
    house.services.shops.change_settings(kettle.domain, {"sms.daily_cap": "40"})
    with house.database.transaction() as session:
        session.execute(
            text("""WITH lane AS (
                        INSERT INTO delivery_lanes (shop_id, channel, next_at) VALUES (:shop, 'sms', now())
                        RETURNING id
                    ), sent AS (INSERT INTO text_days VALUES (:shop, current_date, 39, 20))
                    INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, reason)
                    SELECT :shop, id, 'test', 'sms', 'test:' || n, 'day_cap' FROM lane, generate_series(1, 7) n"""),
            {"shop": kettle.id},
        )
    page = house.get("/")
    assert "Today’s text messages are used up" in page
    assert "7 text messages wait." in page
    assert "39 of 40 segments were sent today." in page
