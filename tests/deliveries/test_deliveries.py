"""From a queued message to its end, on a real database with channels that only remember."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import pytest
from sqlalchemy import QueuePool

from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Receipt, ReceiptStatus, Verdict
from restock.deliveries.rules.doubts import MOST_LOOKS
from restock.deliveries.service.claiming import Claiming
from restock.deliveries.values import Batch
from restock.restocks.service import RestockService
from restock.subscriptions.values import SuppressionReason
from tests.restocks.store import VARIANT, RecordingChannel, Store, deferred, refused, together, unanswered

EMAIL = ChannelName.email


@pytest.fixture
def told(store: Store) -> list[Envelope]:
    """Three people wait, five units came, messages are queued; what is sent appears here."""
    store.join(3)
    store.restock(5)
    return store.channel.sent


def test_everybody_in_the_wave_is_told_once(store: Store, told: list[Envelope]) -> None:
    for _ in range(3):
        store.send()
    assert len(told) == 3
    assert store.states("deliveries") == {"sent": 3}
    assert store.states("subscriptions") == {"notified": 3}
    assert store.one("SELECT next_at FROM delivery_lanes") is None


def test_an_envelope_is_complete(store: Store, told: list[Envelope]) -> None:
    store.send()
    envelope = told[0]
    assert envelope.identity.startswith(f"r{envelope.delivery_id}-")
    assert envelope.recipient.address.startswith("shopper")
    assert envelope.attempt == 1
    product = envelope.notice.product
    assert product is not None
    assert (product.title, product.variant_title, product.quantity) == ("Mug", "Green", 1)
    assert envelope.notice.shop.url == f"https://{store.shop.domain}"
    assert envelope.notice.links.action.startswith("https://restock.example.com/c/")
    assert envelope.notice.links.unsubscribe.startswith("https://restock.example.com/unsubscribe/")


def test_the_price_is_written_as_the_reader_writes_it(store: Store) -> None:
    store.set(currency="EUR")
    store.join(1)
    store.sql("UPDATE subscriptions SET locale = 'de-DE'")
    store.restock(1)
    store.send()
    product = store.channel.sent[0].notice.product
    assert product is not None
    assert product.price == "12,50\xa0€"


def test_who_asked_from_a_market_reads_its_own_price(store: Store) -> None:
    store.set(currency="EUR", markets="5=CH,6=FR")
    for person, market in zip(store.join(3), (5, 6, 0), strict=True):
        store.sql("UPDATE subscriptions SET market_id = :market WHERE id = :id", market=market, id=person)
    store.sql(
        """INSERT INTO market_views (shop_id, variant_id, country, published, price_cents, currency, read_at)
           VALUES (:shop, :variant, 'CH', true, 1400, 'CHF', now()),
                  (:shop, :variant, 'FR', true, NULL, NULL, now())""",
        shop=store.shop.id,
        variant=VARIANT,
    )
    store.restock(5)
    store.send()
    prices = [one.notice.product.price for one in store.channel.sent if one.notice.product]
    assert sorted(str(price).replace("\xa0", "") for price in prices) == ["CHF14.00", "€12.50", "€12.50"]


def test_whoever_left_before_the_claim_hears_nothing_and_the_turn_goes_on(store: Store) -> None:
    people = store.join(2)
    store.set(policy="strict")
    store.restock(1)
    contact = int(str(store.one("SELECT contact_id FROM subscriptions WHERE id = :id", id=people[0])))
    store.subscriptions.unsubscribe(contact)
    store.send()
    store.plan()
    store.send()
    assert len(store.channel.sent) == 1
    assert store.states("deliveries") == {"skipped": 1, "sent": 1}
    assert store.one("SELECT state FROM subscriptions WHERE id = :id", id=people[1]) == "notified"


def test_leaving_and_sending_at_once_never_tell_after_the_no(store: Store) -> None:
    """Whatever the order, a message leaves only if its claim came before the no."""
    people = store.join(20)
    store.restock(None)
    contacts = [int(str(row[0])) for row in store.sql("SELECT contact_id FROM subscriptions ORDER BY id")]
    leaving = [lambda c=contact: store.subscriptions.unsubscribe(c) for contact in contacts[::2]]
    assert together(store.send, *leaving) == []
    store.send()
    assert store.one("SELECT count(*) FROM deliveries WHERE state NOT IN ('sent', 'skipped')") == 0
    skipped = store.one("SELECT count(*) FROM deliveries WHERE state = 'skipped'")
    assert len(store.channel.sent) == len(people) - int(str(skipped))
    assert store.one("SELECT count(*) FROM subscriptions WHERE state = 'active'") == 0


def test_sold_out_before_the_claim_is_not_told_and_the_place_is_kept(store: Store, told: list[Envelope]) -> None:
    store.stock(0)
    store.restocks.check_due()
    store.send()
    assert told == []
    assert store.sql("SELECT DISTINCT state, reason FROM deliveries") == [("skipped", "event_closed")]
    assert store.states("offers") == {"returned": 3}
    assert store.states("subscriptions") == {"active": 3}
    store.restock(5)
    store.send()
    assert len(told) == 3


def test_fewer_units_left_than_wanted_is_not_told(store: Store) -> None:
    store.join(1, quantity=3)
    late = store.join(1)
    store.set(policy="strict")
    store.restock(3)
    store.stock(2)
    store.restocks.check_due()
    store.send()
    assert store.sql("SELECT state, reason FROM deliveries") == [("skipped", "sold_out")]
    store.plan()
    store.send()
    assert store.sql("SELECT subscription_id FROM deliveries WHERE state = 'sent'") == [(late[0],)]


def test_an_old_reading_of_the_shop_is_read_again_before_anybody_is_told(store: Store, told: list[Envelope]) -> None:
    store.sql("UPDATE stock_readings SET source = 'admin', read_at = now() - interval '10 min'")
    store.send()
    assert told == []
    assert store.states("deliveries") == {"queued": 3}
    assert store.one("SELECT count(*) FROM stock_checks WHERE due_at <= now()") == 1
    store.check()
    store.pass_time("deliveries", "next_at", 60)
    store.pass_time("delivery_lanes", "next_at", 60)
    store.send()
    assert len(told) == 3


def test_a_shop_that_left_and_a_channel_that_is_off_tell_nobody(store: Store, told: list[Envelope]) -> None:
    store.set(channels="sms")
    store.send()
    assert store.sql("SELECT DISTINCT state, reason FROM deliveries") == [("skipped", "channel_off")]
    assert store.states("subscriptions") == {"active": 3}
    store.plan()
    assert store.states("offers") == {"returned": 3}


def test_a_message_for_a_channel_without_a_provider_is_skipped(store: Store) -> None:
    store.join(1, channel="sms")
    store.restock(1)
    store.deliveries.drain(ChannelName.sms)
    assert store.sql("SELECT state, reason FROM deliveries") == [("skipped", "channel_off")]


def test_a_refused_message_gives_the_turn_to_the_next(store: Store) -> None:
    people = store.join(2)
    store.set(policy="strict")
    store.restock(1)
    store.channel.answer = refused
    store.send()
    assert store.sql("SELECT state, reason FROM deliveries") == [("failed", "no_such_user")]
    store.channel.answer = lambda e: Outcome(e.delivery_id, Verdict.accepted, provider_message_id="<1@relay>")
    store.plan()
    store.send()
    assert store.sql("SELECT id, state FROM subscriptions ORDER BY id") == [
        (people[0], "active"),
        (people[1], "notified"),
    ]
    assert store.one("SELECT provider_message_id FROM deliveries WHERE state = 'sent'") == "<1@relay>"
    assert store.one("SELECT count(*) FROM deliveries") == 2


def test_a_dead_address_is_never_written_to_again(store: Store, told: list[Envelope]) -> None:
    first = told and told[0]
    assert not first
    store.channel.answer = lambda e: refused(e, "gone", Blame.address)
    store.send()
    assert store.sql("SELECT DISTINCT reason FROM suppressions") == [(SuppressionReason.gone.value,)]
    assert store.states("subscriptions") == {"cancelled": 3}
    assert store.states("offers") == {"returned": 3}


def test_a_busy_provider_is_asked_again_later_and_at_last_given_up(store: Store) -> None:
    store.join(1)
    store.restock(1)
    store.channel.answer = deferred
    for attempt in range(1, 7):
        store.send()
        store.send()
        assert store.one("SELECT attempt FROM deliveries") == min(attempt, 5)
        store.pass_time("deliveries", "next_at", 4000)
        store.pass_time("delivery_lanes", "next_at", 4000)
    assert store.states("deliveries") == {"failed": 1}
    assert store.states("subscriptions") == {"active": 1}
    assert len({e.identity for e in store.channel.sent}) == 1
    assert [e.attempt for e in store.channel.sent] == [1, 2, 3, 4, 5]


def test_a_provider_that_is_down_costs_nobody_an_attempt_and_is_left_alone_for_a_while(store: Store) -> None:
    store.join(3)
    store.restock(None)
    store.join(2, variant=VARIANT + 1)
    store.restock(None, variant=VARIANT + 1)
    store.channel.answer = lambda e: deferred(e, Blame.provider)
    drained = store.deliveries.drain(EMAIL)
    assert drained.provider_down
    assert store.sql("SELECT DISTINCT state, attempt FROM deliveries") == [("queued", 0)]
    assert store.deliveries.due() == {}
    assert len(store.channel.sent) in {2, 3}


def test_no_answer_is_resent_once_with_the_same_identity(store: Store) -> None:
    store.join(1)
    store.restock(1)
    store.channel.answer = unanswered
    for _ in range(3):
        store.send()
        store.pass_time("deliveries", "next_at", 60)
        store.deliveries.resolve_unknown()
    assert len(store.channel.sent) == 2
    assert len({e.identity for e in store.channel.sent}) == 1
    assert store.sql("SELECT state, reason, doubts, finished_at IS NULL FROM deliveries") == [
        ("unknown", "timeout", 2, False)
    ]
    assert store.states("subscriptions") == {"notified": 1}


@pytest.mark.parametrize(("says", "state", "count"), [(True, "sent", 1), (False, "sent", 2), (None, "unknown", 1)])
def test_a_provider_that_can_be_asked_is_asked(clean_database: str, says: bool | None, state: str, count: int) -> None:
    """Yes: it was sent. No: it is sent again. No answer, and at most once: asked again, and unknown at last."""
    channel = RecordingChannel(ChannelName.sms, Doubt.at_most_once, unanswered)
    store = Store(clean_database, [channel])
    store.join(1, channel="sms")
    store.restock(1)
    store.send()
    channel.answer = lambda e: Outcome(e.delivery_id, Verdict.accepted)
    channel.known = {} if says is None else {int(str(store.one("SELECT id FROM deliveries"))): says}
    store.pass_time("deliveries", "next_at", 60)
    store.deliveries.resolve_unknown()
    assert says is not None or store.one("SELECT finished_at FROM deliveries") is None
    store.pass_time("deliveries", "next_at", 60)
    store.pass_time("deliveries", "claimed_at", 30 * MOST_LOOKS)
    store.deliveries.resolve_unknown()
    store.deliveries.resolve_unknown()
    store.send()
    assert store.states("deliveries") == {state: 1}
    assert len(channel.sent) == count
    assert store.states("subscriptions") == {"notified": 1}
    store.close()


def test_what_a_provider_neither_takes_nor_answers_is_tried_ever_less_often(clean_database: str) -> None:
    channel = RecordingChannel(ChannelName.sms, Doubt.at_most_once, unanswered)
    store = Store(clean_database, [channel])
    store.join(1, channel="sms")
    store.restock(None)
    store.send()
    channel.known = {int(str(store.one("SELECT id FROM deliveries"))): False}
    waits = []
    for _ in range(5):
        store.sql("UPDATE deliveries SET next_at = now()")
        store.deliveries.resolve_unknown()
        waits.append(round(float(str(store.one("SELECT extract(epoch FROM next_at - now()) FROM deliveries")))))
        for table in ("deliveries", "delivery_lanes"):
            store.sql(f"UPDATE {table} SET next_at = now()")
        store.send()
    assert waits == [0, 30, 120, 600, 600]
    assert len(channel.sent) == 6
    store.close()


def test_a_lost_worker_s_messages_are_taken_up_again(store: Store, told: list[Envelope]) -> None:
    batch = store.deliveries.claim(EMAIL, 10)
    assert batch is not None
    assert store.deliveries.expire_leases() == 0
    store.pass_time("deliveries", "lease_until", 60)
    assert store.deliveries.expire_leases() == 3
    assert store.deliveries.resolve_unknown() == 3
    store.send()
    assert store.states("deliveries") == {"sent": 3}
    assert {e.identity for e in told} == {e.identity for e in batch.envelopes}


def test_a_late_answer_ends_a_doubt_but_never_undoes_what_another_worker_did(
    store: Store, told: list[Envelope]
) -> None:
    """The fence: results count for the claim that made them."""
    late = store.deliveries.claim(EMAIL, 10)
    assert late is not None
    store.pass_time("deliveries", "lease_until", 60)
    store.deliveries.expire_leases()
    first, second, third = sorted(late.rows)
    recording = store.deliveries._sending.recording
    recording.record(late, [Outcome(first, Verdict.accepted)], 0)
    assert store.states("deliveries") == {"sent": 1, "unknown": 2}
    store.deliveries.resolve_unknown()
    store.send()
    recording.record(late, [Outcome(second, Verdict.refused, "no"), Outcome(third, Verdict.accepted)], 0)
    assert store.states("deliveries") == {"sent": 3}
    assert store.states("subscriptions") == {"notified": 3}


def test_messages_put_back_for_different_times_are_recorded_together(store: Store, told: list[Envelope]) -> None:
    """Not reached at all is due at once, busy is due later: in one group, with one that was accepted."""
    batch = store.deliveries.claim(EMAIL, 10)
    assert batch is not None
    first, second, third = sorted(batch.rows)
    answers = [
        Outcome(first, Verdict.deferred, "batch_time_over"),
        Outcome(second, Verdict.deferred, "busy"),
        Outcome(third, Verdict.accepted),
    ]
    store.deliveries._sending.recording.record(batch, answers, 0)
    assert store.sql("SELECT state, next_at <= now() FROM deliveries ORDER BY id") == [
        ("queued", True),
        ("queued", False),
        ("sent", True),
    ]


def test_recording_twice_changes_nothing(store: Store, told: list[Envelope]) -> None:
    batch = store.deliveries.claim(EMAIL, 10)
    assert batch is not None
    results = [Outcome(i, Verdict.accepted) for i in batch.rows]
    ends = []
    for _ in range(2):
        store.deliveries._sending.recording.record(batch, results, 0)
        ends.append(store.sql("SELECT ends_at FROM offers ORDER BY id"))
    assert ends[0] == ends[1]


def test_two_workers_never_send_the_same_message(store: Store) -> None:
    store.join(300)
    store.restock(None)
    assert together(*[store.send] * 3) == []
    store.send()
    sent = [e.delivery_id for e in store.channel.sent]
    assert len(sent) == len(set(sent)) == 300
    assert store.states("deliveries") == {"sent": 300}


def test_one_shops_large_restock_never_holds_up_anothers(store: Store) -> None:
    store.join(500)
    store.restock(None)
    other = store.shops.add("other")
    store.join(3, shop=other)
    store.restock(None, shop=other)
    shops = []
    for _ in range(2):
        batch = store.deliveries.claim(EMAIL, 100)
        assert batch is not None
        shops.append(batch.shop.id)
    assert sorted(shops) == sorted([store.shop.id, other.id])


def test_nothing_is_forgotten_when_a_lane_is_emptied_while_more_comes_in(store: Store) -> None:
    """Planner and sender at once, page by page: whatever the interleaving, everybody is told."""
    store.join(400)
    store.stock(None)
    store.restocks.check_due()
    planner = RestockService(store.database, store.restocks.notices, page_size=20)

    def send_all_the_time() -> None:
        for _ in range(40):
            store.deliveries.drain(EMAIL, seconds=1)

    assert together(planner.plan_due, planner.plan_due, send_all_the_time, send_all_the_time) == []
    planner.plan_due()
    if store.deliveries.due():
        store.send()
    assert store.states("deliveries") == {"sent": 400}


def test_no_connection_is_held_while_a_provider_is_asked(store: Store, told: list[Envelope]) -> None:
    in_use = []
    pool = store.database.engine.pool

    def look(envelope: Envelope) -> Outcome:
        assert isinstance(pool, QueuePool)
        in_use.append(pool.checkedout())
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = look
    store.send()
    assert in_use == [0, 0, 0]


def test_a_channel_that_breaks_in_the_middle_loses_nothing(store: Store) -> None:
    """What it had answered is recorded; the rest is in doubt until the lease is over."""
    store.join(5)
    store.restock(None)

    def answer(envelope: Envelope) -> Outcome:
        if len(store.channel.sent) == 4:
            raise RuntimeError("broken")
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = answer
    with pytest.raises(RuntimeError):
        store.send()
    assert store.states("deliveries") == {"sent": 3, "sending": 2}


def test_a_batch_whose_lease_is_over_is_not_sent_on(store: Store) -> None:
    """Others may have it by then: to go on would tell people twice."""
    store.join(5)
    store.restock(None)
    now = 0.0
    sending = replace(store.deliveries._sending, lease_seconds=5.0, timer=lambda: now)

    def slowly(envelope: Envelope) -> Outcome:
        nonlocal now
        now += 10
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = slowly
    sending.drain(EMAIL, 5, lambda: False)
    assert len(store.channel.sent) == 1
    assert store.states("deliveries") == {"sent": 1, "sending": 4}


def test_a_worker_that_stood_still_after_its_claim_sends_nothing(store: Store, told: list[Envelope]) -> None:
    now = 0.0

    class Slow(Claiming):
        def claim(self, *given: object, own: bool = False) -> Batch | None:
            nonlocal now
            batch = super().claim(*given, own=own)  # type: ignore[arg-type]
            now += 10
            return batch

    sending = store.deliveries._sending
    claiming = Slow(**{one.name: getattr(sending.claiming, one.name) for one in fields(sending.claiming)})
    replace(sending, lease_seconds=5.0, timer=lambda: now, claiming=claiming).drain(EMAIL, 5, lambda: False)
    assert told == []
    assert store.states("deliveries") == {"sending": 3}


@pytest.mark.parametrize("taken_up", [3, 6])
def test_a_lease_that_others_have_ended_is_not_prolonged(store: Store, taken_up: int) -> None:
    """A clock that stood still meanwhile says nothing: the rows do, even where only some of them were taken over."""
    store.join(6)
    store.restock(None)
    now = 0.0
    sending = replace(store.deliveries._sending, lease_seconds=30.0, timer=lambda: now)

    def stand_still(envelope: Envelope) -> Outcome:
        nonlocal now
        if len(store.channel.sent) == 2:
            now += 15
            store.pass_time("deliveries", "lease_until", 60)
            assert store.deliveries.expire_leases(taken_up) == taken_up
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = stand_still
    sending.drain(EMAIL, 5, lambda: False)
    assert len(store.channel.sent) == 2


def test_what_was_found_out_about_one_hand_over_says_nothing_about_the_next(clean_database: str) -> None:
    """Who asked the provider may come back so late that the message was sent again, and is in doubt again."""
    channel = RecordingChannel(ChannelName.sms, Doubt.at_most_once, unanswered)
    store = Store(clean_database, [channel])
    store.join(1, channel="sms")
    store.restock(1)
    store.send()
    number = int(str(store.one("SELECT id FROM deliveries")))
    channel.known = {number: False}
    slow = RecordingChannel(ChannelName.sms, Doubt.at_most_once)

    def lookup_slowly(envelopes: object) -> dict[int, bool]:
        store.pass_time("deliveries", "next_at", 60)
        store.deliveries.resolve_unknown()
        store.send()
        channel.known = {}
        return {number: False}

    slow.lookup = lookup_slowly  # type: ignore[method-assign]
    store.pass_time("deliveries", "next_at", 60)
    replace(store.deliveries, channels={ChannelName.sms: slow}).resolve_unknown()
    store.send()
    assert len(channel.sent) == 2
    assert store.sql("SELECT state, doubts FROM deliveries") == [("unknown", 2)]
    store.close()


def test_a_doubt_that_was_ended_is_not_opened_again(clean_database: str) -> None:
    """Who asked the provider may come back after another ended the doubt: the turn runs already, and stays as it is."""
    channel = RecordingChannel(ChannelName.sms, Doubt.at_most_once, unanswered)
    store = Store(clean_database, [channel])
    store.join(1, channel="sms")
    store.restock(1)
    store.send()
    number = int(str(store.one("SELECT id FROM deliveries")))
    slow = RecordingChannel(ChannelName.sms, Doubt.at_most_once)

    def lookup_slowly(envelopes: object) -> dict[int, bool]:
        store.pass_time("deliveries", "next_at", 60)
        replace(store.deliveries, channels={}).resolve_unknown()
        return {number: False}

    slow.lookup = lookup_slowly  # type: ignore[method-assign]
    store.pass_time("deliveries", "next_at", 60)
    replace(store.deliveries, channels={ChannelName.sms: slow}).resolve_unknown()
    store.send()
    assert len(channel.sent) == 1
    assert store.sql("SELECT state, doubts, finished_at IS NOT NULL FROM deliveries") == [("unknown", 1, True)]
    store.close()


def test_a_doubt_on_a_channel_that_was_taken_away_ends(store: Store, told: list[Envelope]) -> None:
    """Nobody can be asked any more, and nobody could send it again: it is shown as it is, and the turn runs."""
    store.channel.answer = unanswered
    store.send()
    store.pass_time("deliveries", "next_at", 60)
    assert replace(store.deliveries, channels={}).resolve_unknown() == 3
    assert store.sql("SELECT DISTINCT state, finished_at IS NOT NULL FROM deliveries") == [("unknown", True)]
    assert store.states("subscriptions") == {"notified": 3}


def test_a_long_batch_prolongs_its_lease(store: Store) -> None:
    store.join(4)
    store.restock(None)
    now = 0.0
    usual = store.deliveries._sending  # records are waited for: none is under way while minutes pass at once
    recording = replace(usual.recording, pipeline=None)
    sending = replace(usual, recording=recording, lease_seconds=600.0, timer=lambda: now)

    def slowly(envelope: Envelope) -> Outcome:
        nonlocal now
        now += 250
        store.pass_time("deliveries", "lease_until", 250)
        assert store.deliveries.expire_leases() == 0
        return Outcome(envelope.delivery_id, Verdict.accepted)

    store.channel.answer = slowly
    sending.drain(EMAIL, 5000, lambda: False)
    assert store.states("deliveries") == {"sent": 4}


def test_a_drain_gives_way_when_others_wait_but_not_in_its_first_second(store: Store) -> None:
    store.join(10)
    store.restock(None)
    drained = store.deliveries.drain(EMAIL, give_way=lambda: True)
    assert (drained.sent_count, drained.left) == (10, False)


def test_confirmations_are_queued_once_a_day_for_each_contact(store: Store) -> None:
    store.join(2, state="pending")
    for _ in range(2):
        store.sql("UPDATE contacts SET confirm_requested_at = now()")
        store.deliveries.open_confirmations()
    store.send()
    assert len(store.channel.sent) == 2
    assert {e.notice.links.action.split("/")[3] for e in store.channel.sent} == {"confirm"}


def test_a_sample_is_sent_on_demand(store: Store) -> None:
    store.join(1)
    contact = int(str(store.one("SELECT id FROM contacts")))
    assert store.deliveries.queue_test(store.shop.id, contact, EMAIL)
    store.send()
    assert store.states("deliveries") == {"sent": 1}
    assert store.states("subscriptions") == {"active": 1}


def test_a_click_is_counted_and_leads_to_the_goods(store: Store, told: list[Envelope]) -> None:
    store.send()
    target = store.deliveries.follow(told[0].delivery_id)
    assert target == f"https://{store.shop.domain}/products/mug?variant={VARIANT}"
    assert store.deliveries.follow(999_999) is None
    assert store.one("SELECT sum(click_count) FROM deliveries") == 1


def test_asking_where_a_link_leads_counts_no_click(store: Store, told: list[Envelope]) -> None:
    store.send()
    target = store.deliveries.follow(told[0].delivery_id, count=False)
    assert target == f"https://{store.shop.domain}/products/mug?variant={VARIANT}"
    assert store.deliveries.follow(999_999, count=False) is None
    assert store.one("SELECT sum(click_count) FROM deliveries") == 0
    assert store.one("SELECT max(clicked_at) FROM deliveries") is None


def test_a_receipt_moves_a_delivery_forward_only(store: Store, told: list[Envelope]) -> None:
    store.send()
    first = told[0].delivery_id
    underway, delivered, bounced = (
        Receipt(first, status, "unknown_handset", Blame.address if status is ReceiptStatus.bounced else Blame.message)
        for status in (ReceiptStatus.underway, ReceiptStatus.delivered, ReceiptStatus.bounced)
    )
    news = [store.deliveries.record_receipt(r) for r in (underway, delivered, delivered, bounced, bounced, delivered)]
    assert news == [False, True, False, True, False, False]  # an e-mail may come back after it was taken for delivered
    assert store.one("SELECT state FROM deliveries WHERE id = :id", id=first) == "bounced"
    assert store.sql("SELECT reason FROM suppressions") == [("bounced",)]


def test_a_receipt_that_overtakes_our_own_record_counts(store: Store, told: list[Envelope]) -> None:
    """The provider's callback may come before the answer to the hand-over is written down."""
    batch = store.deliveries.claim(EMAIL, 10)
    assert batch is not None
    for delivery_id in batch.rows:
        assert store.deliveries.record_receipt(Receipt(delivery_id, ReceiptStatus.delivered))
    store.deliveries._sending.recording.record(batch, [Outcome(i, Verdict.accepted) for i in batch.rows], 0)
    assert store.states("deliveries") == {"delivered": 3}
    assert store.states("subscriptions") == {"notified": 3}


def test_an_erased_contact_is_skipped(store: Store, told: list[Envelope]) -> None:
    store.sql("UPDATE deliveries SET contact_id = NULL")
    store.send()
    assert store.states("deliveries") == {"skipped": 3}


def test_a_poisonous_outcome_of_one_does_not_stop_the_others(store: Store, told: list[Envelope]) -> None:
    """An outcome for a delivery that is not in the batch is ignored."""

    class Confused(RecordingChannel):
        def send(self, envelopes: object) -> Iterator[Outcome]:
            yield Outcome(424242, Verdict.accepted)
            yield from super().send(envelopes)  # type: ignore[arg-type]

    confused = Confused()
    replace(store.deliveries, channels={EMAIL: confused}).drain(EMAIL)
    assert store.states("deliveries") == {"sent": 3}
