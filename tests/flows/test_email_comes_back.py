"""A mail sent by a shop's own provider comes back: from the provider's report to the address that is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import pytest
from flask.testing import FlaskClient

from restock.channels.email.providers.catalogue import ProviderName
from restock.channels.email.providers.routing import Patience, RoutingChannel
from restock.channels.values import ChannelName
from restock.config import Settings
from restock.links import REPORTS_USER, Links
from tests.application import open_app
from tests.channels.providers.benches import nobody
from tests.channels.providers.fakes import KEY as API_KEY
from tests.channels.providers.fakes import FakePostmark
from tests.restocks.store import KEY, Store

LINKS = Links([KEY], "https://restock.example.com")


@pytest.fixture
def postmark() -> Iterator[FakePostmark]:
    peer = FakePostmark()
    peer.start()
    yield peer
    peer.close()


@pytest.fixture
def store(clean_database: str, postmark: FakePostmark) -> Iterator[Store]:
    """A shop that sends by Postmark."""
    hosts = {ProviderName.postmark: postmark.url}
    channel = RoutingChannel(None, nobody, LINKS.report_mark, Patience(30.0, 30.0), hosts)
    opened = Store(clean_database, [channel])  # type: ignore[list-item]
    opened.deliveries = replace(opened.deliveries, senders=opened.shops.mailings)
    opened.set(policy="everyone")
    chosen = {"provider": "postmark", "from": "hello@demo.example", "secret": API_KEY}
    opened.shops.mailings.choose(opened.shop, chosen)
    yield opened
    channel.close()
    opened.close()


@pytest.fixture
def web(settings: Settings, store: Store) -> Iterator[FlaskClient]:
    """The whole web application, on the same database."""
    own = settings.model_copy(update={"secret_key": (type(settings.secret_key[0])(KEY),)})
    app = open_app(own)
    yield app.test_client()
    app.extensions["restock"].close()


def report(web: FlaskClient, store: Store, kind: dict[str, object], number: int, postmark: FakePostmark) -> int:
    message = postmark.taken[number]
    said = {**kind, "Metadata": {"restock": message.mark}, "MessageID": message.message_id}
    address = f"/webhooks/email/postmark/{LINKS.reports_key(store.shop.id)}"
    return web.post(address, json=said, auth=(REPORTS_USER, LINKS.reports_password(store.shop.id))).status_code


BOUNCE: dict[str, object] = {"RecordType": "Bounce", "Type": "HardBounce"}
DELIVERY: dict[str, object] = {"RecordType": "Delivery"}
COMPLAINT: dict[str, object] = {"RecordType": "SpamComplaint"}


def test_a_dead_address_is_written_to_no_more_and_the_others_are(
    web: FlaskClient, store: Store, postmark: FakePostmark
) -> None:
    store.join(3)
    store.restock(3)
    store.send()
    for number, kind in enumerate((BOUNCE, DELIVERY, COMPLAINT)):
        assert [report(web, store, kind, number, postmark) for _ in range(2)] == [200, 200]  # each comes twice
    assert store.states("deliveries") == {"bounced": 1, "delivered": 1, "complained": 1}
    assert sorted(store.sql("SELECT reason FROM suppressions")) == [("bounced",), ("complained",)]
    dead = {postmark.taken[number].to for number in (0, 2)}
    left = store.sql("SELECT address FROM contacts WHERE suppression IS NOT NULL")
    assert {row[0] for row in left} == dead


@pytest.mark.parametrize("order", list(permutations([DELIVERY, BOUNCE, COMPLAINT])))
def test_reports_in_any_order_and_before_our_own_record_leave_the_address_alone(
    web: FlaskClient, store: Store, postmark: FakePostmark, order: tuple[dict[str, object], ...]
) -> None:
    store.join(1)
    store.restock(1)
    batch = store.deliveries.claim(ChannelName.email, 10)
    assert batch is not None
    told = list(store.channel.send(batch.envelopes))
    assert [report(web, store, kind, 0, postmark) for kind in order] == [200] * 3
    store.deliveries._sending.recording.record(batch, told, 0)  # our own record comes last
    assert store.states("deliveries").keys() <= {"bounced", "complained"}
    assert len(store.sql("SELECT 1 FROM suppressions")) == 1
