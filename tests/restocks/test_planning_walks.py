"""A shop's restocks walked at random through the real services and tables, against what was promised about waves.

Several variants at once: stock comes, sells out and comes back between two pages of a walk; people come, leave, buy,
decline, sleep, pause and change what they want; settings change; messages fail. After every page and every step the
tables are held against the promises, counted anew here. At the end there is enough, and everybody has been told.
`PLANNING_WALKS=hunt` walks more, `long` much more.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import restock.catalog.repository as catalog
from restock.channels.values import Blame, ChannelName, Envelope, Outcome, Verdict
from restock.deliveries.service import DeliveryNotices
from restock.ids import address_hash
from restock.reports.service import ReportService
from restock.reports.values.reason import ReasonCode
from restock.restocks.repository.leaving import close_events
from restock.restocks.service import RestockService
from restock.restocks.service.purchases import PurchaseService
from restock.subscriptions.repository.queue import set_priority
from restock.subscriptions.values import ContactFacts, Order, OrderLine, Provenance, Signup
from tests.deliveries.watched import Hours
from tests.restocks.store import VARIANT, Store, deferred, refused, unanswered

EMAIL = ChannelName.email
VARIANTS = (VARIANT, VARIANT + 2)
MOST_PEOPLE = 14
ANSWERS: Mapping[str, Callable[[Envelope], Outcome]] = {
    "accepts": lambda e: Outcome(e.delivery_id, Verdict.accepted),
    "refuses": refused,
    "knows no such address": lambda e: Outcome(e.delivery_id, Verdict.refused, "gone", Blame.address),
    "is busy": deferred,
    "does not answer": unanswered,
}
CHANGES: Mapping[str, dict[str, str]] = {
    "strict": {"policy": "strict"},
    "fair": {"policy": "fair"},
    "everyone": {"policy": "everyone"},
    "half": {"policy.factor": "0.5"},
    "double": {"policy.factor": "2"},
    "newest": {"policy.order": "newest"},
    "oldest": {"policy.order": "oldest"},
    "ignore": {"policy.quantity_rule": "ignore"},
    "require": {"policy.quantity_rule": "require"},
    "four at least": {"policy.minimum_units": "4"},
    "one at least": {"policy.minimum_units": "1"},
    "one turn": {"policy.max_offers": "1"},
    "nine turns": {"policy.max_offers": "9"},
}
NOT_NOW = {"tried", "declined", "asleep", "lent_on"}  # whatever is free

# What is so whatever happens.
_ASTRAY = """
    SELECT 'a wave names somebody twice' AS fault, subscription_id AS id FROM offers
    GROUP BY wave_id, subscription_id HAVING count(*) > 1
    UNION ALL SELECT 'somebody has two turns', subscription_id FROM offers WHERE state = 'open'
    GROUP BY 2 HAVING count(*) > 1
    UNION ALL SELECT 'a wave gave more than it had', id FROM waves WHERE offered_units > free_units
    UNION ALL SELECT 'a wave began with less than nothing', id FROM waves WHERE free_units < 0
    UNION ALL SELECT 'a wave counts otherwise', w.id FROM waves w LEFT JOIN offers o ON o.wave_id = w.id
    GROUP BY w.id HAVING w.offered_count <> count(o.id) OR w.offered_units <> coalesce(sum(o.units), 0)
    UNION ALL SELECT 'holds what is not open', s.id FROM subscriptions s
    LEFT JOIN offers o ON o.id = s.open_offer_id AND o.state = 'open' AND o.subscription_id = s.id
    WHERE s.open_offer_id IS NOT NULL AND (o.id IS NULL OR s.state <> 'active')
    UNION ALL SELECT 'told and waiting', s.id FROM subscriptions s JOIN offers o ON o.subscription_id = s.id
    WHERE o.state = 'open' AND o.accepted_at IS NOT NULL AND s.state IN ('pending', 'active')
    UNION ALL SELECT 'waits twice', min(id) FROM subscriptions WHERE state IN ('pending', 'active')
    GROUP BY contact_id, variant_id HAVING count(*) > 1
    UNION ALL SELECT 'two restocks at once', min(id) FROM restock_events WHERE closed_at IS NULL
    GROUP BY shop_id, variant_id HAVING count(*) > 1
    UNION ALL SELECT 'offered what could not be bought', id FROM waves WHERE capacity = 0 AND offered_count > 0
    UNION ALL SELECT 'told more often than turns are given', s.id FROM subscriptions s
    JOIN offers o ON o.subscription_id = s.id AND o.accepted_at IS NOT NULL
    GROUP BY s.id HAVING count(*) > 9
