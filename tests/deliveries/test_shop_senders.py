"""Shops with e-mail providers of their own: whom their messages go by, and that one shop's trouble is its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from restock.channels.email.providers.catalogue import ProviderName
from restock.channels.email.providers.routing import Patience, RoutingChannel
from restock.channels.values import Blame, ChannelName, Outcome, Receipt, ReceiptStatus, Verdict
from restock.links import Links
from restock.playground.fake_http import Trouble
from restock.shops.values import Shop
from tests.channels.providers.benches import nobody
from tests.channels.providers.fakes import KEY as API_KEY
from tests.channels.providers.fakes import FakePostmark, FakeResend
from tests.restocks.store import KEY, RecordingChannel, Store

POSTMARK = {"provider": "postmark", "from": "Demo <hello@demo.example>", "secret": API_KEY}
LINKS = Links([KEY], "https://restock.example.com")


@dataclass
class Street:
    """Two shops: `demo` with Postmark or Resend, and `other`, which sends by the instance's mail server."""

    store: Store
    postmark: FakePostmark
    resend: FakeResend
    instance: RecordingChannel
    other: Shop

    def restock(self, count: int = 3) -> None:
        """Have people wait in both shops, and goods come in."""
        self.store.join(count)
        self.store.restock(count)
        self.store.join(count, shop=self.other)
        self.store.restock(count, shop=self.other)

    def drain(self) -> None:
        self.store.deliveries.drain(ChannelName.email, 5)

    def states(self, shop: Shop) -> dict[str, int]:
        rows = self.store.sql("SELECT state, count(*) FROM deliveries WHERE shop_id = :id GROUP BY 1", id=shop.id)
        return {str(state): int(str(count)) for state, count in rows}


@pytest.fixture
def street(clean_database: str) -> Iterator[Street]:
    postmark, resend, instance = FakePostmark(), FakeResend(), RecordingChannel()
    hosts = {ProviderName.postmark: postmark.url, ProviderName.resend: resend.url}
    for peer in (postmark, resend):
        peer.start()
    channel = RoutingChannel(instance, nobody, LINKS.report_mark, Patience(30.0, 30.0), hosts)
    store = Store(clean_database, [channel])  # type: ignore[list-item]
    store.deliveries = replace(store.deliveries, senders=store.shops.mailings)
    store.set(policy="everyone")
    other = store.shops.add("other")
    other = store.shops.change_settings(other.domain, {"policy": "everyone"})
    yield Street(store, postmark, resend, instance, other)
    channel.close()
    store.close()
    for peer in (postmark, resend):
        peer.close()


def test_each_shop_sends_by_its_own(street: Street) -> None:
    street.store.shops.mailings.choose(street.store.shop, POSTMARK)
    street.restock()
    street.drain()
    assert street.states(street.store.shop) == street.states(street.other) == {"sent": 3}
    assert {message.sender for message in street.postmark.taken} == {'"Demo" <hello@demo.example>'}
    assert len(street.postmark.taken) == len(street.instance.sent) == 3
    assert len(street.postmark.requests) == 1  # one call for the batch
    ids = street.store.sql(
        "SELECT id, provider_message_id FROM deliveries WHERE shop_id = :id", id=street.store.shop.id
    )
    told = {LINKS.read_report_mark(message.mark): message.message_id for message in street.postmark.taken}
    assert sorted(told.items()) == sorted(ids)


def test_one_shops_wrong_key_stops_nobody_else_and_is_shown_to_it_alone(street: Street) -> None:
    shop, deliveries = street.store.shop, street.store.deliveries
    street.store.shops.mailings.choose(shop, POSTMARK | {"secret": "wrong"})
    street.restock()
    street.drain()
    assert street.states(street.other) == {"sent": 3}
    assert street.states(shop) == {"queued": 3}
    [outage] = deliveries.outages(shop.id)
    assert (outage.channel, outage.service, outage.reason) == (ChannelName.email, "postmark", "login_rejected")
    assert outage.waiting_count == 3
    assert deliveries.outages(street.other.id) == []
    assert len(street.postmark.requests) == 1
    street.store.shops.mailings.choose(shop, POSTMARK)  # another key is another service: nothing is known of it
    assert deliveries.outages(shop.id) == []
    street.store.sql("UPDATE deliveries SET next_at = now() WHERE state = 'queued' RETURNING id")
    street.store.sql("UPDATE delivery_lanes SET next_at = now() RETURNING id")
    street.drain()
    assert street.states(shop) == {"sent": 3}
    assert street.store.one("SELECT max(attempt) FROM deliveries") == 1  # no attempt was counted in vain


def test_while_the_instances_server_is_down_a_shops_own_provider_does_not_count_as_its_return(street: Street) -> None:
    street.instance.answer = lambda e: Outcome(
        e.delivery_id, Verdict.deferred, "mail_server_unreachable", Blame.provider
    )
    street.store.join(3, shop=street.other)
    street.store.restock(3, shop=street.other)
    street.drain()
    street.store.shops.mailings.choose(street.store.shop, POSTMARK)
    street.store.join(3)
    street.store.restock(3)
    street.store.sql("UPDATE provider_states SET next_probe_at = now() RETURNING id")
    street.drain()
    assert [one.service for one in street.store.deliveries.outages()] == [None]
    assert street.states(street.other) == {"queued": 3}


