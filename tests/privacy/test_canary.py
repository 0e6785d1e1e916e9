"""A person with unmistakable marks goes through every door; once erased, no byte of them is found anywhere."""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
import redis
from sqlalchemy import text

from restock.database import Database
from restock.ids import address_hash
from restock.jobs import Queue
from restock.privacy.rules.registry import REGISTRY
from restock.worker.chain import Chain
from tests.flows.story import PRODUCT, SHOP, VARIANT
from tests.privacy.conftest import Stage
from tests.privacy.search import Find, count_rows, search_database, search_text, search_valkey

EMAIL, PHONE, CUSTOMER_ID = "Zq.Canary@zqcanary-mail.com", "+918123676393", 77123400567891
ORDER_ID, LINE_ID = 66123400567892, 55123400567893
NAME, AGENT, PAGE = "Zqcanäry Persönlich", "ZqCanaryAgent/7.1", "https://zqcanary-page.com/lamp"
STREET, TITLE, SOURCE = "Zqcanary Street 9", "Zqcanary mug", "zqcanary-source"
CLIENT = "203.0.113.177"
WHO = {"id": CUSTOMER_ID, "email": EMAIL.lower(), "phone": PHONE}


class Canary:
    """What the person does, and the marks it leaves."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.story = stage, stage.story
        self.handle = ""
        self.intents: list[str] = []

    def live(self) -> None:
        """Go through every door with everything that can be said."""
        self._ask("email", {"email": EMAIL}, VARIANT)
        self._ask("sms", {"phone": PHONE.removeprefix("+"), "country_code": "91", "country": "in"}, VARIANT)
        self._ask("push", {"push": self.stage.push}, VARIANT, quantity=5)  # too many: goes on waiting
        self._ask("email", {"email": EMAIL}, VARIANT + 1)
        self.story.settle()
        self.story.stock(2)
        self.story.settle()
        self.wait_for("SELECT count(*) FROM deliveries WHERE state = 'delivered'", 1)
        self._follow_the_mail()
        self._buy()
        self._shop_changes_a_customer()
        while self.story.services.inbox.apply_due():
            pass
        assert self.story.services.marketing.take_new() == 1  # the shop may one day let it be written

    def _ask(self, channel: str, address: Mapping[str, object], variant: int, quantity: int = 1) -> None:
        customer = dict(address) | {"name": NAME, "locale": "de-AT", "accepts_marketing": True}
        customer |= {"shopify_customer_id": str(CUSTOMER_ID)} | ({"id": self.handle} if self.handle else {})
        intent = {"shopify_variant_id": variant, "quantity": quantity, "source": SOURCE}
        answer = self.stage.post(
            channel, customer, intent, {"title": TITLE, "variant_title": "Large"}, User_Agent=AGENT, Referer=PAGE
        )
        self.handle = answer["customer"]["id"]
        self.intents.append(answer["intent"]["id"])

    def _follow_the_mail(self) -> None:
        ((address, mail),) = self.stage.mails
        assert address.lower() == EMAIL.lower()
        link = re.search(r"/c/[\w.-]+", mail["text"])
        assert link
        assert self.story.client.get(link[0], headers={"User-Agent": AGENT}).status_code == 302
        goodbye = re.search(r"/unsubscribe/[\w.-]+", json.dumps(mail))
        assert goodbye
        assert self.story.client.post(goodbye[0], data={"List-Unsubscribe": "One-Click"}).status_code == 200

    def _buy(self) -> None:
        line = {"id": LINE_ID, "variant_id": VARIANT, "product_id": PRODUCT, "quantity": 1, "price": "24.00"}
        order = WHO | {"id": ORDER_ID, "customer": WHO, "currency": "EUR", "line_items": [line]}
        order |= {"billing_address": {"name": NAME, "address1": STREET}, "created_at": datetime.now(UTC).isoformat()}
        assert self.story.webhook("orders/create", order).status_code == 200

    def _shop_changes_a_customer(self) -> None:
        customer = WHO | {"first_name": NAME, "default_address": {"address1": STREET}}
        assert self.story.webhook("customers/update", customer).status_code == 200

    def wait_for(self, query: str, least: int) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with self.story.services.database.transaction() as session:
                if session.execute(text(query)).scalar_one() >= least:
                    return
            time.sleep(0.02)
        pytest.fail(f"never true: {query}")

    def marks(self) -> dict[str, bytes]:
        """List what must not be found afterwards."""
        with self.story.services.database.transaction() as session:
            messages = session.execute(text("SELECT provider_message_id FROM deliveries")).scalars()
            found = {f"provider message {number}": told.encode() for number, told in enumerate(messages) if told}
        keys = self.stage.browser["keys"]
        words = {
            "email": EMAIL,
            "phone": PHONE,
            "customer id": str(CUSTOMER_ID),
            "order id": str(ORDER_ID),
            "line id": str(LINE_ID),
            "name": NAME,
            "agent": AGENT,
            "page": PAGE,
            "street": STREET,
            "title": TITLE,
            "source": SOURCE,
            "client": CLIENT,
            "handle": self.handle,
            "push endpoint": self.stage.browser["endpoint"],
            "push key": keys["p256dh"],
            "push secret": keys["auth"],
        } | {f"intent {number}": intent for number, intent in enumerate(self.intents)}
        found |= {name: word.encode() for name, word in words.items()}
        found["client as hash"] = self.story.services.vault.keyed_hash(CLIENT)
        return found

    def hashes(self) -> dict[str, bytes]:
        """List the hashes of the addresses: found at the most where a no must outlive the person."""
        endpoint = self.stage.browser["endpoint"]
        return {
            "email": address_hash("email", EMAIL.lower()),
            "phone": address_hash("sms", PHONE),
            "push": address_hash("push", endpoint),
        }


@pytest.mark.parametrize("known_by", ["id", "email", "phone"])
def test_no_byte_of_a_person_is_found_once_erased(
    stage: Stage, known_by: str, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whichever of the three Shopify names; and the same search found them before, in the tables they were in."""
    story, database = stage.story, stage.story.services.database
    canary = Canary(stage)
    canary.live()
    marks = canary.marks()
    before = search_database(database.dsn, marks)
    assert {find.mark for find in before} == set(marks) - {"client", "street"}, "the search finds what is there"
    assert {find.place.partition(".")[0] for find in before} >= {
        "contacts", "customers", "intents", "consents", "deliveries", "subscriptions", "purchases",
    }  # fmt: skip

    waiting = {"shop_domain": SHOP, "topic": "customers/update"}
    story.webhook("customers/update", WHO | {"note": STREET})  # still waits when the erasure comes
    assert Find("inbox_messages.body", "street") in search_database(database.dsn, marks), waiting
    with database.transaction() as session:  # held back, as a webhook that failed once is
        session.execute(text("UPDATE inbox_messages SET next_at = now() + interval '1 hour' WHERE state = 'received'"))
    ask_for_data(canary, {known_by: WHO[known_by]})
    fill_valkey(stage, redis_url)
    personal = {name for name, rule in REGISTRY.items() if rule.personal} - {"redactions"}
    assert empty_of(database, personal) == set(), "the person is in every table that can hold one"

    redact(canary, {known_by: WHO[known_by]})

    assert search_database(database.dsn, marks) == set()
    places = {find.place for find in search_database(database.dsn, canary.hashes())}
    assert places <= {"suppressions.address_hash"}
    assert keys_of(redis_url), "there is something to search in"
    assert search_valkey(redis_url, marks | canary.hashes()) == set()
    out, err = capfd.readouterr()
    assert "privacy_person_erased" in out + err
    assert search_text("log", (out + err).encode(), marks) == set()


