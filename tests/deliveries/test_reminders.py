"""Reminders: to whoever was told and did nothing, once or twice, as long as the goods can still be bought."""

from __future__ import annotations

import pytest

from restock.channels.values import ChannelName, Envelope, NoticeKind
from restock.ids import address_hash
from restock.subscriptions.values import ContactFacts, Provenance, Signup
from tests.restocks.store import VARIANT, Store, refused, together

HOUR = 3600
SUPPRESS = """
    INSERT INTO suppressions (shop_id, channel, address_hash, reason)
    SELECT shop_id, channel, address_hash, 'bounced' FROM contacts
"""
ASK_AGAIN = """
    INSERT INTO subscriptions (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, quantity,
        state, queued_at, expires_at)
    SELECT shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, 9, 'active', now(), expires_at
    FROM subscriptions
"""


@pytest.fixture
def told(store: Store) -> list[int]:
    """Two people were told of five units an hour's turn ago; the shop reminds twice, a day apart."""
    store.set(policy__reminder_count="2", policy__reminder_hours="24", policy__turn_minutes="60")
    people = store.join(2)
    store.restock(5)
    store.send()
    store.pass_time("offers", "ends_at", HOUR)
    store.restocks.end_turns()
    return people


def pass_a_day(store: Store) -> None:
    """Have a day pass for reminders, and whatever they lead to happen."""
    store.pass_time("offers", "remind_at", 24 * HOUR + 1)
    while store.deliveries.open_reminders():
        pass
    store.pass_time("stock_readings", "read_at", 24 * HOUR)
    settle(store)


def settle(store: Store) -> None:
    """Let the stock be read, and what is queued come due and leave."""
    for _ in range(2):
        store.check()
        store.pass_time("deliveries", "next_at", 60)
        store.pass_time("delivery_lanes", "next_at", 60)
        store.send()


def reminders(store: Store) -> list[Envelope]:
    return [one for one in store.channel.sent if one.notice.kind is NoticeKind.reminder]


def skipped(store: Store) -> set[object]:
    return {row[0] for row in store.sql("SELECT reason FROM deliveries WHERE kind = 'reminder' AND state = 'skipped'")}


def test_two_reminders_follow_a_day_apart_and_then_no_more(store: Store, told: list[int]) -> None:
    assert store.deliveries.open_reminders() == 0
    for count in (2, 4, 4):
        pass_a_day(store)
        assert len(reminders(store)) == count
    assert store.sql("SELECT dedupe_key FROM deliveries WHERE kind = 'reminder' ORDER BY 1") == sorted(
        (f"offer:{offer}:reminder{n}",) for (offer,) in store.sql("SELECT id FROM offers") for n in (1, 2)
    )
    assert store.one("SELECT count(*) FROM offers WHERE remind_at IS NOT NULL") == 0


def test_a_reminder_is_no_turn(store: Store, told: list[int]) -> None:
    """It keeps no units, starts no clock, and what becomes of its message changes nothing."""
    before = store.sql("SELECT id, state, accepted_at, ends_at FROM offers ORDER BY id")
    store.channel.answer = refused
    pass_a_day(store)
    assert store.sql("SELECT id, state, accepted_at, ends_at FROM offers ORDER BY id") == before
    assert store.states("subscriptions") == {"notified": 2}
    assert reminders(store)[0].notice.turn_minutes is None
    assert reminders(store)[0].notice.links.decline is None


def test_a_refused_reminder_takes_no_running_turn_back(store: Store) -> None:
    store.set(policy__reminder_count="1", policy__reminder_hours="1", policy__turn_minutes="600")
    store.join(1)
    store.restock(1)
    store.send()
    store.channel.answer = refused
    pass_a_day(store)
    assert len(reminders(store)) == 1
    assert store.states("offers") == {"open": 1}


def test_a_reminder_is_a_message_of_its_own(store: Store, told: list[int]) -> None:
    pass_a_day(store)
    identities = [one.identity for one in store.channel.sent]
    assert len(set(identities)) == len(identities) == 4


def test_without_the_setting_nobody_is_reminded_and_nothing_is_noted(store: Store) -> None:
    store.join(1)
    store.restock(1)
    store.send()
    assert store.one("SELECT remind_at FROM offers") is None


