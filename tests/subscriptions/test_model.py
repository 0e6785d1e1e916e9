"""Any sequence of posts, noes and yeses ends as a small model in memory says it should."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restock.shops.values import Shop
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.values import Provenance
from tests.subscriptions.conftest import Rows, signup

ADDRESSES = ("ada@example.com", "bob@example.com", "cleo@example.com")
VARIANTS = (1, 2)


@dataclass
class Model:
    """Who waits for what, said as simply as possible: open intents, and how each waiting subscription stands."""

    intents: dict[tuple[int, int], str] = field(default_factory=dict)  # (customer, variant) -> address
    waiting: dict[tuple[str, int], str] = field(default_factory=dict)  # (address, variant) -> state
    said_no: set[str] = field(default_factory=set)

    def post(self, customer: int, address: str, variant: int) -> bool:
        """Apply a post; say whether it is a duplicate."""
        before = self.intents.get((customer, variant))
        self.intents[customer, variant] = address
        self.waiting.setdefault((address, variant), "pending" if address in self.said_no else "active")
        if before not in (None, address) and (before, variant) not in self._supported():
            del self.waiting[before, variant]
        return before is not None

    def leave(self, address: str) -> None:
        self.said_no.add(address)
        self.waiting = {key: state for key, state in self.waiting.items() if key[0] != address}
        self.intents = {key: named for key, named in self.intents.items() if named != address}

    def confirm(self, address: str) -> None:
        self.said_no.discard(address)
        self.waiting = {key: "active" if key[0] == address else state for key, state in self.waiting.items()}

    def _supported(self) -> set[tuple[str, int]]:
        return {(address, variant) for (_, variant), address in self.intents.items()}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(0, 3), st.sampled_from(ADDRESSES), st.sampled_from(VARIANTS)),
        st.tuples(st.just("leave"), st.sampled_from(ADDRESSES)),
        st.tuples(st.just("confirm"), st.sampled_from(ADDRESSES)),
    ),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_any_history_ends_as_the_model_says(
    service: SubscriptionService, shop: Shop, rows: Rows, steps: list[tuple[object, ...]]
) -> None:
    for table in ("intents", "subscriptions", "contacts", "customers", "suppressions"):
        rows(f"DELETE FROM {table}")
    model = Model()
    handles: dict[int, uuid.UUID] = {}
    for step in steps:
        match step:
            case ("post", int(customer), str(address), int(variant)):
                wish = signup(address, variant, customer_id=handles.get(customer))
                found = service.register(shop, wish, Provenance())
                assert handles.setdefault(customer, found.customer_id) == found.customer_id
                assert found.duplicate == model.post(customer, address, variant)
            case ("leave" | "confirm" as verb, str(address)):
                contact = rows("SELECT id FROM contacts WHERE address = %s", address)
                if contact:
                    (service.unsubscribe if verb == "leave" else service.confirm)(contact[0][0])
                    (model.leave if verb == "leave" else model.confirm)(address)
    waiting = rows(
        "SELECT c.address, s.variant_id, s.state FROM subscriptions s JOIN contacts c ON c.id = s.contact_id "
        "WHERE s.state IN ('pending', 'active')"
    )
    assert {(address, variant): state for address, variant, state in waiting} == model.waiting
    named = rows(
        "SELECT i.customer_id, i.variant_id, c.address FROM intents i JOIN contacts c ON c.id = i.contact_id "
        "WHERE i.closed_at IS NULL"
    )
    expected = {(handles[customer], variant): address for (customer, variant), address in model.intents.items()}
    assert {(customer, variant): address for customer, variant, address in named} == expected
