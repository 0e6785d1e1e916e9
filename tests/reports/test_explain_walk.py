"""Real stories on a real database: after each, everybody has exactly one reason, and the right one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from restock.channels.values import Blame, ChannelName
from restock.reports.repository import standing
from restock.reports.rules.sentences import say
from restock.reports.service import ReportService
from restock.reports.service.standing import Installation
from restock.reports.values.reason import ReasonCode
from restock.reports.values.standing import Place
from restock.restocks.repository.dryruns import open_turns
from restock.subscriptions.values import SuppressionReason
from tests.restocks.store import VARIANT, Store, deferred, refused, unanswered

Story = Callable[[Store], int]  # tells it, and returns the subscription it is about


def opens_in(hours: int) -> str:
    """Send hours of one hour a day that open in so many hours (UTC)."""
    first = (datetime.now(UTC).hour + hours) % 24
    return f"{first}-{(first + 1) % 24 or 24}"


def contact_of(store: Store, subscription: int) -> int:
    return int(str(store.one("SELECT contact_id FROM subscriptions WHERE id = :id", id=subscription)))


def sold_out(store: Store, count: int = 1, **more: object) -> list[int]:
    people = store.join(count, **more)  # type: ignore[arg-type]
    store.restock(0)
    return people


def strict(store: Store, units: int, count: int = 1, **more: object) -> list[int]:
    store.set(policy="strict")
    people = store.join(count, **more)  # type: ignore[arg-type]
    store.restock(units)
    return people


def told(store: Store, units: int = 1, count: int = 1) -> list[int]:
    people = strict(store, units, count)
    store.send()
    return people


def missed(store: Store) -> int:
    person = told(store)[0]
    store.restock(0)
    store.restocks.end_turns()
    return person


def ended(reason: SuppressionReason) -> Story:
    def story(store: Store) -> int:
        (person,) = sold_out(store)
        contact = contact_of(store, person)
        store.in_transaction(lambda s: store.subscriptions.suppress(s, store.shop.id, contact, reason))
        return person

    return story


def row_says(**columns: object) -> Story:
    """What a later post, an erasure or an unhappy delivery leaves in the row, which has tests of its own."""

    def story(store: Store) -> int:
        (person,) = sold_out(store)
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        store.sql(f"UPDATE subscriptions SET {changes} WHERE id = :id", id=person, **columns)
        return person

    return story


def uninstalled(store: Store) -> int:
    (person,) = sold_out(store)
    store.sql("UPDATE shops SET state = 'uninstalled'")
    store.shop = store.shops.named("demo")
    return person


def unconfirmed(store: Store) -> int:
    return store.join(1, state="pending")[0]


def suppressed(store: Store) -> int:
    person = unconfirmed(store)
    store.sql("INSERT INTO suppressions SELECT shop_id, address_hash, channel, 'bounced' FROM contacts")
    return person


def channel_off(store: Store) -> int:
    (person,) = sold_out(store)
    store.set(channels="sms")
    return person


def country_off(store: Store) -> int:
    (person,) = store.join(1, channel="sms")
    store.sql("UPDATE contacts SET address = '+18765551234' WHERE channel = 'sms'")
    store.set(country="DE")
    return person


def waiting_for(reason: str) -> Story:
    def story(store: Store) -> int:
        (person,) = strict(store, 1)
        store.sql("UPDATE deliveries SET reason = :reason, next_at = now() + interval '1 hour'", reason=reason)
        return person

    return story


def lagging(store: Store) -> int:
    (person,) = sold_out(store)
    store.sql("UPDATE stock_readings SET lagging_since = now()")
    return person


def below_minimum(store: Store) -> int:
    store.set(policy__minimum_units="5")
    person = store.join(1)[0]
    store.restock(3)
    return person


def held_back(store: Store) -> int:
    person = below_minimum(store)
    store.set(policy__minimum_units="")
    store.restock(3)
    return person


def beginning(store: Store) -> int:
    store.restock(3)
    return store.join(1)[0]


def undelivered(store: Store) -> int:
    store.channel.answer = refused
    person = told(store)[0]
    store.restock(0)
    return person


def not_told_in_time(store: Store) -> int:
    person = strict(store, 1)[0]
    store.restock(0)
    store.send()
    return person


def being_planned(store: Store) -> int:
    strict(store, 2)
    return store.join(1)[0]


def not_in_market(store: Store) -> int:
    store.set(markets="7=DE")
    people = store.join(2)
    store.sql("UPDATE subscriptions SET market_id = 7 WHERE id = :id", id=people[1])
    store.sql(
        "INSERT INTO market_views (shop_id, variant_id, country, published, read_at)"
        " VALUES (:s, :v, 'DE', false, now())",
        s=store.shop.id,
        v=VARIANT,
    )
    store.restock(3)
    return people[1]


def tried(store: Store) -> int:
    store.channel.answer = refused
    return told(store)[0]


def declined(store: Store) -> int:
    person = told(store)[0]
    store.restocks.decline(int(str(store.one("SELECT id FROM deliveries"))))
    return person


def asleep(store: Store) -> int:
    store.set(send_hours__email=opens_in(14))
    return strict(store, 1)[0]


def message_asleep(store: Store) -> int:
    store.set(send_hours__email=opens_in(3))
    return strict(store, 1)[0]


def lent_on(store: Store) -> int:
    person = message_asleep(store)
    store.pass_time("offers", "kept_until", 13 * 3600)
    store.restocks.end_turns()
    return person


def stale(store: Store) -> int:
    person = strict(store, 1)[0]
    store.sql("UPDATE stock_readings SET source = 'admin', read_at = now() - interval '1 hour'")
    store.send()
    return person


def retrying(store: Store) -> int:
    store.channel.answer = deferred
    return told(store)[0]


def provider_down(store: Store) -> int:
    store.channel.answer = lambda envelope: deferred(envelope, Blame.provider)
    return told(store)[0]


def sending(store: Store) -> int:
    person = strict(store, 1)[0]
    store.sql("UPDATE deliveries SET state = 'sending', lease_until = now() + interval '1 minute'")
    return person


def doubted(store: Store) -> int:
    store.channel.answer = unanswered
    return told(store)[0]


def leaving(store: Store) -> int:
    person = sending(store)
    store.sql("UPDATE subscriptions SET end_reason = 'contact_changed'")
    return person


def going_back(store: Store) -> int:
    """Sold out, in the second before anybody takes the message back."""
    person = strict(store, 1)[0]
    store.stock(0)
    while store.restocks.check_due():
        pass
    return person


def turn_over(store: Store) -> int:
    person = told(store)[0]
    store.pass_time("offers", "ends_at", 3 * 3600)
    store.restocks.end_turns()
    return person


def bounced(store: Store) -> int:
    person = told(store)[0]
    store.sql("UPDATE deliveries SET state = 'bounced', reason = 'mailbox_full', finished_at = now()")
    return person


def passed_on(store: Store) -> int:
    person = told(store)[0]
    store.sql(
        """INSERT INTO subscriptions (shop_id, contact_id, channel, variant_id, product_id, quantity, state, expires_at)
        SELECT shop_id, contact_id, channel, variant_id, product_id, 1, 'active', expires_at FROM subscriptions"""
    )
    store.restock(0)
    store.restocks.end_turns()
    return person


def expired(store: Store) -> int:
    (person,) = sold_out(store)
    store.sql("UPDATE subscriptions SET expires_at = now()")
    store.subscriptions.expire_due()
    return person


def used_up(store: Store) -> int:
    person = told(store)[0]
    store.set(policy__max_offers="1")
    store.restock(0)
    return person


def left(store: Store) -> int:
    (person,) = sold_out(store)
    store.subscriptions.unsubscribe(contact_of(store, person))
    return person


STORIES: dict[ReasonCode, Story] = {
    ReasonCode.shop_uninstalled: uninstalled,
    ReasonCode.awaits_confirmation: unconfirmed,
    ReasonCode.suppressed: suppressed,
    ReasonCode.country_off: country_off,
    ReasonCode.channel_off: channel_off,
    ReasonCode.no_reading: lambda store: store.join(1)[0],
    ReasonCode.first_in_line: lambda store: sold_out(store, 2)[0],
    ReasonCode.behind: lambda store: sold_out(store, 2)[1],
    ReasonCode.lagging: lagging,
    ReasonCode.below_minimum: below_minimum,
    ReasonCode.held_back: held_back,
    ReasonCode.beginning: beginning,
    ReasonCode.undelivered: undelivered,
    ReasonCode.not_told_in_time: not_told_in_time,
    ReasonCode.missed: missed,
    ReasonCode.being_planned: being_planned,
    ReasonCode.all_offered: lambda store: strict(store, 1, 2)[1],
    ReasonCode.below_factor: lambda store: (store.set(policy__factor="0.5"), store.join(1), store.restock(1))[1][0],
    ReasonCode.not_enough_free: lambda store: (strict(store, 3, 1, quantity=2), store.join(1, quantity=2))[1][0],
    ReasonCode.wants_more: lambda store: strict(store, 1, 1, quantity=2)[0],
    ReasonCode.not_in_market: not_in_market,
    ReasonCode.tried: tried,
    ReasonCode.declined: declined,
    ReasonCode.asleep: asleep,
    ReasonCode.paused: row_says(paused_at=datetime.now(UTC)),
    ReasonCode.lent_on: lent_on,
    ReasonCode.message_queued: lambda store: strict(store, 1)[0],
    ReasonCode.message_asleep: message_asleep,
    ReasonCode.message_stale: stale,
    ReasonCode.message_retrying: retrying,
    ReasonCode.day_cap: waiting_for("day_cap"),
    ReasonCode.filtered: waiting_for("filtered_by_carriers"),
    ReasonCode.provider_down: provider_down,
    ReasonCode.message_sending: sending,
    ReasonCode.message_unanswered: doubted,
    ReasonCode.turn_going_back: going_back,
    ReasonCode.leaving: leaving,
    ReasonCode.turn_running: lambda store: told(store)[0],
    ReasonCode.told: turn_over,
    ReasonCode.message_bounced: bounced,
    ReasonCode.place_passed_on: passed_on,
    ReasonCode.bought: row_says(state="purchased", end_reason="bought"),
    ReasonCode.left: left,
    ReasonCode.stopped: ended(SuppressionReason.stopped),
    ReasonCode.address_dead: ended(SuppressionReason.bounced),
    ReasonCode.complained: ended(SuppressionReason.complained),
    ReasonCode.push_gone: ended(SuppressionReason.gone),
    ReasonCode.contact_changed: row_says(state="cancelled", end_reason="contact_changed"),
    ReasonCode.erased: row_says(state="cancelled", end_reason="redacted", contact_id=None),
    ReasonCode.expired: expired,
    ReasonCode.offers_used_up: used_up,
}


def everybody(store: Store) -> dict[int, Place]:
    """Ask for the reason of every subscription there is: each has one, with its sentence."""
    reports = ReportService(store.database, Installation({ChannelName.email: "email"}))
    places = {}
    for (person,) in store.sql("SELECT id FROM subscriptions"):
        place = reports.explain(store.shop, int(str(person)))
        assert place is not None
        assert place.reason == say(place.why)
        waits = place.facts.state in ("pending", "active")
        assert (place.position is not None) == waits
        places[int(str(person))] = place
    return places


@pytest.mark.parametrize("code", list(ReasonCode))
def test_each_story_ends_in_its_reason(store: Store, code: ReasonCode) -> None:
    person = STORIES[code](store)
    places = everybody(store)
    assert places[person].why.code is code


def test_the_list_and_the_single_reason_say_the_same(store: Store) -> None:
    strict(store, 2, 6)
    store.send()
    store.join(2, state="pending")
    store.join(2)
    store.sql("UPDATE subscriptions SET paused_at = now() WHERE id IN (SELECT max(id) - 1 FROM subscriptions)")
    single = everybody(store)
    waitlist = ReportService(store.database, Installation({ChannelName.email: "email"})).waitlist(store.shop, VARIANT)
    assert {place.facts.subscription_id: place.why for place in [*waitlist.waiting, *waitlist.left]} == {
        person: place.why for person, place in single.items()
    }


def test_a_stranger_s_subscription_has_no_reason_here(store: Store) -> None:
    (person,) = sold_out(store)
    other = store.shops.add("other")
    assert ReportService(store.database).explain(other, person) is None


def test_asking_for_reasons_changes_nothing(store: Store) -> None:
    strict(store, 1, 3)
    before = store.sql("SELECT xmin::text, id FROM subscriptions UNION ALL SELECT xmin::text, id FROM restock_events")
    everybody(store)
    with store.database.transaction() as session:
        after = session.execute(
            text("SELECT xmin::text, id FROM subscriptions UNION ALL SELECT xmin::text, id FROM restock_events")
        ).all()
    assert [tuple(row) for row in after] == before


def test_what_a_sold_out_restock_still_keeps_is_kept_from_the_next_in_every_account(store: Store) -> None:
    """Goods came again before the turns of the last restock were settled: planner, reason and dry run count alike."""
    *_, third = told(store, units=2, count=3)
    store.stock(0)
    while store.restocks.check_due():
        pass
    store.stock(2)
    while store.restocks.check_due():
        pass
    assert store.one("SELECT count(*) FROM restock_events WHERE settle_at IS NOT NULL") == 1
    place = ReportService(store.database).explain(store.shop, third)
    with store.database.transaction() as session:
        told_by_explain = standing.stock(session, store.shop.id, VARIANT).open_units
        told_by_dry_run = sum(open_turns(session, store.shop.id, VARIANT, 120).units_by_end.values())
    assert (told_by_explain, told_by_dry_run) == (2, 2)
    assert place is not None
    assert place.why.code is ReasonCode.all_offered