def test_many_sweepers_at_once_queue_each_reminder_once(store: Store) -> None:
    store.set(policy__reminder_count="1", policy__factor="everyone")
    store.join(60)
    store.restock(None)
    store.send()
    store.pass_time("offers", "remind_at", 24 * HOUR + 1)
    assert together(*[lambda: store.deliveries.open_reminders(15)] * 8) == []
    while store.deliveries.open_reminders(15):
        pass
    assert store.one("SELECT count(*) FROM deliveries WHERE kind = 'reminder'") == 60


def test_goods_that_are_sold_out_by_now_are_not_reminded_of(store: Store, told: list[int]) -> None:
    store.stock(0)
    pass_a_day(store)
    assert reminders(store) == []
    assert skipped(store) == {"sold_out"}


def test_nobody_is_reminded_by_a_reading_of_yesterday(store: Store, told: list[int]) -> None:
    """Webhooks are not followed for goods nobody waits for: they are counted up anew before the message leaves."""
    store.pass_time("offers", "remind_at", 24 * HOUR + 1)
    store.pass_time("stock_readings", "read_at", 24 * HOUR)
    store.deliveries.open_reminders()
    store.pass_time("deliveries", "next_at", 60)
    store.pass_time("delivery_lanes", "next_at", 60)
    store.send()
    assert reminders(store) == []
    assert store.one("SELECT DISTINCT reason FROM deliveries WHERE state = 'queued'") == "unread"
    settle(store)
    assert len(reminders(store)) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE subscriptions SET state = 'purchased'", "purchased"),
        ("UPDATE subscriptions SET state = 'cancelled'", "unsubscribed"),
        ("UPDATE subscriptions SET state = 'expired'", "unsubscribed"),
        (SUPPRESS, "suppressed"),
        (ASK_AGAIN, "waits_again"),
        ("UPDATE shops SET settings = settings - 'policy.reminder_count'", "reminders_off"),
        ("UPDATE shops SET settings = settings || '{\"channels\": \"sms\"}'", "channel_off"),
        ("UPDATE shops SET state = 'uninstalled'", "shop_uninstalled"),
    ],
)  # fmt: skip
def test_who_is_not_reminded_and_why(store: Store, told: list[int], change: str, reason: str) -> None:
    """Whatever happens between the queueing of a reminder and its claim is the reason that is kept."""
    store.pass_time("offers", "remind_at", 24 * HOUR + 1)
    store.deliveries.open_reminders()
    store.sql(change)
    settle(store)
    assert reminders(store) == []
    assert skipped(store) == {reason}


@pytest.mark.parametrize("state", ["bought", "declined", "missed", "returned"])
def test_a_turn_that_found_its_own_end_gets_no_reminder(store: Store, told: list[int], state: str) -> None:
    store.sql("UPDATE offers SET state = :state", state=state)
    pass_a_day(store)
    assert store.one("SELECT count(*) FROM deliveries WHERE kind = 'reminder'") == 0
    assert store.one("SELECT count(*) FROM offers WHERE remind_at IS NOT NULL") == 0


def test_a_shop_that_changes_its_mind_reminds_nobody_any_more(store: Store, told: list[int]) -> None:
    store.set(policy__reminder_count="0")
    pass_a_day(store)
    assert store.one("SELECT count(*) FROM deliveries WHERE kind = 'reminder'") == 0


def test_sleepers_are_written_to_when_they_wake_and_not_looked_at_before(store: Store) -> None:
    """The hours open in two to three hours: soon enough for units to be kept."""
    opens = int(str(store.one("SELECT extract(hour FROM now() AT TIME ZONE 'UTC' + interval '3 hours')::int")))
    store.set(send_hours__email=f"{opens}-{opens + 1}")
    store.join(3)
    store.restock(3)
    store.send()
    assert store.channel.sent == []
    due = store.one("SELECT extract(epoch FROM min(next_at) - now())::int FROM deliveries WHERE state = 'queued'")
    assert 2 * HOUR - 60 < int(str(due)) <= 3 * HOUR
    assert store.one("SELECT min(next_at) > now() + interval '1 hour' FROM delivery_lanes") is True


