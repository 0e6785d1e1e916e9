"""The merchant's pages on a real database, with a shop of genuine tokens and nobody at Shopify to ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TypeVar

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from restock.alerts.service import ShopAlerts
from restock.channels.values import ChannelName, Doubt, Envelope, Outcome, Verdict
from restock.clock import SystemClock
from restock.config import Settings
from restock.database import Database
from restock.deliveries.service import Deliveries, DeliveryNotices
from restock.links import Links, Vault
from restock.reports.service.latency import LatencyReports
from restock.reports.service.merchant import MerchantReports
from restock.reports.service.previews import MessagePreviews
from restock.reports.service.restocks import RestockReports
from restock.reports.service.text_costs import TextCosts
from restock.restocks.service import RestockService
from restock.restocks.service.simulating import Simulating
from restock.restocks.service.simulating.preview import Previewing
from restock.shopify.id_tokens import IdToken
from restock.shopify.values import Access, Location
from restock.shops.service import ShopService
from restock.shops.service.mailing_tests import MailingTests
from restock.shops.service.places import Places
from restock.shops.service.texts import TextService
from restock.shops.values import Shop
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.service.priorities import Priorities
from restock.web.admin import admin_blueprint, admin_entry
from restock.web.admin.doorstep import doorstep_blueprint
from restock.web.errors import register_error_handlers
from restock.web.guards import Audience, Guard, mount
from tests.application import bare_app
from tests.opened import kept

T = TypeVar("T")
API_KEY, SECRET = "restock-test-key", "a-client-secret-for-tests-only-0001"
DOMAIN = "kettle.myshopify.com"


@dataclass
class Welcoming:
    """Stands for the token exchange: every shop with a genuine token is let in, and noted."""

    shops: ShopService
    seen: list[str] = field(default_factory=list)
    refusal: Exception | None = None

    def welcome(self, _text: str, token: IdToken) -> Shop:
        self.seen.append(token.shop_domain)
        if self.refusal is not None:
            raise self.refusal
        return self.shops.add(token.shop_domain)


@dataclass(frozen=True)
class AdminServices:
    """What the pages need, real but for Shopify."""

    settings: Settings
    shops: ShopService
    tokens: Welcoming
    merchant_reports: MerchantReports
    restock_reports: RestockReports
    restocks: RestockService
    simulating: Simulating
    previewing: Previewing
    deliveries: Deliveries
    latency: LatencyReports
    texts: TextService
    previews: MessagePreviews
    text_costs: TextCosts
    links: Links
    mailing_tests: MailingTests
    shop_alerts: ShopAlerts
    priorities: Priorities
    places: Places
    channels_on: frozenset[ChannelName] = frozenset(ChannelName)


@dataclass(frozen=True)
class House:
    """One running application and what stands behind it."""

    app: Flask
    database: Database
    services: AdminServices

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def get(self, path: str, **headers: str) -> str:
        """Open a page as the staff of kettle.myshopify.com and return its text."""
        answer = self.client.get(path, headers={"Authorization": f"Bearer {id_token()}", **headers})
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_data(as_text=True)

    def post(self, path: str, typed: Mapping[str, str | Sequence[str]]) -> str:
        """Press a button as the staff of the same shop, follow where it leads, and return the page's text."""
        headers = {"Authorization": f"Bearer {id_token()}"}
        answer = self.client.post(path, data=dict(typed), headers=headers, follow_redirects=True)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_data(as_text=True)

    def saved(self, shop: Shop) -> Shop:
        """Read a shop as it was saved."""
        found = self.services.shops.by_id(shop.id)
        assert found is not None
        return found


