"""Everything that can happen to a message at the same moment, by real threads on committed data.

Several rounds each: whatever the interleaving, one of them was first, nobody waits in a ring, and every message, turn
and person ends as if they had happened one after the other. The list of all races is in tests/restocks/test_races.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Receipt, ReceiptStatus, Verdict
from restock.deliveries.service import DeliveryNotices
from restock.deliveries.values import Batch
from tests.restocks.at_once import no_deadlock, race, rounds
from tests.restocks.store import VARIANT, RecordingChannel, Store, refused, unanswered

EMAIL, SMS = ChannelName.email, ChannelName.sms


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    store = Store(clean_database, [RecordingChannel(), RecordingChannel(SMS, Doubt.at_most_once)])
    store.set(policy="everyone", send_hours__sms="any")
    with no_deadlock(store.database):
        yield store
    store.close()


def queue(store: Store, count: int, **more: str) -> list[int]:
    """Have so many people's messages queued."""
    people = store.join(count, **more)  # type: ignore[arg-type]
    if store.sql("UPDATE restock_events SET plan_at = now(), rest_until = NULL WHERE closed_at IS NULL RETURNING id"):
        store.plan()
    else:
        store.restock(None)
    return people


def claim(store: Store, channel: ChannelName = EMAIL) -> Batch:
    batch = store.deliveries.claim(channel, 1000)
    assert batch is not None
    return batch


def record(store: Store, batch: Batch, *answers: Outcome) -> None:
    store.deliveries._sending.recording.record(batch, answers, 0)


def contacts(store: Store) -> list[int]:
    return [int(str(row[0])) for row in store.sql("SELECT contact_id FROM subscriptions ORDER BY id")]


def settled(store: Store) -> None:
    """Let everything come to rest, and look that nothing is left behind."""
    for _ in range(4):
        store.pass_time("deliveries", "next_at", 4000)
        store.pass_time("delivery_lanes", "next_at", 4000)
        store.pass_time("deliveries", "lease_until", 4000)
        store.pass_time("provider_states", "next_probe_at", 4000)
        store.deliveries.expire_leases()
        store.deliveries.resolve_unknown()
        store.check()
        store.send()
    left = "SELECT id, state FROM deliveries WHERE state IN ('queued', 'sending') OR state = 'unknown' AND NOT %s"
    assert store.sql(left % "finished_at IS NOT NULL") == []
    assert store.sql("SELECT id FROM subscriptions WHERE open_offer_id IS NOT NULL") == []
    assert store.sql("SELECT id FROM offers WHERE state = 'open' AND accepted_at IS NULL") == []
    assert store.sql("SELECT id FROM delivery_lanes WHERE next_at IS NOT NULL") == []


def test_leaving_meets_a_claim_a_hand_over_and_its_record(store: Store) -> None:
    """Who has said no is not claimed any more; whatever was claimed before counts as it went."""
    for _ in rounds(6):
        people = queue(store, 9)
        batch = store.deliveries.claim(EMAIL, 3)
        assert batch is not None
        answers = [Outcome(number, Verdict.accepted) for number in batch.rows]
        leaving = [partial(store.subscriptions.unsubscribe, contact) for contact in contacts(store)[-9:]]
        race(store.send, partial(record, store, batch, *answers), *leaving)
        store.send()
        assert store.one("SELECT count(*) FROM subscriptions WHERE state = 'active'") == 0
        wrong = "SELECT count(*) FROM deliveries d JOIN subscriptions s ON s.id = d.subscription_id WHERE "
        assert store.one(wrong + "d.state = 'sent' AND s.state NOT IN ('notified', 'cancelled')") == 0
        assert store.one(wrong + "d.state = 'skipped' AND s.state <> 'cancelled'") == 0
        assert store.one(f"SELECT count(*) FROM deliveries WHERE subscription_id >= {people[0]}") == 9
        sent = [envelope.delivery_id for envelope in store.channel.sent]
        assert len(sent) == len(set(sent))
    settled(store)