"""
_GROUND = """
    SELECT r.sellable AND r.held_from IS NULL, r.units, (
        SELECT coalesce(sum(o.units), 0) FROM offers o JOIN subscriptions s ON s.id = o.subscription_id
        WHERE o.state = 'open' AND s.variant_id = r.variant_id
    ) FROM stock_readings r WHERE r.variant_id = :variant
"""
_WAVES = """
    SELECT w.id, w.offered_units, w.capacity, e.variant_id
    FROM waves w JOIN restock_events e ON e.id = w.event_id
"""
_EVENTS = """
    SELECT id, variant_id, planned_at, cursor_id, closed_at IS NULL, coalesce(rest_until > now(), false)
    FROM restock_events
"""
_ONE_LESS = """
    UPDATE inventory_levels SET available = greatest(0, available - 1) WHERE inventory_item_id = :variant RETURNING 1
"""
_WAITING = "SELECT id FROM subscriptions WHERE variant_id = :variant AND state IN ('pending', 'active')"
_FORGOTTEN = """
    SELECT s.id, s.state, s.open_offer_id FROM subscriptions s JOIN contacts c ON c.id = s.contact_id
    WHERE s.state IN ('pending', 'active') AND c.suppression IS NULL
"""
_LINE = """
    SELECT id, quantity FROM subscriptions
    WHERE variant_id = :variant AND state = 'active' AND open_offer_id IS NULL AND paused_at IS NULL
    ORDER BY priority DESC, queued_at {way}, id {way}