class Form(HTMLParser):
    """Reads the fields of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._list = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        is_unticked = said.get("type") == "checkbox" and "checked" not in said
        if tag == "input" and "name" in said and not is_unticked:
            self.fields[said["name"]] = said.get("value", "")
        elif tag == "select":
            self._list = said["name"]
        elif tag == "option" and (self._list not in self.fields or "selected" in said):
            self.fields[self._list] = said["value"]


def fields_of(page: str) -> dict[str, str]:
    """What a browser would send of the form: hidden fields, inputs, and of each list what is chosen."""
    found = Form()
    found.feed(page)
    return found.fields


def dotted(fields: Mapping[str, str]) -> dict[str, str]:
    """Name the fields of a form as they are named there: `sms__countries` is `sms.countries`."""
    return {name.replace("__", "."): text for name, text in fields.items()}


class TakesAll:
    """An e-mail channel that takes whatever it is given, but for senders whose key is wrong."""

    name = ChannelName.email
    doubt = Doubt.resend_once

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        for one in envelopes:
            wrong = one.sender is None or "wrong" in one.sender.secret
            verdict = Verdict.deferred if wrong else Verdict.accepted
            yield Outcome(one.delivery_id, verdict, "login_rejected" if wrong else "")

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:
        return {}

    def close(self) -> None:
        """Nothing is open."""


class AsksAtOnce:
    """Puts every question with a token of no worth."""

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T:
        return question(Access(f"shop-{shop_id}.myshopify.com", "token"))


class NamesPlaces:
    """A shop at Shopify with three locations: one is closed, one sells nothing online."""

    def locations(self, access: Access) -> Sequence[Location]:
        return (
            Location(7, "Harbour <shop>", is_active=True, fulfills_online_orders=True),
            Location(8, "Attic", is_active=True, fulfills_online_orders=False),
            Location(9, "Old pier", is_active=False, fulfills_online_orders=True),
        )


def id_token(shop: str = DOMAIN, *, secret: str = SECRET, **changes: object) -> str:
    """Sign an ID token as Shopify does; `changes` replace claims, None removes one."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": API_KEY,
        "sub": "42",
        "sid": "a-session",
        "jti": "one",
        "exp": now + 60,
        "nbf": now - 1,
        "iat": now - 1,
    }
    claims |= changes
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, "HS256")


def open_house(settings: Settings, url: str, *, page_size: int = 5) -> House:
    """Build the pages on a database, with small pages unless said otherwise."""
    app = bare_app("restock.web")
    database = kept(url)
    shops = ShopService(database, Vault(["a-key-for-tests-only-000001"]))
    reports = MerchantReports(database, SystemClock(), page_size=page_size, export_page_size=7)
    restocks = RestockService(database, DeliveryNotices(), settings.reconcile_minutes * 60)
    people = SubscriptionService(database, 0)
    links = Links(["a-key-for-tests-only-000001"], settings.public_url)
    deliveries = Deliveries(database, {}, restocks, people, links)
    latency = LatencyReports(database, deliveries.outages)
    playing = Simulating(database, page_size=7)
    texts, previews = TextService(database, shops.memory.forget), MessagePreviews(database)
    services = AdminServices(
        settings,
        shops,
        Welcoming(shops),
        reports,
        RestockReports(database, SystemClock(), page_size=page_size, most_walked=40, step=7),
        restocks,
        playing,
        Previewing(database, playing),
        deliveries,
        latency,
        texts,
        previews,
        TextCosts(previews, texts, previews.prices),
        links,
        MailingTests(shops.mailings, TakesAll),
        ShopAlerts(database, lambda: None, "https://restock.example"),
        Priorities(database, tokens=None, admin=None),  # type: ignore[arg-type]  # nobody is asked here
        Places(tokens=AsksAtOnce(), admin=NamesPlaces()),
    )
    register_error_handlers(app)
    mount(app, admin_blueprint(services), Guard(Audience.merchant, admin_entry(services).check))  # type: ignore[arg-type]
    mount(app, doorstep_blueprint(settings), Guard(Audience.anyone))
    return House(app, database, services)


@pytest.fixture
def build(make_settings: Callable[..., Settings], clean_database: str) -> Callable[..., House]:
    """Build the pages with settings of the test's choosing."""

    def make(**overrides: object) -> House:
        settings = make_settings(database_url=clean_database, shopify_api_secret=SECRET, **overrides)
        return open_house(settings, clean_database)

    return make


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    """The pages of a development instance."""
    return build(redis_url="redis://127.0.0.1:1/0")


@pytest.fixture
def kettle(house: House) -> Shop:
    """A shop that has the app."""
    return house.services.shops.add(DOMAIN)
