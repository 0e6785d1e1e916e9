"""A mail sent through Amazon SES comes back: from the message's own header, by a topic, to the address left alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from restock.channels.email.message import Sender, compose
from restock.channels.email.reports.amazon import AmazonSns
from restock.config import Settings
from restock.links import Links
from restock.web.email_events import email_events_blueprint
from restock.web.errors import register_error_handlers
from tests.restocks.store import KEY, RecordingChannel, Store
from tests.web.sns_topic import TOPIC, FakeAmazon, asking, delivered

LINKS = Links([KEY], "https://restock.example.com")
NOW = int(time.time())


@pytest.fixture
def channel() -> RecordingChannel:
    return RecordingChannel()


@pytest.fixture
def store(clean_database: str, channel: RecordingChannel) -> Iterator[Store]:
    opened = Store(clean_database, [channel])
    opened.set(policy="everyone")
    chosen = {"provider": "ses", "from": "hello@demo.example", "secret": "user:password", "hook_secret": TOPIC}
    opened.shops.mailings.choose(opened.shop, chosen)
    yield opened
    opened.close()


def test_what_amazon_reports_of_a_message_ends_at_its_delivery_and_its_address(
    store: Store, channel: RecordingChannel, make_settings: Callable[..., Settings]
) -> None:
    services: Any = SimpleNamespace(
        settings=make_settings(), links=LINKS, shops=store.shops, deliveries=store.deliveries
    )
    app, amazon = Flask("test"), FakeAmazon(NOW)
    register_error_handlers(app)
    app.register_blueprint(email_events_blueprint(services, sns_clock, AmazonSns(amazon.get, sns_clock)))
    client, address = app.test_client(), f"/webhooks/email/ses/{LINKS.reports_key(store.shop.id)}"

    store.join(3)
    store.restock(3)
    store.send()
    assert client.post(address, json=asking(NOW)).status_code == 200
    written = [message_from_bytes(compose(one, Sender("hello@demo.example")).content, policy=policy.default)
               for one in channel.sent]  # fmt: skip
    bounce = {"bounceType": "Permanent", "bounceSubType": "NoEmail"}
    kinds: list[dict[str, Any]] = [
        {"notificationType": "Bounce", "bounce": bounce}, {"notificationType": "Delivery"},
        {"eventType": "Complaint", "complaint": {"complaintFeedbackType": "abuse"}},
    ]  # fmt: skip
    for mail, kind in zip(written, kinds, strict=True):
        headers = [{"name": name, "value": str(value)} for name, value in mail.items()]
        said = delivered(kind | {"mail": {"messageId": "0102-m", "headers": headers}}, NOW)
        assert [client.post(address, json=said).status_code for _ in range(2)] == [200, 200]  # each comes twice
    assert store.states("deliveries") == {"bounced": 1, "delivered": 1, "complained": 1}
    assert sorted(store.sql("SELECT reason FROM suppressions")) == [("bounced",), ("complained",)]


def sns_clock() -> float:
    return float(NOW)