def test_what_a_shop_leaves_is_one_line(stage: Stage) -> None:
    """After shop/redact no row of the shop is left but the request that says it was done; others keep theirs."""
    story, services = stage.story, stage.story.services
    canary = Canary(stage)
    canary.live()
    shop_id = services.shops.add(SHOP).id
    services.shops.add("stays.myshopify.com")
    story.webhook("app/uninstalled", {"id": 1, "domain": SHOP})
    story.webhook("shop/redact", {"shop_id": 954889, "shop_domain": SHOP})
    while services.inbox.apply_due():
        pass
    while services.privacy.work_due(seconds=30):
        pass

    left = {table: count for table, count in count_rows(services.database.dsn, shop_id, SHOP).items() if count}
    assert left == {"privacy_requests": 1}
    (line,) = services.privacy.requests(SHOP)
    assert (line.kind.value, line.state.value) == ("shop_redact", "done")
    assert services.shops.find(SHOP) is None
    assert services.shops.find("stays.myshopify.com") is not None
    assert search_database(services.database.dsn, canary.marks()) == set()


@pytest.mark.parametrize("kind", ["key", "string", "hash", "list", "set", "zset", "stream", "packed", "coded"])
def test_the_search_finds_what_valkey_holds(redis_url: str, kind: str) -> None:
    mark = "zq-canary@example.com"
    with redis.Redis.from_url(redis_url) as client:
        match kind:
            case "key":
                client.set(f"a:{mark}", 1)
            case "string":
                client.set("a", f"is {mark.upper()}")
            case "hash":
                client.hset("a", "b", mark)
            case "list":
                client.rpush("a", "b", mark)
            case "set":
                client.sadd("a", mark)
            case "zset":
                client.zadd("a", {mark: 1})
            case "stream":
                client.xadd("a", {"b": mark})
            case "packed":
                client.hset("a", "data", zlib.compress(json.dumps([mark]).encode()))
            case "coded":
                client.set("a", base64.b64encode(b"x" + mark.encode()))
    assert {find.mark for find in search_valkey(redis_url, {"mark": mark.encode()})} == {"mark"}