def test_the_record_of_a_dead_address_meets_its_leaving_and_its_receipts(store: Store) -> None:
    """All of them end the same address: one lock order, whoever comes first."""
    for _ in rounds(7):
        queue(store, 8)
        batch, people = claim(store), contacts(store)[-8:]
        gone = [refused(envelope, "gone", Blame.address) for envelope in batch.envelopes]
        race(partial(record, store, batch, *gone), partial(bounce, store, batch), partial(leave, store, people))
        assert store.one("SELECT count(*) FROM deliveries WHERE state NOT IN ('failed', 'bounced')") == 0
        assert store.one("SELECT count(*) FROM subscriptions WHERE state <> 'cancelled'") == 0
        assert store.one("SELECT count(*) FROM suppressions WHERE reason NOT IN ('gone', 'bounced')") == 0
    settled(store)


def bounce(store: Store, batch: Batch) -> None:
    """Bring a receipt for each message of a batch, the last first."""
    for number in sorted(batch.rows, reverse=True):
        store.deliveries.record_receipt(Receipt(number, ReceiptStatus.bounced, "no_such_user", Blame.address))


def leave(store: Store, people: list[int]) -> None:
    for contact in people:
        store.subscriptions.unsubscribe(contact)


@pytest.mark.parametrize("doubt", [Doubt.resend_once, Doubt.at_most_once])
def test_a_late_answer_meets_whoever_looks_into_the_doubt(store: Store, doubt: Doubt) -> None:
    """The same messages in two orders: each ends once, by the one or the other."""
    store.channel.doubt = doubt
    for number in rounds(7):
        queue(store, 20)
        batch = claim(store)
        answers = [
            Outcome(n, Verdict.accepted) if n % 3 else Outcome(n, Verdict.deferred, "busy")
            for n in sorted(batch.rows, reverse=bool(number % 2))
        ]
        store.pass_time("deliveries", "lease_until", 60)
        store.deliveries.expire_leases()
        race(
            partial(record, store, batch, *answers[:10]),
            partial(record, store, batch, *answers[10:]),
            store.deliveries.resolve_unknown,
            store.deliveries.resolve_unknown,
        )
        assert store.one("SELECT count(*) FROM deliveries WHERE doubts > 1") == 0
        busy = "UPDATE deliveries SET next_at = now() + interval '1 hour' WHERE state = 'queued'"
        store.sql(busy)  # out of the next round's way
    settled(store)


def test_four_sweepers_take_each_lost_message_once(store: Store) -> None:
    for _ in rounds(6):
        queue(store, 30)
        claim(store)
        store.pass_time("deliveries", "lease_until", 60)
        taken = counted(lambda: store.deliveries.expire_leases(25))
        assert taken + store.deliveries.expire_leases() == 30
        looked = counted(lambda: store.deliveries.resolve_unknown(25))
        assert looked + store.deliveries.resolve_unknown() == 30
        assert store.one("SELECT max(doubts) FROM deliveries") == 1
        store.send()
    settled(store)
    sent = [envelope.delivery_id for envelope in store.channel.sent]
    assert len(sent) == len(set(sent)) == 30 * len(rounds(6))


def counted(step: Callable[[], int]) -> int:
    """Have four sweepers do a step at once; return what they did together."""
    done: list[int] = []
    race(*[lambda: done.append(step())] * 4)
    return sum(done)


def test_two_drains_of_one_lane_share_it(store: Store) -> None:
    """Each message leaves once, in no more claims than there are, and the lane is empty afterwards."""
    for _ in rounds(6):
        queue(store, 40)
        race(store.send, store.send, store.send)
    settled(store)
    sent = [envelope.delivery_id for envelope in store.channel.sent]
    assert len(sent) == len(set(sent)) == 40 * len(rounds(6))


def test_who_empties_a_lane_meets_who_puts_something_back(store: Store) -> None:
    """However a refusal of the moment and the next look at the lane fall, nothing is forgotten."""
    for _ in rounds(10):
        queue(store, 6)
        batch = store.deliveries.claim(EMAIL, 6)
        assert batch is not None
        busy = [Outcome(number, Verdict.deferred, "batch_time_over") for number in batch.rows]
        race(partial(record, store, batch, *busy), store.send, store.send)
        forgotten = """SELECT count(*) FROM deliveries d JOIN delivery_lanes lane ON lane.id = d.lane_id
            WHERE d.state = 'queued' AND (lane.next_at IS NULL OR lane.next_at > d.next_at)"""
        assert store.one(forgotten) == 0
    settled(store)


