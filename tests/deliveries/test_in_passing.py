"""What is recorded in passing is what would be recorded by waiting for it: the same rows, the same fence, once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from restock.channels.values import ChannelName, Outcome, Verdict
from restock.deliveries.service.recording import Recording
from restock.deliveries.values import Batch
from tests.restocks.store import Store

EMAIL = ChannelName.email
COUNT = 40
_TABLES = (
    "deliveries",
    "offers",
    "subscriptions",
    "intents",
    "subscription_events",
    "contacts",
    "restock_events",
    "waves",
)
OPEN_INTENTS = "SELECT count(*) FROM intents WHERE closed_at IS NULL"
_OWN = ("id", "address", "token", "hash", "dedupe_key")  # of one person alone
_INTENTS = """
    INSERT INTO intents (id, shop_id, customer_id, subscription_id, contact_id, channel, variant_id, product_id,
        quantity, source)
    SELECT gen_random_uuid(), shop_id, opener_customer_id, id, contact_id, channel, variant_id, product_id, quantity,
        'widget'
    FROM subscriptions RETURNING id
"""
Writes = Callable[[Recording, Batch, Sequence[Outcome]], object]


def in_passing(recording: Recording, batch: Batch, told: Sequence[Outcome]) -> None:
    flight = recording.launch([(batch, told)])
    assert flight is not None
    flight.rows()


def waiting(recording: Recording, batch: Batch, told: Sequence[Outcome]) -> None:
    recording.record(batch, told, 0.0)


WAYS = pytest.mark.parametrize(("first", "then"), [(in_passing, waiting), (waiting, in_passing)])


@pytest.fixture(params=[{}, {"policy__reminder_count": "1"}, {"policy__turn_minutes": "7"}])
def store(clean_database: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    store = Store(clean_database)
    store.set(**request.param)
    yield store
    store.close()


@pytest.fixture
def batch(store: Store) -> Batch:
    store.join(COUNT)
    store.sql(_INTENTS)
    store.restock(COUNT)
    batch = store.deliveries._sending.claiming.claim(EMAIL, COUNT, 30.0)
    assert batch is not None
    assert len(batch.rows) == COUNT
    return batch


def taken(ids: Sequence[int]) -> list[Outcome]:
    return [Outcome(one, Verdict.accepted, provider_message_id=f"<{one}>" if one % 2 else None) for one in ids]


def everything(store: Store) -> dict[str, list[Any]]:
    return {
        table: [row for (row,) in store.sql(f"SELECT to_jsonb(t) FROM {table} t ORDER BY t::text")] for table in _TABLES
    }


def shape(rows: Sequence[Any]) -> list[str]:
    """What rows say but for whom they are about and when it was, once each."""

    def said(key: str, value: object) -> object:
        return value is None if key.endswith(("_at", "_until", "_id")) else value

    kept = [
        {k: said(k, v) for k, v in row.items() if k.endswith(("_at", "_until")) or not k.endswith(_OWN)} for row in rows
    ]
    return sorted({str(sorted(row.items())) for row in kept})


def test_both_ways_write_the_same(store: Store, batch: Batch) -> None:
    recording, ids = store.deliveries._sending.recording, sorted(batch.rows)
    ways: dict[str, tuple[Writes, list[int]]] = {"passing": (in_passing, ids[::2]), "waiting": (waiting, ids[1::2])}
    for write, half in ways.values():
        write(recording, batch, [Outcome(one, Verdict.accepted, provider_message_id="<one>") for one in half])
    rows = {
        "deliveries": "SELECT to_jsonb(d) FROM deliveries d WHERE id = ANY(:ids)",
        "offers": "SELECT to_jsonb(o) || jsonb_build_object('turn', ends_at - accepted_at, 'reminds', "
        "remind_at - accepted_at) FROM offers o JOIN deliveries d ON d.offer_id = o.id WHERE d.id = ANY(:ids)",
        "subscriptions": "SELECT to_jsonb(s) FROM subscriptions s JOIN deliveries d ON d.subscription_id = s.id"
        " WHERE d.id = ANY(:ids)",
        "intents": "SELECT to_jsonb(i) FROM intents i JOIN deliveries d USING (subscription_id) WHERE d.id = ANY(:ids)",
    }
    for name, statement in rows.items():
        one, other = (shape([row for (row,) in store.sql(statement, ids=half)]) for _, half in ways.values())
        assert one == other, name
        assert one, name
    assert store.states("deliveries") == {"sent": COUNT}
    assert store.states("subscriptions") == {"notified": COUNT}
    assert store.one(OPEN_INTENTS) == 0


@WAYS
def test_a_repeat_changes_nothing_whichever_way_it_was_written_first(
    store: Store, batch: Batch, first: Writes, then: Writes
) -> None:
    """The connection was lost behind the commit: nobody heard of it, and it is written again."""
    recording, told = store.deliveries._sending.recording, taken(sorted(batch.rows))
    first(recording, batch, told)
    before = everything(store)
    then(recording, batch, told)
    assert everything(store) == before


@pytest.mark.parametrize("write", [in_passing, waiting])
def test_what_others_have_taken_over_stays_theirs(store: Store, batch: Batch, write: Writes) -> None:
    ids = sorted(batch.rows)
    store.sql(
        "UPDATE deliveries SET token = :token WHERE id = ANY(:ids) RETURNING id", token=uuid.uuid4(), ids=ids[:10]
    )
    store.sql(
        "UPDATE deliveries SET state = 'queued', token = NULL, lease_until = NULL WHERE id = ANY(:ids) RETURNING id",
        ids=ids[10:20],
    )
    store.sql(
        "UPDATE deliveries SET state = 'unknown', lease_until = NULL WHERE id = ANY(:ids) RETURNING id", ids=ids[20:30]
    )
    write(store.deliveries._sending.recording, batch, taken(ids))
    assert store.states("deliveries") == {"sending": 10, "queued": 10, "sent": 20}
    assert store.one("SELECT count(*) FROM offers WHERE accepted_at IS NOT NULL") == 20
    assert store.states("subscriptions") == {"active": 20, "notified": 20}
    assert store.one(OPEN_INTENTS) == 20
