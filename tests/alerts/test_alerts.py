"""Shops are told once, nothing is lost, and never in a storm: on a real database, by a channel that remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from restock.alerts.service import ShopAlerts
from restock.channels.alerts.values import AlertFacts
from restock.channels.texts.values import Stage, TextKey
from restock.channels.values import ChannelName, Envelope, Outcome, Verdict
from restock.deliveries.values import Outage
from restock.reports.service.previews import MessagePreviews
from restock.shops.service.texts import TextService
from restock.subscriptions.repository.confirmations import confirm
from tests.log_lines import log_lines
from tests.restocks.store import VARIANT, RecordingChannel, Store, together

LEAVE = """
    UPDATE subscriptions SET state = 'cancelled'
    WHERE id NOT IN (SELECT id FROM subscriptions ORDER BY id LIMIT :places)
"""
ALERT = TextKey(ChannelName.email, Stage.merchant_alert, "de")
OWNERS = "owner@example.com,buyer@example.com"


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database)
    yield store
    store.close()


@pytest.fixture
def channel() -> RecordingChannel:
    return RecordingChannel()


@pytest.fixture
def alerts(store: Store, channel: RecordingChannel) -> ShopAlerts:
    return ShopAlerts(store.database, lambda: channel, "https://restock.example")


def come(store: Store, count: int = 1, *, quantity: int = 1, variant: int = VARIANT) -> None:
    """Sign up so many now: late enough to be counted, early enough to be settled."""
    store.join(count, quantity, variant=variant)
    store.sql(
        "UPDATE subscriptions SET queued_at = now() - interval '11 seconds' WHERE queued_at < now() - interval '1 h'"
    )


def pass_minutes(store: Store, minutes: int) -> None:
    """Move everything that is known into the past."""
    for column in ("counted_until", "looked_until", "next_new_at", "digest_from", "next_digest_at"):
        store.sql(f"UPDATE shop_alert_states SET {column} = {column} - make_interval(mins => {minutes})")
    store.sql(f"UPDATE shop_alerts SET created_at = created_at - make_interval(mins => {minutes})")
    store.sql(
        "UPDATE shop_alerts SET dedupe_key = concat_ws(':', kind, shop_id,"
        f" split_part(dedupe_key, ':', 3)::numeric - {60 * minutes}, split_part(dedupe_key, ':', 4))"
        " WHERE kind = 'new'"
    )
    for column in ("queued_at", "updated_at"):
        store.sql(f"UPDATE subscriptions SET {column} = {column} - make_interval(mins => {minutes})")


def told(alerts: ShopAlerts, channel: RecordingChannel) -> list[str]:
    """Look and send; return the subjects of what left, one address's."""
    alerts.look()
    before = len(channel.sent)
    alerts.send()
    return [e.letter.subject for e in channel.sent[before:] if e.letter and e.recipient.address == "owner@example.com"]


def begin(store: Store, alerts: ShopAlerts, **settings: str) -> None:
    """Choose, have it noticed, and let some time go by."""
    store.set(**({"alerts__to": OWNERS} | settings))
    alerts.look()
    pass_minutes(store, 10)


def test_a_thousand_sign_ups_are_one_message_and_the_next_comes_after_five_minutes(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__when="each")
    come(store, 1000)
    assert told(alerts, channel) == ["demo: new sign-ups (1,000)"]
    assert [e.recipient.address for e in channel.sent] == OWNERS.split(",")
    come(store, 2)
    assert told(alerts, channel) == [], "not again so soon"
    store.sql("UPDATE shop_alert_states SET next_new_at = now(), counted_until = counted_until - interval '1 min'")
    store.sql(
        "UPDATE subscriptions SET queued_at = queued_at - interval '1 hour'"
        " WHERE id IN (SELECT id FROM subscriptions ORDER BY id LIMIT 1000)"
    )
    assert told(alerts, channel) == ["demo: new sign-ups (2)"]
    store.sql("UPDATE shop_alert_states SET next_new_at = now()")
    assert told(alerts, channel) == [], "nobody has come since"


