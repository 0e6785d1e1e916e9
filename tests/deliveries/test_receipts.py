"""What a provider says later, in every order, on a real database."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import permutations

import pytest

from restock.channels.values import Blame, ChannelName, Doubt, Outcome, Receipt, ReceiptStatus, Verdict
from restock.deliveries.values import Batch
from tests.restocks.store import RecordingChannel, Store, together, unanswered

SMS = ChannelName.sms
UNDERWAY, DELIVERED, BOUNCED = ReceiptStatus.underway, ReceiptStatus.delivered, ReceiptStatus.bounced
COMPLAINED = ReceiptStatus.complained


@pytest.fixture
def store(clean_database: str) -> Iterator[Store]:
    """A shop that reaches people by text message only."""
    store = Store(clean_database, [RecordingChannel(SMS, Doubt.at_most_once)])
    store.set(policy="strict")
    yield store
    store.close()


def waiting(store: Store, count: int, units: int | None = None) -> None:
    store.join(count, channel="sms")
    store.restock(count if units is None else units)


def claim(store: Store) -> Batch:
    batch = store.deliveries.claim(SMS, 1000)
    assert batch is not None
    return batch


def commit(store: Store, batch: Batch, verdict: Verdict = Verdict.accepted) -> None:
    """Record the hand-over of a whole batch, as the worker that has it does."""
    store.deliveries._sending.recording.record(batch, [Outcome(i, verdict, "answer") for i in batch.rows], 0)


def say(store: Store, status: ReceiptStatus, delivery_id: int | None = None, **more: str | Blame) -> bool:
    """Bring a receipt of the only delivery, or of this one."""
    which = delivery_id or int(str(store.one("SELECT id FROM deliveries")))
    reason = "handset_unreachable" if status is BOUNCED else ""
    return store.deliveries.record_receipt(Receipt(which, status, **({"reason": reason} | more)))  # type: ignore[arg-type]


def bring_to(store: Store, state: str) -> None:
    """Have one person waiting whose message is in this state."""
    waiting(store, 1)
    if state == "queued":
        return
    batch = claim(store)
    if state == "sending":
        return
    if state in ("unknown", "unknown for good", "queued again"):
        commit(store, batch, Verdict.unanswered)
        if state != "unknown":
            store.channel.known = dict.fromkeys(batch.rows, False) if state == "queued again" else {}
            store.pass_time("deliveries", "next_at", 60)
            store.deliveries.resolve_unknown()
    elif state == "failed":
        commit(store, batch, Verdict.refused)
    else:
        commit(store, batch)
        if state != "sent":
            assert say(store, ReceiptStatus(state))


# From a state, what each receipt makes of it; where none is named, nothing changes.
MOVES: Mapping[str, Mapping[ReceiptStatus, str]] = {
    "sending": {UNDERWAY: "sent", DELIVERED: "delivered", BOUNCED: "bounced", COMPLAINED: "complained"},
    "unknown": {UNDERWAY: "sent", DELIVERED: "delivered", BOUNCED: "bounced", COMPLAINED: "complained"},
    "unknown for good": {UNDERWAY: "sent", DELIVERED: "delivered", BOUNCED: "bounced", COMPLAINED: "complained"},
    "queued again": {UNDERWAY: "sent", DELIVERED: "delivered"},
    "sent": {DELIVERED: "delivered", BOUNCED: "bounced", COMPLAINED: "complained"},
    "delivered": {COMPLAINED: "complained"},
    "bounced": {},
    "complained": {},
    "failed": {},
}


@pytest.mark.parametrize("status", ReceiptStatus)
@pytest.mark.parametrize("state", MOVES)
def test_each_receipt_moves_each_state_forward_or_not_at_all(store: Store, state: str, status: ReceiptStatus) -> None:
    bring_to(store, state)
    query = "SELECT d.*, o.state, o.accepted_at, o.ends_at, s.state FROM deliveries d, offers o, subscriptions s"
    before = store.sql(query)
    moved_to = MOVES[state].get(status)
    assert say(store, status) is (moved_to is not None)
    if moved_to is None:
        assert store.sql(query) == before
        return
    assert store.states("deliveries") == {moved_to: 1}
    ends = "SELECT sent_at IS NOT NULL, finished_at IS NOT NULL, token, lease_until FROM deliveries"
    assert store.sql(ends) == [(True, status is not UNDERWAY, None, None)]
    after = store.sql(query)
    assert not say(store, status), "the same receipt again is no news"
    assert store.sql(query) == after


@pytest.mark.parametrize("order", list(permutations([UNDERWAY, DELIVERED, "our own record"])), ids=str)
def test_in_every_order_a_message_that_arrived_ends_delivered_and_starts_its_turn_once(
    store: Store, order: tuple[object, ...]
) -> None:
    waiting(store, 1)
    batch = claim(store)
    turns = []
    for step in order:
        if isinstance(step, ReceiptStatus):
            say(store, step, provider_message_id="SM1")
        else:
            commit(store, batch)
        turns.append(store.sql("SELECT state, accepted_at, ends_at FROM offers"))
        store.pass_time("deliveries", "sent_at", 1)
    assert store.states("deliveries") == {"delivered": 1}
    assert store.states("subscriptions") == {"notified": 1}
    assert store.one("SELECT provider_message_id FROM deliveries") == "SM1"
    assert turns[-1][0][:1] == ("open",)
    assert all(turn == turns[-1] for turn in turns), "the first step starts the turn, and no other changes its end"


@pytest.mark.parametrize("verdict", [Verdict.refused, Verdict.deferred, Verdict.unanswered])
def test_the_late_record_of_a_worker_never_undoes_a_receipt(store: Store, verdict: Verdict) -> None:
    waiting(store, 1)
    batch = claim(store)
    assert say(store, UNDERWAY)
    commit(store, batch, verdict)
    store.pass_time("deliveries", "next_at", 3600)
    assert store.deliveries.expire_leases() == store.deliveries.resolve_unknown() == 0
    store.send()
    assert store.states("deliveries") == {"sent": 1}
    assert store.states("offers") == {"open": 1}
    assert store.channel.sent == []


def test_a_receipt_ends_the_doubt_about_a_lost_worker(store: Store) -> None:
    waiting(store, 1)
    claim(store)
    store.pass_time("deliveries", "lease_until", 60)
    store.deliveries.expire_leases()
    assert say(store, DELIVERED)
    assert store.deliveries.resolve_unknown() == 0
    assert store.states("subscriptions") == {"notified": 1}


def test_a_message_queued_again_that_had_arrived_after_all_is_not_sent_twice(store: Store) -> None:
    """Asked too early, a provider may not have known of it."""
    bring_to(store, "queued again")
    assert say(store, DELIVERED)
    store.send()
    assert store.channel.sent == []
    assert store.states("subscriptions") == {"notified": 1}


def test_the_end_of_an_earlier_attempt_is_not_the_end_of_the_next(store: Store) -> None:
    waiting(store, 1)
    commit(store, claim(store))
    store.sql("UPDATE deliveries SET provider_message_id = 'SM2'")
    assert not say(store, BOUNCED, provider_message_id="SM1")
    assert say(store, BOUNCED, provider_message_id="SM2")


@pytest.mark.parametrize("state", ["sending", "unknown"])
def test_a_message_that_came_back_before_it_counted_gives_the_offer_back(store: Store, state: str) -> None:
    """The person keeps the place for the next restock, and the units are the next person's."""
    bring_to(store, state)
    late = store.join(1, channel="sms")
    assert say(store, BOUNCED)
    assert store.sql("SELECT state, reason FROM offers") == [("returned", "handset_unreachable")]
    assert store.sql("SELECT state, reason FROM deliveries") == [("bounced", "handset_unreachable")]
    assert store.states("subscriptions") == {"active": 2}
    store.plan()
    assert store.offered() == late
    store.restock(0)
    store.restock(2)
    assert len(store.offered()) == 2


