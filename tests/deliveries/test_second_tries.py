"""A text message that came back for a reason that passes is tried once more, if there is still something to tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from restock.channels.sms.receipts import parse_receipt
from restock.channels.values import ChannelName, NoticeKind, Receipt, ReceiptStatus
from restock.deliveries.limits.service import TextGate
from tests.restocks.store import RecordingChannel, Store


@pytest.fixture
def texts(clean_database: str) -> Iterator[Store]:
    """A shop that has told one person by text message."""
    store = Store(clean_database, [RecordingChannel(ChannelName.sms)])
    store.deliveries = replace(store.deliveries, gates={ChannelName.sms: TextGate(store.database)})
    store.join(1, channel="sms")
    store.sql("UPDATE contacts SET address = '+4915112345678'")
    store.restock(5)
    store.send()
    assert len(store.channel.sent) == 1
    yield store
    store.close()


def report(store: Store, code: int, status: str = "undelivered", message: int | None = None) -> bool:
    number = int(str(store.one("SELECT max(id) FROM deliveries"))) if message is None else message
    form = {"MessageStatus": status, "ErrorCode": str(code), "MessageSid": ""}
    receipt = parse_receipt(number, form)
    assert isinstance(receipt, Receipt)
    return store.deliveries.record_receipt(receipt)


def half_an_hour_later(store: Store) -> None:
    for table in ("deliveries", "delivery_lanes"):
        store.pass_time(table, "next_at", 1800)
    store.sql("UPDATE stock_readings SET read_at = now()")
    store.send()


@pytest.mark.parametrize("code", [30003, 30008, 30017, 30001, 30022, 30047])
def test_a_phone_that_was_off_is_written_to_once_more_half_an_hour_later(texts: Store, code: int) -> None:
    assert report(texts, code)
    texts.send()
    assert len(texts.channel.sent) == 1
    half_an_hour_later(texts)
    assert [envelope.notice.kind for envelope in texts.channel.sent] == [NoticeKind.offer, NoticeKind.reminder]
    assert texts.one("SELECT count(*) FROM suppressions") == 0


def test_the_second_try_is_the_last(texts: Store) -> None:
    report(texts, 30003)
    half_an_hour_later(texts)
    report(texts, 30003)
    half_an_hour_later(texts)
    assert len(texts.channel.sent) == 2
    assert not report(texts, 30003)


def test_what_is_sold_out_meanwhile_is_not_told(texts: Store) -> None:
    report(texts, 30003)
    texts.stock(0)
    texts.check()
    half_an_hour_later(texts)
    assert len(texts.channel.sent) == 1
    assert texts.one("SELECT count(*) FROM deliveries WHERE state = 'queued'") == 0


def test_who_bought_or_left_meanwhile_is_not_told(texts: Store) -> None:
    report(texts, 30003)
    texts.subscriptions.unsubscribe(int(str(texts.one("SELECT id FROM contacts"))))
    half_an_hour_later(texts)
    assert len(texts.channel.sent) == 1


@pytest.mark.parametrize(
    ("code", "suppressed"),
    [(30004, True), (30005, True), (21610, True), (30006, False), (30007, False), (30036, False), (30410, False),
     (21408, False), (30018, False), (30024, False), (30034, False), (12345, False)],
)  # fmt: skip
def test_what_does_not_pass_is_not_tried_again_and_only_a_dead_number_is_given_up(
    texts: Store, code: int, suppressed: bool
) -> None:
    report(texts, code)
    half_an_hour_later(texts)
    assert len(texts.channel.sent) == 1
    assert (texts.one("SELECT count(*) FROM suppressions") == 1) is suppressed


def was_off_twice(store: Store) -> None:
    store.sql(
        "INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, contact_id, state, reason, finished_at)"
        " SELECT shop_id, lane_id, 'offer', 'sms', 'earlier:' || n, contact_id, 'bounced', 'handset_unreachable', now()"
        " FROM deliveries, generate_series(1, 2) n"
    )


def test_a_phone_that_was_off_three_times_is_nobodys_any_more(texts: Store) -> None:
    was_off_twice(texts)
    report(texts, 30003, message=texts.channel.sent[0].delivery_id)
    assert texts.sql("SELECT reason FROM suppressions") == [("bounced",)]


def test_a_phone_that_was_on_between_is_somebodys(texts: Store) -> None:
    was_off_twice(texts)
    first = texts.channel.sent[0].delivery_id
    assert texts.deliveries.record_receipt(Receipt(first, ReceiptStatus.delivered))
    texts.sql(
        "INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, contact_id, state)"
        " SELECT shop_id, lane_id, 'reminder', 'sms', 'later', contact_id, 'sent' FROM deliveries WHERE id = :id",
        id=first,
    )
    report(texts, 30003)
    assert texts.states("deliveries") == {"delivered": 1, "bounced": 3}
    assert texts.one("SELECT count(*) FROM suppressions") == 0


def test_what_carriers_filter_is_counted_once(texts: Store) -> None:
    assert report(texts, 30007)
    assert not report(texts, 30007)
    assert texts.one("SELECT filtered_count FROM text_days") == 1