def test_nobody_is_told_of_what_was_before_the_choice(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    come(store, 5)
    store.set(alerts__to=OWNERS, alerts__when="each", alerts__waitlist="2")
    assert told(alerts, channel) == []
    store.set(alerts__when="daily")
    assert told(alerts, channel) == []
    assert store.one("SELECT next_digest_at > now() FROM shop_alert_states") is True


def test_a_digest_tells_what_happened_once(store: Store, alerts: ShopAlerts, channel: RecordingChannel) -> None:
    begin(store, alerts, alerts__when="weekly", alerts__hour="7")
    come(store, 3, quantity=2)
    store.sql("UPDATE shop_alert_states SET next_digest_at = now()")
    assert told(alerts, channel) == ["demo: your weekly restock digest"]
    letter = channel.sent[0].letter
    assert letter is not None
    assert "New sign-ups: 3" in letter.text
    assert "People waiting: 3\nUnits wanted: 6" in letter.text
    assert told(alerts, channel) == []
    store.sql("UPDATE subscriptions SET state = 'cancelled'")
    store.sql("UPDATE shop_alert_states SET next_digest_at = now()")
    assert told(alerts, channel) == [], "an empty digest is none"


def test_a_digest_names_what_is_wrong(store: Store, channel: RecordingChannel) -> None:
    from datetime import UTC, datetime

    from restock.channels.values import ChannelName

    now = datetime.now(UTC)
    down = [Outage(ChannelName.sms, "twilio", "auth", now, now, 3)]
    alerts = ShopAlerts(store.database, lambda: channel, "https://restock.example", lambda _shop_id: down)
    begin(store, alerts, alerts__when="daily")
    store.sql("UPDATE shop_alert_states SET next_digest_at = now()")
    assert told(alerts, channel) == ["demo: your daily restock digest"]
    letter = channel.sent[0].letter
    assert letter is not None
    assert "Channels that cannot send now: SMS" in letter.text


def test_a_waitlist_is_told_of_once_and_again_after_it_has_halved(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__waitlist="4")
    come(store, 3)
    assert told(alerts, channel) == []
    pass_minutes(store, 1)
    come(store, 1)
    assert told(alerts, channel) == [
        f"demo: a long waitlist for #{store.one('SELECT variant_id FROM subscriptions')} (4)"
    ]
    pass_minutes(store, 1)
    come(store, 3)
    assert told(alerts, channel) == []
    store.sql(LEAVE, places=2)
    pass_minutes(store, 1)
    assert told(alerts, channel) == [], "two are half of four, not less"
    store.sql(LEAVE, places=1)
    alerts.look()
    pass_minutes(store, 5)
    come(store, 3)
    assert len(told(alerts, channel)) == 1


def say_yes(store: Store) -> None:
    """Have everybody confirm, by the statement the page uses."""
    with store.database.transaction() as session:
        for contact_id in session.scalars(text("SELECT id FROM contacts ORDER BY id")).all():
            confirm(session, contact_id, 10.0)


@pytest.mark.parametrize("state", ["pending", "notified", "active"])
def test_a_waitlist_that_grows_by_people_who_signed_up_long_ago_is_told_of_once(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel, state: str
) -> None:
    """Whoever confirms, is put back in line or ends a pause waits only since then, however old the sign-up is."""
    begin(store, alerts)
    store.join(4, state=state)
    store.sql("UPDATE subscriptions SET paused_at = now() WHERE state = 'active'")
    pass_minutes(store, 60)
    begin(store, alerts, alerts__waitlist="4")
    assert told(alerts, channel) == []
    if state == "pending":
        say_yes(store)
    else:
        store.sql("UPDATE subscriptions SET state = 'active', paused_at = NULL, updated_at = now()")
    assert told(alerts, channel) == [], "it may not be settled yet"
    pass_minutes(store, 1)
    assert len(told(alerts, channel)) == 1
    for _ in range(2):
        pass_minutes(store, 6)
        assert told(alerts, channel) == []


def test_a_waitlist_that_grows_by_confirmations_is_told_of_once_by_many_sweepers(
    store: Store, alerts: ShopAlerts
) -> None:
    begin(store, alerts, alerts__waitlist="3")
    store.join(5, state="pending")
    say_yes(store)
    pass_minutes(store, 1)
    assert together(*[alerts.look for _ in range(4)]) == []
    assert store.states("shop_alerts") == {"queued": 2}, "one message to each address"


def test_who_confirms_while_a_waitlist_is_known_to_be_long_is_no_news(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__waitlist="2")
    come(store, 2)
    assert len(told(alerts, channel)) == 1
    store.join(3, state="pending")
    say_yes(store)
    pass_minutes(store, 6)
    assert told(alerts, channel) == []


@pytest.mark.parametrize("state", ["pending", "notified", "purchased", "cancelled"])
def test_a_sign_up_is_counted_whatever_has_become_of_it(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel, state: str
) -> None:
    """What is shown beforehand has the same figures as what is sent."""
    begin(store, alerts, alerts__when="weekly")
    come(store, 5)
    store.sql(f"UPDATE subscriptions SET state = '{state}' WHERE id IN (SELECT id FROM subscriptions LIMIT 4)")
    store.sql("UPDATE shop_alert_states SET next_digest_at = now()")
    told(alerts, channel)
    assert heard(store) == {address: [5] for address in OWNERS.split(",")}
    shown = MessagePreviews(store.database).last_week(store.shop)
    assert shown is not None
    sent = store.sql("SELECT facts ->> 'count', facts ->> 'people', facts ->> 'units' FROM shop_alerts LIMIT 1")
    assert sent == [(str(shown.count), str(shown.people), str(shown.units))]


def test_the_message_about_new_sign_ups_counts_who_was_told_meanwhile(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__when="each")
    come(store, 5)
    store.sql("UPDATE subscriptions SET state = 'notified' WHERE id IN (SELECT id FROM subscriptions LIMIT 4)")
    assert told(alerts, channel) == ["demo: new sign-ups (5)"]


def test_many_waitlists_that_grow_long_at_once_are_told_of_a_few_at_a_time_and_each_once(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__waitlist="1", alerts__to="owner@example.com")
    for variant in range(1, 13):
        come(store, 1, variant=variant)
    found = []
    for expected in (5, 5, 2, 0):
        now = told(alerts, channel)
        assert len(now) == expected
        assert told(alerts, channel) == [], "not again so soon"
        found += now
        for variant in range(1, 13):  # those told of already go on growing
            come(store, 1, variant=variant)
        pass_minutes(store, 5)
    assert len(set(found)) == 12


def test_while_mail_does_not_leave_nothing_piles_up_and_all_is_told_together_afterwards(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__when="each", alerts__to="owner@example.com")
    channel.answer = lambda envelope: Outcome(envelope.delivery_id, Verdict.deferred, "busy")
    for _ in range(4):
        come(store, 2)
        assert len(told(alerts, channel)) <= 1
        pass_minutes(store, 10)
    assert store.states("shop_alerts") == {"queued": 1}
    channel.answer = lambda envelope: Outcome(envelope.delivery_id, Verdict.accepted)
    store.sql("UPDATE shop_alerts SET next_at = now()")
    alerts.send()
    assert len(told(alerts, channel)) == 1
    assert store.states("shop_alerts") == {"sent": 2}
    assert store.one("SELECT sum((facts ->> 'count')::int) FROM shop_alerts") == 8, "everybody is told of once"


def test_an_address_that_takes_nothing_keeps_nobody_else_from_being_told(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__when="each")
    is_owner = "owner@example.com"
    channel.answer = lambda envelope: Outcome(
        envelope.delivery_id, Verdict.accepted if envelope.recipient.address == is_owner else Verdict.deferred, "busy"
    )
    for _ in range(3):
        come(store)
        assert len(told(alerts, channel)) == 1
        pass_minutes(store, 10)
    assert store.states("shop_alerts") == {"sent": 3, "queued": 1}


def test_an_address_that_was_behind_is_told_of_everybody_once_it_takes_mail_again(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    """What the others were told meanwhile is added to the message that waits for it: nobody is missed, none counted
    twice.
    """
    begin(store, alerts, alerts__when="each")
    busy = {"buyer@example.com"}
    channel.answer = lambda envelope: Outcome(
        envelope.delivery_id, Verdict.deferred if envelope.recipient.address in busy else Verdict.accepted, "busy"
    )
    for count in (2, 1, 3):
        come(store, count)
        told(alerts, channel)
        pass_minutes(store, 10)
    assert heard(store) == {"owner@example.com": [2, 1, 3], "buyer@example.com": [6]}
    busy.clear()
    store.sql("UPDATE shop_alerts SET next_at = now()")
    come(store, 4)
    told(alerts, channel)
    pass_minutes(store, 10)
    told(alerts, channel)
    assert store.states("shop_alerts") == {"sent": 5}
    assert {address: sum(counts) for address, counts in heard(store).items()} == {
        "owner@example.com": 10, "buyer@example.com": 10,
    }  # fmt: skip


def heard(store: Store) -> dict[str, list[int]]:
    """How many sign-ups each message of an address tells of, by address."""
    found: dict[str, list[int]] = {}
    for address, count in store.sql("SELECT address, (facts ->> 'count')::int FROM shop_alerts ORDER BY id"):
        found.setdefault(str(address), []).append(int(str(count)))
    return found


@pytest.mark.parametrize("underway", ["state = 'sending', next_at = now() + interval '1 min'", "doubts = 1"])
def test_a_message_that_may_have_arrived_is_not_changed_and_the_address_gets_another(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel, underway: str
) -> None:
    begin(store, alerts, alerts__when="each")
    come(store, 2)
    alerts.look()
    store.sql(f"UPDATE shop_alerts SET {underway} WHERE address LIKE 'buyer%'")
    told(alerts, channel)
    pass_minutes(store, 10)
    come(store, 1)
    alerts.look()
    assert heard(store) == {"owner@example.com": [2, 1], "buyer@example.com": [2, 1]}


def test_what_did_not_reach_an_address_is_said_with_the_address_and_logged_without_it(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__when="each")
    channel.answer = lambda envelope: Outcome(
        envelope.delivery_id,
        Verdict.refused if envelope.recipient.address.startswith("buyer") else Verdict.accepted,
        "mailbox_unknown",
    )
    come(store)
    with log_lines() as lines:
        told(alerts, channel)
    assert [(one["address"], one["state"], one["reason"]) for one in alerts.latest(store.shop.id)] == [
        ("buyer@example.com", "failed", "mailbox_unknown"),
        ("owner@example.com", "sent", None),
    ]
    [line] = [line for line in lines if line["event"] == "shop_alert_missed"]
    assert (line["shop_id"], line["kind"], line["reason"]) == (store.shop.id, "new", "mailbox_unknown")
    assert "buyer" not in str(lines)


def test_what_was_lost_with_its_worker_again_and_again_is_given_up(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__when="each", alerts__to="owner@example.com")
    come(store)
    alerts.look()
    store.sql("UPDATE shop_alerts SET state = 'sending', doubts = 2, next_at = now()")
    alerts.send()
    assert channel.sent == []
    assert store.sql("SELECT state, reason FROM shop_alerts") == [("unknown", "worker_lost")]


def test_many_sweepers_tell_once_and_lose_nothing(store: Store, channel: RecordingChannel) -> None:
    begin(store, ShopAlerts(store.database, lambda: channel, "https://x.example"), alerts__when="each")
    come(store, 7)

    def sweep() -> None:
        alerts = ShopAlerts(store.database, lambda: channel, "https://x.example")
        for _ in range(5):
            alerts.look()
            alerts.send()

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(e.recipient.address for e in channel.sent) == sorted(OWNERS.split(","))
    assert store.states("shop_alerts") == {"sent": 2}


def test_what_was_not_taken_is_tried_again_as_the_same_message(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__when="each", alerts__to="owner@example.com")
    come(store)
    answers = iter([Verdict.deferred, Verdict.unanswered, Verdict.accepted])

    def answer(envelope: Envelope) -> Outcome:
        return Outcome(envelope.delivery_id, next(answers), "busy")

    channel.answer = answer
    alerts.look()
    for state in ("queued", "queued", "sent"):
        assert alerts.send() == 1
        assert store.states("shop_alerts") == {state: 1}
        assert alerts.send() == 0
        store.sql("UPDATE shop_alerts SET next_at = now()")
    assert len({envelope.identity for envelope in channel.sent}) == 1


def test_a_worker_lost_while_sending_costs_a_lease_and_a_doubt(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__when="each", alerts__to="owner@example.com")
    come(store)
    alerts.look()
    store.sql("UPDATE shop_alerts SET state = 'sending', attempt = 1, next_at = now() + interval '1 min'")
    assert alerts.send() == 0
    store.sql("UPDATE shop_alerts SET next_at = now()")
    assert alerts.send() == 1
    assert store.sql("SELECT state, doubts FROM shop_alerts") == [("sent", 1)]


def test_an_address_that_is_no_longer_named_is_not_written_to(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    begin(store, alerts, alerts__when="each")
    come(store)
    alerts.look()
    store.set(alerts__to="buyer@example.com")
    alerts.send()
    assert [e.recipient.address for e in channel.sent] == ["buyer@example.com"]
    assert store.states("shop_alerts") == {"sent": 1, "skipped": 1}


def test_without_e_mail_all_waits(store: Store, alerts: ShopAlerts) -> None:
    begin(store, alerts, alerts__when="each")
    come(store)
    alerts.look()
    without = ShopAlerts(store.database, lambda: None, "https://x.example")
    without.send()
    assert store.states("shop_alerts") == {"queued": 2}
    store.sql("UPDATE shop_alerts SET created_at = now() - interval '73 hours', next_at = now()")
    without.send()
    assert store.states("shop_alerts") == {"failed": 2}, "nobody wants last week's news"


def test_a_shop_is_told_in_its_own_words_and_language(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    texts = TextService(store.database)
    texts.save(store.shop, ALERT, {"subject": "{{ counts.new }} neu", "button": "Los"})
    store.sql("UPDATE shops SET locale = 'de-AT'")
    begin(store, alerts, alerts__when="each", alerts__to="owner@example.com")
    come(store, 2)
    assert told(alerts, channel) == ["2 neu"]
    letter = channel.sent[0].letter
    assert letter is not None
    assert letter.text.startswith("Neue Anmeldungen: 2")
    assert "Los:\nhttps://restock.example/?shop=demo.myshopify.com" in letter.text
    assert texts.list(store.shop)[0].broken_at is None


def test_a_text_that_breaks_is_replaced_by_our_phrases_and_marked(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    texts = TextService(store.database)
    texts.save(store.shop, replace(ALERT, locale="en"), {"subject": "{{ counts.new }}", "heading": "Hello"})
    # As a rule that came after the text was saved would find it.
    store.sql("""UPDATE shop_texts SET parts = parts || '{"subject": "{{ counts.new | gone }}"}'""")
    begin(store, alerts, alerts__when="each", alerts__to="owner@example.com")
    come(store, 2)
    assert told(alerts, channel) == ["demo: new sign-ups (2)"]
    letter = channel.sent[0].letter
    assert letter is not None
    assert letter.text.startswith("Hello\n")
    assert store.states("shop_alerts") == {"sent": 1}
    assert texts.list(store.shop)[0].broken_reason == "syntax"


def test_a_test_is_sent_in_the_language_of_its_page_to_every_address(
    store: Store, alerts: ShopAlerts, channel: RecordingChannel
) -> None:
    facts = AlertFacts(people=3, units=4)
    assert alerts.queue_test(store.shop, "fr", facts) is None
    store.set(alerts__to=OWNERS)
    assert alerts.queue_test(store.shop, "fr", facts) is True
    assert alerts.queue_test(store.shop, "fr", facts) is False, "once a minute"
    assert alerts.send() == 2
    assert {e.recipient.address for e in channel.sent} == set(OWNERS.split(","))
    letter = channel.sent[0].letter
    assert letter is not None
    assert letter.subject == "[Test] demo : votre bilan quotidien des alertes de stock"
