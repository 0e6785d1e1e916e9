"""Which webhook topics a shop is subscribed to by itself, because they need a scope that not every shop grants. Pure.

The topics every shop sends stand in shopify.app.toml. Only what leads to something is asked for: an order carries a
shopper's name and address, and what we do not need we do not want sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from restock.shopify.values import TopicSubscription

TOPICS_BY_SCOPE: Mapping[str, Sequence[str]] = {
    "read_orders": ("orders/create", "orders/paid"),
    "read_customers": ("customers_email_marketing_consent/update", "customers_marketing_consent/update"),
}
ALL_TOPICS = frozenset(topic for topics in TOPICS_BY_SCOPE.values() for topic in topics)


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """What to change: topics to subscribe to, and ids of subscriptions to end."""

    add: Sequence[str] = ()
    end: Sequence[str] = ()


def wanted_topics(scopes: Collection[str]) -> frozenset[str]:
    """Say what a shop with these scopes is to send; to write something includes to read it."""
    held = {*scopes, *(scope.replace("write_", "read_", 1) for scope in scopes if scope.startswith("write_"))}
    return frozenset(topic for scope, topics in TOPICS_BY_SCOPE.items() if scope in held for topic in topics)


def plan_topics(wanted: Collection[str], found: Sequence[TopicSubscription], uri: str) -> TopicPlan:
    """Compare: each wanted topic once and to our address; of the topics that are ours, nothing else."""
    good: dict[str, str] = {}
    end = []
    for one in found:
        if one.topic in wanted and one.uri == uri and one.topic not in good:
            good[one.topic] = one.id
        elif one.topic in ALL_TOPICS:
            end.append(one.id)
    return TopicPlan(sorted(set(wanted) - set(good)), end)