def test_a_withdrawal_meets_a_claim_and_a_record(store: Store) -> None:
    """Bought goods are not told of any more, unless the message was claimed before."""
    for _ in rounds(10):
        queue(store, 6)
        offers = [int(str(row[0])) for row in store.sql("SELECT id FROM offers ORDER BY id DESC LIMIT 6")]
        race(store.send, store.send, partial(withdraw, store, offers), partial(withdraw, store, offers[::-1]))
        assert store.one("SELECT count(*) FROM deliveries WHERE state NOT IN ('sent', 'skipped')") == 0
        sent = {envelope.delivery_id for envelope in store.channel.sent}
        assert sent == {row[0] for row in store.sql("SELECT id FROM deliveries WHERE state = 'sent'")}


def test_a_claim_that_holds_back_and_skips_meets_the_reading_it_asks_for(store: Store) -> None:
    """Some of a batch wait for a newer reading, some have left: the claim and the reading wait in no ring."""
    for _ in rounds(10):
        queue(store, 20)
        store.sql("UPDATE stock_readings SET source = 'admin', read_at = now() - interval '10 min'")
        store.sql("UPDATE subscriptions SET state = 'cancelled', open_offer_id = NULL WHERE id % 2 = 0")
        store.stock(None)
        race(lambda: store.deliveries.claim(EMAIL, 100), store.restocks.check_due, store.restocks.plan_due)
    settled(store)


def withdraw(store: Store, offers: list[int]) -> None:
    """Skip the messages of these offers, each by itself."""
    for offer in offers:
        with store.database.transaction() as session:
            DeliveryNotices().withdraw(session, store.shop.id, [offer])


def test_six_copies_of_every_receipt_meet_the_sweepers(store: Store) -> None:
    """Early, late, doubled: one news each, and no sweeper undoes it."""
    for _ in rounds(6):
        queue(store, 10, channel="sms")
        batch = claim(store, SMS)
        record(store, batch, *(unanswered(envelope) for envelope in batch.envelopes))
        store.pass_time("deliveries", "next_at", 60)
        numbers = sorted(batch.rows)
        news: list[bool] = []
        hear = [partial(deliver, store, numbers[:: (-1) ** copy], news) for copy in range(6)]
        race(*hear, store.deliveries.resolve_unknown)
        assert news.count(True) == 10
        assert store.states("deliveries").keys() == {"delivered"}
        assert store.one("SELECT count(*) FROM offers WHERE accepted_at IS NULL") == 0


def deliver(store: Store, numbers: list[int], news: list[bool]) -> None:
    """Bring a receipt for each of these, and note which was news."""
    news += [store.deliveries.record_receipt(Receipt(number, ReceiptStatus.delivered)) for number in numbers]


def test_a_provider_that_goes_down_and_comes_back_meets_new_messages(store: Store) -> None:
    """Whatever is queued meanwhile, two workers find out at once, and nothing is forgotten."""
    for number in rounds(6):
        store.join(5, variant=VARIANT + number)
        store.stock(None, variant=VARIANT + number)
        store.restocks.check_due()
        store.channel.answer = away if number % 2 else accepted
        race(store.send, store.plan, store.send)
        store.plan()
        forgotten = (
            "SELECT count(*) FROM deliveries d JOIN delivery_lanes l ON d.lane_id = l.id WHERE d.state = 'queued'"
        )
        assert store.one(f"{forgotten} AND l.next_at IS NULL") == 0
    store.channel.answer = accepted
    settled(store)
    assert store.states("deliveries") == {"sent": 5 * len(rounds(6))}


def away(envelope: Envelope) -> Outcome:
    return Outcome(envelope.delivery_id, Verdict.deferred, "refused_connection", Blame.provider)


def accepted(envelope: Envelope) -> Outcome:
    return Outcome(envelope.delivery_id, Verdict.accepted)