def test_a_confirmation_comes_at_any_hour_while_it_answers_a_sign_up_and_in_the_morning_later(store: Store) -> None:
    closed = int(str(store.one("SELECT extract(hour FROM now() AT TIME ZONE 'UTC' - interval '2 hours')::int")))
    store.set(send_hours__email=f"{closed}-{closed + 1}")
    store.join(2)
    store.sql("UPDATE contacts SET confirm_requested_at = now()")
    assert store.deliveries.open_confirmations() == 2
    late = "(SELECT min(id) FROM deliveries)"
    store.sql(f"UPDATE deliveries SET created_at = now() - interval '16 minutes' WHERE id = {late}")
    store.send()
    assert len(store.channel.sent) == 1
    assert store.sql("SELECT state, reason FROM deliveries ORDER BY id") == [("queued", "asleep"), ("sent", None)]
    assert store.one("SELECT next_at > now() + interval '20 hours' FROM deliveries ORDER BY id LIMIT 1") is True
    store.set(send_hours__email="any")
    store.pass_time("deliveries", "next_at", 24 * HOUR)
    store.pass_time("delivery_lanes", "next_at", 24 * HOUR)
    store.send()
    assert len(store.channel.sent) == 2


def test_a_message_that_comes_due_at_night_waits_until_the_morning(store: Store) -> None:
    """Queued in time, but its provider was busy until the hours had closed."""
    store.join(1)
    store.restock(1)
    closed = int(str(store.one("SELECT extract(hour FROM now() AT TIME ZONE 'UTC' - interval '2 hours')::int")))
    store.set(send_hours__email=f"{closed}-{closed + 1}")
    store.send()
    assert store.channel.sent == []
    assert store.sql("SELECT state, reason, next_at > now() + interval '20 hours' FROM deliveries") == [
        ("queued", "asleep", True)
    ]
    assert store.one("SELECT next_at > now() + interval '20 hours' FROM delivery_lanes") is True
    assert store.one("SELECT count(*) FROM stock_checks") == 0
    store.set(send_hours__email="any")
    store.pass_time("deliveries", "next_at", 24 * HOUR)
    store.pass_time("delivery_lanes", "next_at", 24 * HOUR)
    store.send()
    assert len(store.channel.sent) == 1


def test_a_turn_is_spoken_of_only_where_there_is_one(store: Store) -> None:
    """All at once there is none, and without a limit neither."""
    store.set(policy="fair", policy__turn_minutes="90")
    store.join(1)
    store.restock(1)
    store.send()
    store.set(policy="everyone")
    store.join(1)
    store.restock(1)
    store.send()
    store.set(policy="fair", policy__turn_minutes="90")
    other = VARIANT + 1
    store.join(1, variant=other)
    store.restock(None, variant=other)
    store.send()
    notices = [one.notice for one in store.channel.sent]
    assert [one.turn_minutes for one in notices] == [90, None, None]
    assert [one.links.decline is not None for one in notices] == [True, False, False]


def test_whoever_missed_it_before_is_told_so(store: Store) -> None:
    people = store.join(2)
    store.restock(5)
    store.sql(
        """INSERT INTO offers (shop_id, event_id, wave_id, subscription_id, units, state)
           SELECT shop_id, event_id, wave_id, subscription_id, 1, 'missed' FROM offers WHERE subscription_id = :id""",
        id=people[1],
    )
    store.send()
    assert [one.notice.missed_before for one in store.channel.sent] == [False, True]


def test_whoever_asked_again_and_inherited_the_place_is_told_that_it_was_missed(store: Store) -> None:
    """The older wish missed its turn; a later one, which has a place of its own, has missed nothing."""

    def ask() -> None:
        contact = ContactFacts(ChannelName.email, "ada@example.com", address_hash("email", "ada@example.com"))
        store.subscriptions.register(store.shop, Signup(VARIANT, VARIANT, 0, 1, "api", contact), Provenance())

    for units in (1, 0, 1, 0):  # told, and sold out after the same person has asked again
        ask()
        store.restock(units)
        store.send()
    store.restock(1)
    store.send()
    store.pass_time("offers", "ends_at", 3 * 3600)
    store.restocks.end_turns()
    store.plan()
    ask()
    store.restock(1)
    store.send()
    assert [one.notice.missed_before for one in store.channel.sent] == [False, True, True, False]