def test_while_the_instances_server_is_down_a_shops_own_provider_goes_on(street: Street) -> None:
    deliveries, own = street.store.deliveries, street.store.shop
    street.instance.answer = lambda e: Outcome(
        e.delivery_id, Verdict.deferred, "mail_server_unreachable", Blame.provider
    )
    street.store.join(3, shop=street.other)
    street.store.restock(3, shop=street.other)
    street.drain()
    street.store.sql("UPDATE provider_states SET next_probe_at = now() + interval '1 hour' RETURNING id")
    assert deliveries.due() == {}
    street.store.shops.mailings.choose(own, POSTMARK)
    street.store.join(30)
    street.store.restock(30)
    assert deliveries.due() == {ChannelName.email: 1}
    drained = deliveries.drain(ChannelName.email, 5)
    assert (drained.sent_count, drained.provider_down) == (30, True)
    assert street.states(own) == {"sent": 30}
    assert street.states(street.other) == {"queued": 3}
    assert deliveries.due() == {}


def test_what_a_provider_without_a_lasting_mark_did_not_answer_is_never_sent_twice(street: Street) -> None:
    street.store.shops.mailings.choose(street.store.shop, POSTMARK | {"provider": "resend"})
    street.resend.troubles.extend([Trouble(after_accept=True, reset=True)] * 2)
    street.store.join(2)
    street.store.restock(2)
    street.drain()
    street.store.pass_time("deliveries", "next_at", 60)
    street.store.deliveries.resolve_unknown()
    assert street.states(street.store.shop) == {"unknown": 2}
    assert len(street.resend.taken) == 2
    [mark, _] = [message.mark for message in street.resend.taken]
    receipt = Receipt(LINKS.read_report_mark(mark) or 0, ReceiptStatus.delivered)
    assert street.store.deliveries.record_receipt(receipt, street.store.shop.id)  # and what it reports ends the doubt
    assert street.states(street.store.shop) == {"delivered": 1, "unknown": 1}


def test_a_repeat_of_an_unanswered_call_within_the_batch_is_one_hand_over(street: Street) -> None:
    street.store.shops.mailings.choose(street.store.shop, POSTMARK | {"provider": "resend"})
    street.resend.troubles.append(Trouble(after_accept=True, reset=True))
    street.store.join(2)
    street.store.restock(2)
    street.drain()
    assert street.states(street.store.shop) == {"sent": 2}
    assert len(street.resend.taken) == 2


def test_another_shops_provider_is_not_heard_about_a_message(street: Street) -> None:
    street.restock(1)
    street.drain()
    [(delivery_id,)] = street.store.sql("SELECT id FROM deliveries WHERE shop_id = :id", id=street.store.shop.id)
    bounced = Receipt(int(str(delivery_id)), ReceiptStatus.bounced, "mailbox_unknown", Blame.address)
    assert not street.store.deliveries.record_receipt(bounced, street.other.id)
    assert street.states(street.store.shop) == {"sent": 1}
    assert street.store.sql("SELECT 1 FROM suppressions") == []
    assert street.store.deliveries.record_receipt(bounced, street.store.shop.id)
    assert not street.store.deliveries.record_receipt(bounced, street.store.shop.id)
    assert street.store.sql("SELECT reason FROM suppressions") == [("bounced",)]


def test_a_mail_may_come_back_after_a_server_had_taken_it(street: Street) -> None:
    street.restock(1)
    street.drain()
    [(found,)] = street.store.sql("SELECT id FROM deliveries WHERE shop_id = :id", id=street.store.shop.id)
    delivery_id = int(str(found))
    record = street.store.deliveries.record_receipt
    assert record(Receipt(delivery_id, ReceiptStatus.delivered))
    assert record(Receipt(delivery_id, ReceiptStatus.bounced, "mailbox_unknown", Blame.address))
    assert not record(Receipt(delivery_id, ReceiptStatus.delivered))
    assert street.states(street.store.shop) == {"bounced": 1}
    assert street.store.sql("SELECT reason FROM suppressions") == [("bounced",)]


def test_five_messages_that_came_back_within_thirty_days_are_enough_whatever_the_reason(street: Street) -> None:
    street.restock(1)
    street.drain()
    where = {"id": street.store.shop.id}
    [(found, contact_id)] = street.store.sql("SELECT id, contact_id FROM deliveries WHERE shop_id = :id", **where)
    for number, days in enumerate((1, 2, 3, 40)):
        street.store.sql(
            "INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, contact_id, state, finished_at)"
            " VALUES (:id, 1, 'reminder', 'email', :key, :contact, 'bounced', now() - make_interval(days => :days))"
            " RETURNING id",
            **where, key=f"old-{number}", contact=contact_id, days=days,
        )  # fmt: skip
    record = street.store.deliveries.record_receipt
    soft = Receipt(int(str(found)), ReceiptStatus.bounced, "mailbox_full")
    assert record(soft)
    assert street.store.sql("SELECT 1 FROM suppressions") == []  # four within thirty days
    street.store.sql("UPDATE deliveries SET finished_at = now() WHERE dedupe_key = 'old-3' RETURNING id")
    street.store.sql("UPDATE deliveries SET state = 'sent', finished_at = NULL WHERE id = :one RETURNING id", one=found)
    assert record(soft)
    assert street.store.sql("SELECT reason FROM suppressions") == [("bounced",)]
