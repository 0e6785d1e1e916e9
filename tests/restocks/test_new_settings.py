"""A merchant's changed settings are acted on at once, whatever is being planned at that moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from restock.deliveries.service import DeliveryNotices
from restock.links import Vault
from restock.reports.service import ReportService
from restock.reports.values.reason import ReasonCode
from restock.restocks.rules.new_settings import shares_otherwise
from restock.restocks.service import RestockService
from restock.shops.rules import SETTINGS, merge_settings, read_changes, read_settings
from restock.shops.service import ShopService
from restock.shops.values import Shop
from tests.restocks.at_once import no_deadlock, race, rounds
from tests.restocks.store import KEY, VARIANT, Store


@pytest.fixture(autouse=True)
def nobody_waits_in_a_ring(store: Store) -> Iterator[None]:
    with no_deadlock(store.database):
        yield


def reason(store: Store, subscription: int) -> ReasonCode:
    place = ReportService(store.database).explain(store.shop, subscription)
    assert place is not None
    return place.why.code


@pytest.mark.parametrize(
    ("units", "changes", "reached"),
    [
        (2, {"policy.factor": "2"}, 4),
        (2, {"policy": "everyone"}, 6),
        (1, {"policy.quantity_rule": "ignore"}, 1),
        (2, {"policy.order": "newest"}, 2),
    ],
)
def test_whoever_is_reached_by_new_settings_is_planned_at_the_next_step(
    store: Store, units: int, changes: dict[str, str], reached: int
) -> None:
    """No look at stock is needed for it, no turn has to end, and the reason follows."""
    store.set(policy="strict")
    people = store.join(6, quantity=2 if units == 1 else 1)
    store.restock(units)
    first = store.offered()
    assert store.one("SELECT count(*) FROM restock_events WHERE plan_at IS NOT NULL") == 0
    store.set(**{key.replace(".", "__"): value for key, value in changes.items()})
    store.plan()
    assert len(store.offered()) == reached
    for person in set(store.offered()) - set(first):
        assert reason(store, person) is ReasonCode.message_queued
    left = set(people) - set(store.offered())
    assert {reason(store, person) for person in left} <= {ReasonCode.all_offered, ReasonCode.not_enough_free}


def test_the_reason_is_the_new_one_after_the_next_step(store: Store) -> None:
    store.set(policy="strict", policy__factor="1")
    ada, bo = store.join(2)
    store.restock(1)
    assert (reason(store, ada), reason(store, bo)) == (ReasonCode.message_queued, ReasonCode.all_offered)
    store.set(policy__factor="2")
    assert reason(store, bo) is ReasonCode.being_planned
    store.plan()
    assert reason(store, bo) is ReasonCode.message_queued


def test_fewer_turns_are_given_from_the_save_on_and_none_is_taken_back(store: Store) -> None:
    store.set(policy="strict", policy__factor="3")
    store.join(6)
    store.restock(1)
    told = store.offered()
    assert len(told) == 3
    store.set(policy__factor="1")
    store.plan()
    assert store.offered() == told


@pytest.mark.parametrize(
    "changes", [{"name": "Mugs"}, {"policy": "strict"}, {"alerts__hour": "9"}, {"expire_days": "9"}]
)
def test_what_decides_nothing_leaves_restocks_alone(store: Store, changes: dict[str, str]) -> None:
    store.set(policy="strict")
    store.join(3)
    store.restock(1)
    store.set(**changes)
    assert store.one("SELECT count(*) FROM restock_events WHERE plan_at IS NOT NULL") == 0


@pytest.mark.parametrize("key", sorted(SETTINGS))
def test_every_setting_of_sharing_and_of_reading_decides(key: str) -> None:
    """A new setting has to be put on one side or the other."""
    tried = {
        "channels": "email", "publication_check": "any", "locations": "5", "markets": "5=DE", "country": "DE",
        "policy": "everyone", "policy.factor": "3", "policy.turn_minutes": "9", "policy.minimum_units": "4",
        "policy.quantity_rule": "ignore", "policy.order": "newest", "policy.priority_tag": "VIP",
        "policy.max_offers": "2", "policy.reminder_count": "1", "policy.reminder_hours": "5",
        "send_hours.email": "9-20", "send_hours.sms": "any", "send_hours.push": "9-20",
        "sms.countries": "DE", "sms.daily_cap": "5",
    }  # fmt: skip
    beside = {"name", "currency", "locale", "origins", "product_url_template", "expire_days", "attribution_days"}
    if key in beside or key.startswith(("alerts.", "double_opt_in.")) or key == "legacy_errors":
        assert key not in tried
        return
    change = read_changes({key: tried[key]})
    assert not change.faults
    assert shares_otherwise(read_settings({}), read_settings(merge_settings({}, change)))


def test_other_shops_are_left_alone(store: Store) -> None:
    other = store.shops.add("other")
    for shop in (store.shop, other):
        store.join(3, shop=shop)
        store.restock(1, shop=shop)
    store.set(policy="strict", policy__factor="2")
    assert store.sql("SELECT shop_id FROM restock_events WHERE plan_at IS NOT NULL") == [(store.shop.id,)]


def test_thousands_of_open_restocks_are_one_statement(store: Store) -> None:
    """What is to be planned is said; nothing is planned in the save."""

    def statements(factor: str) -> int:
        counted: list[str] = []

        def count(*said: object) -> None:
            counted.append(str(said[2]))

        event.listen(store.database.engine, "before_cursor_execute", count)
        store.set(policy__factor=factor)
        event.remove(store.database.engine, "before_cursor_execute", count)
        return len(counted)

    store.set(policy="strict")
    store.join(2)
    store.restock(1)
    few = statements("2")
    store.plan()
    store.sql("INSERT INTO restock_events (shop_id, variant_id) SELECT :shop, n FROM generate_series(1, 3000) n",
              shop=store.shop.id)  # fmt: skip
    assert statements("3") == few
    assert store.one("SELECT count(*) FROM restock_events WHERE plan_at <= now()") == 3001


def test_where_stock_is_read_otherwise_it_is_read_again_at_once(store: Store) -> None:
    store.join(3)
    store.restock(2)
    assert store.one("SELECT count(*) FROM stock_checks") == 0
    store.set(locations="7")
    assert store.sql("SELECT variant_id FROM stock_checks WHERE due_at <= now()") == [(VARIANT,)]
    store.check()
    assert store.one("SELECT close_reason FROM restock_events") == "sold_out", "nothing is there"


def opens_in(hours: int) -> str:
    first = (datetime.now(UTC).hour + hours) % 24
    return f"{first}-{(first + 1) % 24 or 24}"


def test_a_message_that_waits_for_its_hour_leaves_when_the_hours_are_widened(store: Store) -> None:
    store.set(policy="strict", send_hours__email=opens_in(5))
    people = store.join(3)
    store.restock(2)
    store.send()
    assert store.channel.sent == []
    assert {reason(store, person) for person in people[:2]} == {ReasonCode.message_asleep}
    store.set(send_hours__email="any")
    assert {reason(store, person) for person in people[:2]} == {ReasonCode.message_queued}
    store.send()
    assert len(store.channel.sent) == 2


def test_a_message_that_still_sleeps_by_new_hours_waits_until_those(store: Store) -> None:
    store.set(policy="strict", send_hours__email=opens_in(3))
    store.join(2)
    store.restock(2)
    store.set(send_hours__email=opens_in(6))
    store.send()
    assert store.channel.sent == []
    hours = "SELECT DISTINCT ceil(extract(epoch FROM next_at - now()) / 3600)::int FROM deliveries"
    assert store.sql(hours) == [(6,)]
    assert store.states("deliveries") == {"queued": 2}


def test_who_sleeps_too_long_by_the_old_hours_is_planned_by_the_new(store: Store) -> None:
    store.set(policy="strict", send_hours__email=opens_in(20))
    (person,) = store.join(1)
    store.restock(2)
    assert store.offered() == []
    assert reason(store, person) is ReasonCode.asleep
    store.set(send_hours__email="any")
    store.plan()
    assert store.offered() == [person]


def test_a_restock_that_begins_while_settings_are_saved_is_planned_by_the_new(store: Store) -> None:
    """It was not there when the others were named, and its planner could not see what was not committed."""
    store.set(policy="strict")
    store.join(4)
    store.stock(1)
    offered: list[int] = []

    def follow(session: Session, before: Shop, after: Shop) -> Callable[[], object]:
        then = store.restocks.settings_changed(session, before, after)
        store.check()
        offered.extend(store.offered())
        return then

    shops = ShopService(store.database, Vault([KEY]), follow=follow)
    store.shop = shops.change_settings(store.shop.domain, {"policy.factor": "3"})
    assert len(offered) == 1
    store.plan()
    assert len(store.offered()) == 3


def test_settings_saved_while_queues_are_planned_are_those_everybody_ends_up_by(store: Store) -> None:
    """Pages of several planners, restocks that begin and the save at the same moment: nothing looks at stock again."""
    store.set(policy="strict")
    variants = [VARIANT + number for number in range(3)]
    factors = ["2", "3", "everyone", "2.5"]
    for number, factor in enumerate(islice(cycle(factors), len(rounds(6)))):
        for variant in variants:
            store.join(20, variant=variant)
            store.stock(6, variant=variant)
        if number % 2:
            store.restocks.check_due()
        planner = RestockService(store.database, DeliveryNotices(), page_size=4)
        race(planner.plan_due, partial(store.set, policy__factor=factor), planner.plan_due, store.restocks.check_due)
        while store.restocks.check_due():
            pass
        store.plan()
        expected = 20 if factor == "everyone" else min(20, int(6 * float(factor)))
        for variant in variants:
            found = store.one(
                "SELECT count(*) FROM offers o JOIN subscriptions s ON s.id = o.subscription_id "
                "WHERE o.state = 'open' AND s.variant_id = :variant",
                variant=variant,
            )
            assert found == expected, (factor, variant)
        store.sql("DELETE FROM offers")
        store.sql("DELETE FROM deliveries")
        store.sql("UPDATE restock_events SET closed_at = now(), plan_at = NULL")
        store.sql("UPDATE subscriptions SET state = 'cancelled', open_offer_id = NULL")
        store.set(policy__factor="1")