def test_a_message_that_came_back_after_it_counted_ends_the_turn_for_the_next_in_line(store: Store) -> None:
    """The person stays told; nobody else's turn is touched, and no more units are offered than there are."""
    waiting(store, 3, units=2)
    first, second, third = (int(str(row[0])) for row in store.sql("SELECT id FROM subscriptions ORDER BY queued_at"))
    store.send()
    one = int(str(store.one("SELECT id FROM deliveries WHERE subscription_id = :id", id=first)))
    others = store.sql("SELECT * FROM offers WHERE subscription_id = :id", id=second)
    assert say(store, BOUNCED, one)
    assert not say(store, BOUNCED, one)
    store.plan()
    assert store.sql("SELECT state, reason FROM offers WHERE subscription_id = :id", id=first) == [("ended", "bounced")]
    assert store.sql("SELECT * FROM offers WHERE subscription_id = :id", id=second) == others
    assert store.offered() == [second, third]
    assert store.sql("SELECT state FROM subscriptions ORDER BY queued_at") == [
        ("notified",),
        ("notified",),
        ("active",),
    ]


@pytest.mark.parametrize(
    ("status", "reason", "suppressed"),
    [(BOUNCED, "landline", "bounced"), (BOUNCED, "opted_out", "stopped"), (COMPLAINED, "", "complained")],
)
@pytest.mark.parametrize("state", ["sending", "sent"])
def test_an_address_that_is_to_blame_is_never_written_to_again(
    store: Store, state: str, status: ReceiptStatus, reason: str, suppressed: str
) -> None:
    bring_to(store, state)
    for _ in range(2):
        say(store, status, reason=reason, blame=Blame.address)
    assert store.sql("SELECT reason FROM suppressions") == [(suppressed,)]
    assert store.one("SELECT count(*) FROM subscriptions WHERE state = 'active'") == 0


