"""Whose lane is served next: the shop served longest ago, and of its lanes the one served longest ago."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import text

from restock.channels.values import ChannelName
from restock.database import Database
from restock.deliveries.repository import lanes
from restock.deliveries.values import Lane
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