"""


@dataclass(frozen=True)
class Person:
    """Somebody in line, as the tables have it."""

    id: int
    quantity: int


@dataclass(frozen=True)
class Ground:
    """What may be given of one variant, counted anew."""

    is_sellable: bool
    units: int | None
    limit: int | None  # None: without one
    open_units: int


@dataclass(frozen=True)
class Event:
    """One restock, as the tables have it."""

    id: int
    variant: int
    planned_at: datetime | None
    cursor_id: int | None
    is_open: bool
    rests: bool


def number(found: object) -> int:
    return int(str(found))


class PlanningMachine(RuleBasedStateMachine):
    """The rules of the walk. `store` and `clean` are given by the test that walks."""

    store: Store
    clean: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.clean()
        self.people = 0
        self.orders = 0

    @initialize(
        policy=st.sampled_from(["strict", "fair", "everyone"]),
        crowd=st.lists(st.tuples(st.sampled_from(VARIANTS), st.integers(1, 4)), min_size=4, max_size=8),
        page=st.sampled_from([1, 2, 3]),
    )
    def open_shop(self, policy: str, crowd: list[tuple[int, int]], page: int) -> None:
        store = self.store
        store.shop = store.shops.add("demo")
        store.set(policy=policy, send_hours__sms="any")
        self.planner = RestockService(store.database, DeliveryNotices(), page_size=page)
        self.purchases = PurchaseService(store.database, DeliveryNotices(), 0)
        self.reports = ReportService(store.database)
        self.hours = Hours(store.database)
        self.answer = "accepts"
        store.channel.answer = self._answer
        for variant, quantity in crowd:
            self._sign_up(variant, quantity)

    # -- what happens ----------------------------------------------------------------------------------------------

    @rule(variant=st.sampled_from(VARIANTS), units=st.none() | st.integers(0, 9), pages=st.integers(0, 3))
    def stock_is(self, variant: int, units: int | None, pages: int) -> None:
        """And so many pages are planned: a walk may be under way when the next thing happens."""
        self.store.stock(units, variant=variant)
        self._look(pages)

    @rule(variant=st.sampled_from(VARIANTS), units=st.none() | st.integers(1, 5))
    def a_restock_goes_its_way(self, variant: int, units: int | None) -> None:
        """Up to the messages; its turns are running then."""
        self.store.stock(units, variant=variant)
        self._settle()
        self.store.send()

    @rule(variant=st.sampled_from(VARIANTS), units=st.integers(3, 9), then=st.none() | st.integers(1, 5))
    def stock_changes_in_the_middle_of_a_walk(self, variant: int, units: int, then: int | None) -> None:
        self.store.stock(units, variant=variant)
        self._look(1)
        self.store.stock(then, variant=variant)
        self._settle()

    @rule(variant=st.sampled_from(VARIANTS), units=st.integers(1, 5), again=st.integers(1, 5))
    def sold_out_and_back_before_all_are_back_in_line(self, variant: int, units: int, again: int) -> None:
        self.a_restock_goes_its_way(variant, units)
        for now in (0, again):
            self.store.stock(now, variant=variant)
            self.planner.check_due()
        self._settle()

    @rule(pages=st.integers(1, 4))
    def some_pages_are_planned(self, pages: int) -> None:
        self._look(pages)

    @rule()
    def everything_is_planned(self) -> None:
        self._settle()

    @rule(variant=st.sampled_from(VARIANTS), quantity=st.integers(1, 4))
    def somebody_comes(self, variant: int, quantity: int) -> None:
        if self.people < MOST_PEOPLE:
            self._sign_up(variant, quantity)

    @rule(who=st.integers(1, MOST_PEOPLE), what=st.sampled_from(["leaves", "buys", "declines", "pauses", "goes on"]))
    def somebody_does_something(self, who: int, what: str) -> None:
        which = 1 + who % self.people
        getattr(self, "_" + what.replace(" ", "_"))(which, self._contact(which))

    @rule(who=st.integers(1, MOST_PEOPLE), quantity=st.integers(1, 4))
    def somebody_wants_another_quantity(self, who: int, quantity: int) -> None:
        contact = self._contact(1 + who % self.people)
        for alert in self._alerts(contact):
            self.store.subscriptions.choices.set_quantity(contact, alert, quantity)

    @rule(who=st.integers(1, MOST_PEOPLE), first=st.booleans())
    def somebody_stands_first(self, who: int, first: bool) -> None:
        mine = self._alerts(self._contact(1 + who % self.people))
        self.store.in_transaction(lambda session: set_priority(session, self.store.shop.id, mine, int(first)))

    @rule(change=st.sampled_from(sorted(CHANGES)), pages=st.integers(0, 2))
    def settings_change(self, change: str, pages: int) -> None:
        self.store.set(**{key.replace(".", "__"): value for key, value in CHANGES[change].items()})
        if "policy.minimum_units" in CHANGES[change]:  # what is not on yet begins with the next pass
            self._have_all_looked_at()
        self._look(pages)

    @rule(hours=st.sampled_from([None, 6, 15]))
    def send_hours_change(self, hours: int | None) -> None:
        """They open so many hours from now, for one hour; None: they are always open."""
        opens = (datetime.now(UTC) + timedelta(hours=hours or 0)).hour
        self.store.set(send_hours__email="any" if hours is None else f"{opens}-{(opens + 1) % 24}")

    @rule(answer=st.sampled_from([*ANSWERS, "accepts", "accepts"]))
    def messages_leave(self, answer: str) -> None:
        self.answer = answer
        self.store.send()
        self.answer = "accepts"

    @rule(seconds=st.sampled_from([60, 1800, 8000, 50_000]))
    def time_passes(self, seconds: int) -> None:
        self.hours.go_on(seconds)
        self.store.deliveries.resolve_unknown()
        self.planner.end_turns()

    @rule(back=st.booleans())
    def the_shop_leaves(self, back: bool) -> None:
        """And is back at once, or after its messages were looked at."""
        self.store.in_transaction(lambda session: close_events(session, self.store.shop.id))
        self.store.sql("UPDATE shops SET state = 'uninstalled' RETURNING id")
        if not back:
            self.store.send()
            self._look(2)
        self.store.sql("UPDATE shops SET state = 'installed' RETURNING id")
        self._have_all_looked_at()

    # -- what must always be so ------------------------------------------------------------------------------------

    @invariant()
    def the_tables_agree(self) -> None:
        assert self.store.sql(_ASTRAY) == []

    @rule()
    def everybody_who_waits_has_one_reason(self) -> None:
        for variant in VARIANTS:
            places = self.reports.waitlist(self.store.shop, variant).waiting
            listed = {place.facts.subscription_id: place.why.code for place in places}
            assert sorted(listed) == sorted(number(row[0]) for row in self.store.sql(_WAITING, variant=variant))
            for person, code in listed.items():
                alone = self.reports.explain(self.store.shop, person)
                assert alone is not None
                assert alone.why.code == code, (person, alone.why.code, code)
                assert isinstance(code, ReasonCode)

    def teardown(self) -> None:
        """There is enough for everybody, and nothing else happens."""
        if not hasattr(self, "planner"):
            return
        store = self.store
        store.set(policy="fair", send_hours__email="any", policy__max_offers="9")
        for (contact,) in store.sql("SELECT id FROM contacts"):
            store.subscriptions.choices.resume(number(contact), None)
        for _ in range(6):
            if not store.sql(_FORGOTTEN):
                break
            for units in (0, 100):
                for variant in VARIANTS:
                    store.stock(units, variant=variant)
                for _ in range(3):
                    self.hours.go_on(8000)
                    store.deliveries.expire_leases()
                    store.deliveries.resolve_unknown()
                    self.planner.end_turns()
                    self._settle()
                    store.send()
        assert store.sql(_FORGOTTEN) == []
        assert store.sql("SELECT id, state FROM offers WHERE state = 'open' AND accepted_at IS NULL") == []

    # -- how it is done --------------------------------------------------------------------------------------------

    def _look(self, pages: int) -> None:
        self.planner.check_due()
        for _ in range(pages):
            if not self._page():
                break

    def _settle(self) -> None:
        """Look at and plan everything that is due, and hold the state of rest against the queue."""
        for _ in range(400):
            if not self.planner.check_due() and not self._page():
                break
        else:
            raise AssertionError("planning comes to no end")
        for variant in VARIANTS:
            self._nobody_is_left_who_fits(variant)

    def _page(self) -> bool:
        """Plan one page, and hold what it gave against what there was."""
        given = dict(self.store.sql("SELECT id, offered_units FROM waves"))  # type: ignore[arg-type]
        lines = {variant: self._line(variant) for variant in VARIANTS}
        before, last = self._events(), number(self.store.one("SELECT coalesce(max(id), 0) FROM offers"))
        done = self.planner.plan_due(limit=1)
        for wave_id, units_given, capacity, variant in self.store.sql(_WAVES):
            if units_given != given.get(wave_id, 0):
                ground = self._ground(number(variant))
                assert capacity == ground.limit, "planned on something else than what is so"
                assert ground.limit is None or ground.open_units <= ground.limit, (wave_id, variant, ground)
        for event_id, now in self._events().items():
            was = before[event_id]
            if now.planned_at != was.planned_at and now.is_open:
                self._nobody_was_gone_by(now, was, lines[now.variant], last)
        return bool(done)

    def _nobody_was_gone_by(self, now: Event, was: Event, line: list[Person], since: int) -> None:
        """Of one page: whoever was looked at has a turn or a reason, and nobody overtook one who would have fitted."""
        start = next((n for n, one in enumerate(line, 1) if one.id == was.cursor_id), 0)
        page = line[start : start + self.planner.page_size]
        new = "SELECT subscription_id FROM offers WHERE event_id = :event AND id > :since"
        offered = {number(row[0]) for row in self.store.sql(new, event=now.id, since=since)}
        reasons = self._reasons(now.id)
        last = max((n for n, one in enumerate(page) if one.id in offered), default=-1)
        behind: int | None = None  # the largest wish that was met further on
        for place in range(len(page) - 1, -1, -1):
            person = page[place]
            if person.id in offered:
                behind = max(behind or 0, self._wants(person))
            elif place < last:
                assert person.id in reasons, ("gone by without a word", person, page, offered)
                stays = reasons[person.id] in NOT_NOW
                assert stays or self._wants(person) > (behind or 0), ("overtaken", person, page, offered, reasons)

    def _wants(self, person: Person) -> int:
        return 1 if self.store.shop.settings.policy.quantity_rule == "ignore" else person.quantity

    def _reasons(self, event_id: int) -> dict[int, str]:
        """Why each was passed over last, as the history says."""
        found = self.store.sql(
            "SELECT DISTINCT ON (subscription_id) subscription_id, reason FROM subscription_events "
            "WHERE event_id = :id AND kind = 'passed_over' ORDER BY subscription_id, id DESC", id=event_id)  # fmt: skip
        return {number(person): str(reason) for person, reason in found}

    def _events(self) -> dict[int, Event]:
        return {number(row[0]): Event(*row) for row in self.store.sql(_EVENTS)}  # type: ignore[arg-type]

    def _ground(self, variant: int) -> Ground:
        ((sellable, units, open_units),) = self.store.sql(_GROUND, variant=variant) or [(False, 0, 0)]
        factor, can_be_bought = self.store.shop.settings.policy.factor, sellable and units != 0
        if not can_be_bought:
            return Ground(False, number(units or 0), 0, number(open_units))
        if units is None:
            return Ground(True, None, None, number(open_units))
        limit = None if factor is None else math.floor(number(units) * factor)
        return Ground(True, number(units), limit, number(open_units))

    def _line(self, variant: int) -> list[Person]:
        way = "DESC" if self.store.shop.settings.policy.order == "newest" else "ASC"
        found = self.store.sql(_LINE.format(way=way), variant=variant)
        return [Person(number(row[0]), number(row[1])) for row in found]

    def _nobody_is_left_who_fits(self, variant: int) -> None:
        """At rest: whoever could have a turn of what is free has one, or has a reason of their own."""
        policy, people, ground = self.store.shop.settings.policy, self._line(variant), self._ground(variant)
        event = next((one for one in self._events().values() if one.variant == variant and one.is_open), None)
        if event is None:
            can_begin = ground.units is None or ground.units >= policy.minimum_units
            assert not (people and ground.is_sellable and can_begin), ("can be bought, and no restock", variant)
            return
        if event.rests:
            return
        free = None if ground.limit is None else max(0, ground.limit - ground.open_units)
        reasons = self._reasons(event.id)
        for person in people:
            wanted = self._wants(person)
            if (free is None or wanted <= free) and (ground.units is None or wanted <= ground.units):
                assert reasons.get(person.id) in NOT_NOW, ("fits, and has no turn", person, ground, event, reasons)

    def _sign_up(self, variant: int, quantity: int) -> None:
        self.people += 1
        address = f"ada{self.people}@example.com"
        contact = ContactFacts(EMAIL, address, address_hash("email", address))
        wish = Signup(variant, VARIANT, 0, quantity, "api", contact)
        self.store.subscriptions.register(self.store.shop, wish, Provenance())

    def _contact(self, who: int) -> int:
        return number(self.store.one("SELECT id FROM contacts WHERE address = :a", a=f"ada{who}@example.com"))

    def _alerts(self, contact: int) -> list[int]:
        found = self.store.sql("SELECT id FROM subscriptions WHERE contact_id = :id ORDER BY id", id=contact)
        return [number(row[0]) for row in found]

    def _answer(self, envelope: Envelope) -> Outcome:
        return ANSWERS[self.answer](envelope)

    def _leaves(self, who: int, contact: int) -> None:
        self.store.subscriptions.unsubscribe(contact)

    def _buys(self, who: int, contact: int) -> None:
        """One unit of whatever they waited for last; the goods go down with it."""
        self.orders += 1
        last = "SELECT variant_id FROM subscriptions WHERE contact_id = :id ORDER BY id DESC LIMIT 1"
        variant = number(self.store.one(last, id=contact))
        hashes = frozenset({address_hash("email", f"ada{who}@example.com")})
        order = Order(self.orders, datetime.now(UTC), "EUR", (OrderLine(self.orders, variant, 1, 100),), None, hashes)
        with self.store.database.transaction() as session:
            self.purchases.record(session, self.store.shop, order)
        self.store.sql(_ONE_LESS, variant=variant)
        self.purchases.close_due()

    def _declines(self, who: int, contact: int) -> None:
        for (message,) in self.store.sql("SELECT id FROM deliveries WHERE contact_id = :id", id=contact):
            self.planner.decline(number(message))

    def _pauses(self, who: int, contact: int) -> None:
        self.store.subscriptions.choices.pause(contact, None)

    def _goes_on(self, who: int, contact: int) -> None:
        self.store.subscriptions.choices.resume(contact, None)

    def _have_all_looked_at(self) -> None:
        self.store.in_transaction(lambda session: catalog.request_checks(session, self.store.shop.id, VARIANTS, 0))


_WITHOUT_SHRINKING = (Phase.explicit, Phase.generate)
PROFILES: Mapping[str, settings] = {
    "short": settings(max_examples=8, stateful_step_count=20, derandomize=True, phases=_WITHOUT_SHRINKING),
    "hunt": settings(max_examples=120, stateful_step_count=40),
    "long": settings(max_examples=2000, stateful_step_count=60),
}


@pytest.fixture
def machine(clean_database: str, _cleaner: Callable[[], None]) -> Iterator[type[PlanningMachine]]:
    store = Store(clean_database)
    yield type("Machine", (PlanningMachine,), {"store": store, "clean": staticmethod(_cleaner)})
    store.close()


def test_every_wave_keeps_what_was_promised_and_everybody_is_told_in_the_end(machine: type[PlanningMachine]) -> None:
    profile = PROFILES[os.environ.get("PLANNING_WALKS", "short")]
    run_state_machine_as_test(machine, settings=settings(profile, deadline=None, print_blob=False, database=None))
