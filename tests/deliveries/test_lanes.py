"""Whose lane is served next: the shop served longest ago, and of its lanes the one served longest ago."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest
from sqlalchemy import text

from restock.channels.values import ChannelName, NoticeKind
from restock.database import Database
from restock.deliveries.repository import claims, lanes, notices
from restock.deliveries.values import Lane, NewDelivery
from restock.shops.service import ShopService

EMAIL = ChannelName.email
_FILL = text("""
    INSERT INTO delivery_lanes (shop_id, channel, event_id, next_at)
    SELECT :shop_id, :channel, event_id, now() + make_interval(secs => :seconds)
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS event_id
""")
Fill = Callable[..., None]


@pytest.fixture
def fill(database: Database) -> Fill:
    """Give a shop the lanes of so many events, due so many seconds from now."""

    def run(shop_id: int, count: int, seconds: float = 0, channel: ChannelName = EMAIL, first: int = 1) -> None:
        values = {"shop_id": shop_id, "channel": channel.value, "seconds": seconds}
        with database.transaction() as session:
            session.execute(_FILL, values | {"first": first, "last": first + count - 1})

    return run


def pick(database: Database) -> Lane | None:
    with database.transaction() as session:
        return lanes.pick(session, EMAIL)


def picks(database: Database, count: int) -> Sequence[Lane]:
    return [lane for _ in range(count) if (lane := pick(database)) is not None]


@pytest.fixture
def shop_ids(shops: ShopService) -> list[int]:
    """Three shops, in the order of their ids."""
    return [shops.add(name).id for name in ("kettle", "teapot", "cup")]


def test_shops_take_turns_however_many_lanes_one_of_them_has(
    database: Database, fill: Fill, shop_ids: list[int]
) -> None:
    for shop_id, count in zip(shop_ids, (300, 2, 1), strict=True):
        fill(shop_id, count)
    found = picks(database, 30)
    for turn in range(0, 30, 3):
        assert {lane.shop_id for lane in found[turn : turn + 3]} == set(shop_ids)


def test_the_lanes_of_one_shop_take_turns_too(database: Database, fill: Fill, shop_ids: list[int]) -> None:
    fill(shop_ids[0], 5)
    first, second = picks(database, 5), picks(database, 5)
    assert {lane.event_id for lane in first} == {1, 2, 3, 4, 5}
    assert [lane.event_id for lane in second] == [lane.event_id for lane in first]


def test_a_shop_that_comes_new_is_served_before_all_that_were(
    database: Database, fill: Fill, shop_ids: list[int]
) -> None:
    fill(shop_ids[0], 100)
    fill(shop_ids[1], 100)
    picks(database, 10)
    fill(shop_ids[2], 1)
    assert picks(database, 1)[0].shop_id == shop_ids[2]


def test_a_shop_stands_behind_for_what_its_finished_lanes_were_served(
    database: Database, fill: Fill, shop_ids: list[int]
) -> None:
    """A thousand small restocks, each served at once and over, are still one shop's."""
    fill(shop_ids[0], 20)
    fill(shop_ids[1], 20)
    served: Counter[int] = Counter()
    for _ in range(20):
        [lane] = picks(database, 1)
        served[lane.shop_id] += 1
        with database.transaction() as session:
            lanes.settle(session, lane.id)  # nothing is in it
    assert served == {shop_ids[0]: 10, shop_ids[1]: 10}


def test_only_due_lanes_of_that_channel_are_served(database: Database, fill: Fill, shop_ids: list[int]) -> None:
    fill(shop_ids[0], 3, seconds=60)
    fill(shop_ids[1], 1, channel=ChannelName.sms)
    assert pick(database) is None
    fill(shop_ids[2], 1)
    assert {lane.shop_id for lane in picks(database, 4)} == {shop_ids[2]}


def test_a_lane_that_somebody_holds_is_passed_over_and_nobody_waits(
    database: Database, fill: Fill, shop_ids: list[int]
) -> None:
    fill(shop_ids[0], 1)
    fill(shop_ids[1], 1)
    with database.transaction() as session:
        held = lanes.pick(session, EMAIL)
        others = picks(database, 2)
    assert held is not None
    assert {lane.shop_id for lane in others} == set(shop_ids[:2]) - {held.shop_id}


def test_more_shops_than_a_walk_sees_are_all_served(database: Database) -> None:
    """Of 150 shops a walk sees 100; nobody is left out."""
    with database.transaction() as session:
        session.execute(text("INSERT INTO shops (domain) SELECT 'shop-' || n FROM generate_series(1, 150) n"))
        session.execute(
            text("INSERT INTO delivery_lanes (shop_id, channel, next_at) SELECT id, 'email', now() FROM shops")
        )
    served = Counter(lane.shop_id for lane in picks(database, 600))
    assert len(served) == 150
    assert max(served.values()) <= 12


