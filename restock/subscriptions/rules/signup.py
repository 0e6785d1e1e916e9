"""How a new subscription starts, for every standing its address can have. Pure.

What the storefront is told never depends on it (http.md): an address cannot be probed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from restock.subscriptions.values import SubscriptionState, SuppressionReason


@dataclass(frozen=True, slots=True)
class Opening:
    """The state a new subscription starts in, and whether its address is asked to confirm."""

    state: SubscriptionState
    ask_to_confirm: bool


def decide_signup(standing: SuppressionReason | None, *, asks_first: bool = False) -> Opening:
    """Decide by the address's suppression; None means it has none.

    `asks_first`: the shop wants every address's yes first, and this one has not given it.
    """
    match standing:
        case None if asks_first:
            return Opening(SubscriptionState.pending, ask_to_confirm=True)
        case None:
            return Opening(SubscriptionState.active, ask_to_confirm=False)
        case SuppressionReason.unsubscribed | SuppressionReason.stopped:
            return Opening(SubscriptionState.pending, ask_to_confirm=True)
        case SuppressionReason.bounced | SuppressionReason.complained | SuppressionReason.gone:
            return Opening(SubscriptionState.pending, ask_to_confirm=False)
        case _:
            assert_never(standing)


def can_be_lifted(reason: SuppressionReason) -> bool:
    """Say whether the person's own yes ends the suppression: only where the person's own no began it."""
    return decide_signup(reason).ask_to_confirm