def empty_of(database: Database, tables: set[str]) -> set[str]:
    """Name those of these tables that have no row."""
    with database.transaction() as session:
        return {name for name in tables if session.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first() is None}


def ask_for_data(canary: Canary, customer: Mapping[str, object]) -> None:
    body = {"shop_id": 954889, "shop_domain": SHOP, "customer": customer, "data_request": {"id": 9999}}
    canary.story.webhook("customers/data_request", body | {"orders_requested": [ORDER_ID]})
    work(canary)
    services = canary.story.services
    (line,) = services.privacy.requests(SHOP)
    export = services.privacy.export(SHOP, line.id)
    told = export.json.encode() + export.html.encode()
    expected = {"email", "phone", "customer id", "name", "agent", "page", "title", "source", "push endpoint", "handle"}
    assert {find.mark for find in search_text("export", told, canary.marks())} >= expected | {"order id"}


def redact(canary: Canary, customer: Mapping[str, object]) -> None:
    body = {"shop_id": 954889, "shop_domain": SHOP, "customer": customer, "orders_to_redact": [ORDER_ID]}
    canary.story.webhook("customers/redact", body)
    work(canary)
    assert [line.state.value for line in canary.story.services.privacy.requests(SHOP)] == ["done", "done"]


def work(canary: Canary) -> None:
    while canary.story.services.inbox.apply_due():
        pass
    while canary.story.services.privacy.work_due(seconds=30):
        pass


def fill_valkey(stage: Stage, redis_url: str) -> None:
    """Ring for everything there is, and let the limiter share what it counted."""
    services = stage.story.services
    chain = Chain(services.inbox, services.restocks, services.deliveries, services.doorbell, 2, lambda: False)
    chain.drains.ring()
    from restock.jobs import JobName

    for name in (JobName.apply_inbox, JobName.check_stock, JobName.plan_waves):
        services.doorbell.ring(name)
    services.doorbell.ring(JobName.drain, channel="email")
    assert services.doorbell.waiting(Queue.stock)
    deadline = time.monotonic() + 30
    while not keys_of(redis_url) and time.monotonic() < deadline:
        time.sleep(0.02)


def keys_of(redis_url: str) -> list[bytes]:
    with redis.Redis.from_url(redis_url) as client:
        return [key for key in client.scan_iter() if b"limit" in key]