def test_the_work_that_is_due_is_counted_by_channel(database: Database, fill: Fill, shop_ids: list[int]) -> None:
    """A lane that turns out empty counts as one, so that somebody comes and settles it; of very many, a part."""
    fill(shop_ids[0], 3)
    fill(shop_ids[1], 150, channel=ChannelName.sms)
    fill(shop_ids[2], 5, seconds=60, channel=ChannelName.push)
    with database.transaction() as session:
        assert lanes.due_by_channel(session, 10) == {EMAIL: 3, ChannelName.sms: 100}


QUEUED = text("""
    INSERT INTO deliveries (shop_id, lane_id, kind, channel, dedupe_key, next_at)
    SELECT shop_id, id, 'confirmation', channel, 'test:' || n, now() + make_interval(secs => :seconds)
    FROM delivery_lanes, generate_series(CAST(:first AS int), CAST(:last AS int)) n RETURNING id
""")
FRONT = "SELECT extract(epoch FROM now() - first_at)::float8, first_id FROM delivery_lanes"


def queue(database: Database, first: int, last: int, seconds: float = -60) -> list[int]:
    with database.transaction() as session:
        found = session.execute(QUEUED, {"first": first, "last": last, "seconds": seconds})
        return sorted(found.scalars())


def claim(database: Database, count: int) -> list[int]:
    lane = pick(database)
    assert lane is not None
    with database.transaction() as session:
        ids = [row.id for row in claims.take_due(session, lane, count)]
        claims.mark_sending(session, ids, uuid4(), 60)
    return ids


def test_a_lane_is_read_from_where_its_first_message_stands(
    database: Database, fill: Fill, shop_ids: list[int]
) -> None:
    """All that was claimed before is not walked past again, though all of it was due at the same moment."""
    fill(shop_ids[0], 1)
    ids = queue(database, 1, 30)
    assert [claim(database, 10), claim(database, 10)] == [ids[:10], ids[10:20]]
    with database.transaction() as session:
        _, first_id = session.execute(text(FRONT)).one()
    assert first_id == ids[10]  # as it was when the second claim began
    assert claim(database, 10) == ids[20:]


def test_what_somebody_else_holds_is_still_in_the_lane(database: Database, fill: Fill, shop_ids: list[int]) -> None:
    """A worker that dies in the middle of its claim takes nobody's message with it."""
    fill(shop_ids[0], 1)
    ids = queue(database, 1, 30)
    with database.transaction() as session:
        lane = pick(database)
        assert lane is not None
        held = [row.id for row in claims.take_due(session, lane, 10)]
        assert claim(database, 10) == ids[10:20]
        assert held == ids[:10]
        session.rollback()
    assert claim(database, 20) == ids[:10] + ids[20:]


@pytest.mark.parametrize("old_places", [False, True])
def test_what_is_put_in_before_all_others_is_next(
    database: Database, fill: Fill, shop_ids: list[int], old_places: bool
) -> None:
    fill(shop_ids[0], 1)
    queue(database, 1, 30)
    claim(database, 10)
    claim(database, 10)
    with database.transaction() as session:
        late = list(session.execute(QUEUED, {"first": 31, "last": 32, "seconds": -3600}).scalars())
        [lane_id] = session.execute(text("SELECT id FROM delivery_lanes")).scalars()
        lanes.advance(session, {lane_id: 0.0 if old_places else -3600.0}, old_places=old_places)
    assert claim(database, 2) == sorted(late)


def test_a_lane_whose_place_is_wrong_forgets_nobody(database: Database, fill: Fill, shop_ids: list[int]) -> None:
    fill(shop_ids[0], 1)
    ids = queue(database, 1, 30)
    with database.transaction() as session:
        session.execute(text("UPDATE delivery_lanes SET first_at = now(), first_id = 1000000"))
    assert claim(database, 50) == []
    with database.transaction() as session:
        [lane_id] = session.execute(text("SELECT id FROM delivery_lanes")).scalars()
        lanes.settle(session, lane_id)
    assert claim(database, 50) == ids


def test_a_lane_that_is_settled_while_it_is_filled_knows_what_was_put_in(
    database: Database, shop_ids: list[int]
) -> None:
    """Whoever settles it waits, and only then looks what there is."""
    with database.transaction() as session:
        lanes.ensure_lanes(session, [(shop_ids[0], EMAIL.value, 0)])
        lane_id = int(session.execute(text("SELECT id FROM delivery_lanes")).scalar_one())

    def settle() -> None:
        with database.transaction() as session:
            lanes.settle(session, lane_id)

    settler = threading.Thread(target=settle)
    with database.transaction() as session:
        notices.add(session, [NewDelivery(shop_ids[0], EMAIL.value, NoticeKind.test, "test:1", 1)])
        settler.start()
        settler.join(0.3)
        assert settler.is_alive()
    settler.join(30)
    with database.transaction() as session:
        assert session.execute(text("SELECT next_at <= now() FROM delivery_lanes")).scalar_one() is True