def test_a_message_without_an_offer_has_receipts_too(store: Store) -> None:
    waiting(store, 1, units=0)
    contact = int(str(store.one("SELECT contact_id FROM subscriptions")))
    store.deliveries.queue_test(store.shop.id, contact, SMS)
    store.send()
    assert say(store, BOUNCED, blame=Blame.address, reason="landline")
    assert store.states("deliveries") == {"bounced": 1}
    assert store.sql("SELECT reason FROM suppressions") == [("bounced",)]


def test_a_receipt_of_a_delivery_that_is_gone_is_no_news(store: Store) -> None:
    assert not say(store, DELIVERED, 2**63 - 1)


@pytest.mark.parametrize("lost", [False, True])
def test_receipts_and_our_own_record_at_once_agree(store: Store, lost: bool) -> None:
    """Sixty messages, three quarters arriving, their receipts doubled, shuffled, and racing the worker's own record."""
    waiting(store, 60)
    batch = claim(store)
    ids = sorted(batch.rows)
    gone = set(ids[::4])
    told = [(i, BOUNCED if i in gone else DELIVERED) for i in ids] * 2 + [(i, UNDERWAY) for i in ids]
    random.Random(7).shuffle(told)

    def receive(part: int) -> None:
        for delivery_id, status in told[part::4]:
            say(store, status, delivery_id)

    own: list[Callable[[], object]]
    if lost:
        store.pass_time("deliveries", "lease_until", 60)
        own = [store.deliveries.expire_leases, store.deliveries.resolve_unknown, store.restocks.plan_due]
    else:
        own = [lambda: commit(store, batch), store.restocks.end_turns, store.restocks.plan_due]
    assert together(*own, *(partial(receive, part) for part in range(4))) == []
    assert {row[0] for row in store.sql("SELECT id FROM deliveries WHERE state = 'bounced'")} == gone
    assert store.states("deliveries") == {"delivered": 45, "bounced": 15}
    told_people = "SELECT count(*) FROM offers WHERE id IN (SELECT offer_id FROM deliveries WHERE state = 'delivered')"
    assert store.one(told_people + " AND state = 'open' AND accepted_at IS NOT NULL") == 45
    assert store.one("SELECT count(*) FROM offers WHERE state IN ('returned', 'ended')") == 15
    released = "SELECT count(*) FROM offers o JOIN subscriptions s ON s.id = o.subscription_id WHERE o.state = "
    assert store.one(released + "'returned' AND s.state <> 'active'") == 0
    assert store.one(released + "'ended' AND s.state <> 'notified'") == 0


def test_many_copies_of_one_receipt_are_one_news(store: Store) -> None:
    waiting(store, 1)
    store.channel.answer = unanswered
    store.send()
    news: list[bool] = []
    assert together(*[lambda: news.append(say(store, DELIVERED))] * 8) == []
    assert sorted(news) == [False] * 7 + [True]


def test_an_e_mail_is_found_by_the_name_its_provider_gave_it_in_its_own_shop_alone(store: Store) -> None:
    waiting(store, 2)
    batch = claim(store)
    [first, second] = [envelope.delivery_id for envelope in batch.envelopes]
    commit(store, batch)
    store.sql(
        f"UPDATE deliveries SET provider_message_id = 'name-' || id, channel = 'email' WHERE id = {first} RETURNING 1"
    )
    store.sql(
        f"UPDATE deliveries SET provider_message_id = 'name-' || id, channel = 'sms' WHERE id = {second} RETURNING 1"
    )
    assert store.deliveries.sent_as(f"name-{first}", store.shop.id) == first
    assert store.deliveries.sent_as(f"name-{first}", store.shops.add("other").id) is None
    assert store.deliveries.sent_as(f"name-{second}", store.shop.id) is None
    assert store.deliveries.sent_as("", store.shop.id) is None


def test_a_delivery_is_found_by_the_identity_it_was_handed_over_with_and_by_no_other(store: Store) -> None:
    """Two instances may send by one account, and number their deliveries alike."""
    waiting(store, 2)
    batch = claim(store)
    commit(store, batch)
    identities = {envelope.delivery_id: envelope.identity for envelope in batch.envelopes}
    other = store.shops.add("other")
    for number, name in identities.items():
        assert store.deliveries.named(name, store.shop.id) == number
        assert store.deliveries.named(name, other.id) is None
    first, second = identities.values()
    mixed = f"{first.partition('-')[0]}-{second.partition('-')[2]}"
    for name in (mixed, first.upper(), first[1:], f"r{first}", first[:-1], "r1", "r", "", "r²-x", "r" + "9" * 30):
        assert store.deliveries.named(name, store.shop.id) is None, name
    store.sql("UPDATE deliveries SET dedupe_key = '' WHERE id = (SELECT min(id) FROM deliveries) RETURNING 1")
    found = [store.deliveries.named(name, store.shop.id) for name in identities.values()]
    assert found.count(None) == 1, "what is erased is found no more"
