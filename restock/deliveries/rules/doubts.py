"""What becomes of a hand-over that nobody answered: asked about, tried again, or left as it is.

Pure: facts in, a decision out.
"""

from __future__ import annotations

from dataclasses import dataclass

from restock.channels.values import Doubt
from restock.deliveries.rules import MAX_ATTEMPTS, PATIENCE, Patience, RetryAt, Sent

LEASE_OVER = "lease_over"  # the worker was lost: handed over or not, nobody knows
MOST_LOOKS = 10  # a lease apart
_RUNGS_NOT_TAKEN = 3  # of the ladder: for what was not taken, and nobody said why


@dataclass(frozen=True, slots=True)
class LookAgain:
    """The provider could say, and has not answered that either: it is asked again."""


@dataclass(frozen=True, slots=True)
class StayUnknown:
    """Nobody can say, and sending again would tell somebody twice: shown as it is."""


def resolve_doubt(  # noqa: PLR0917 (everything known of it)
    provider_says: bool | None,
    policy: Doubt,
    reason: str,
    attempt: int,
    doubts: int,
    looks: float = MOST_LOOKS,
    patience: Patience = PATIENCE,
) -> Sent | RetryAt | LookAgain | StayUnknown:
    """Decide about a hand-over nobody answered. `provider_says` None: the provider cannot tell, or did not answer.

    After a lost worker nobody knows which of its messages were handed over at all, so they are tried again up to
    MAX_ATTEMPTS; one that was certainly handed over is repeated once. What must not be repeated is looked up again
    until it was asked about MOST_LOOKS times: `looks` so far.
    """
    if provider_says is not None:
        return Sent() if provider_says else RetryAt(_not_taken_wait(reason, attempt, patience), "not_accepted")
    if policy is Doubt.at_most_once and looks < MOST_LOOKS:
        return LookAgain()
    repeats_left = attempt < MAX_ATTEMPTS if reason == LEASE_OVER else doubts <= 1
    return RetryAt(0, "resend") if policy is Doubt.resend_once and repeats_left else StayUnknown()


def _not_taken_wait(reason: str, attempt: int, patience: Patience) -> float:
    """At once after a lost worker or a first try; what is answered by nothing again and again, ever less often.

    Never given up: while a provider is away so, the same message may be the one that asks for it.
    """
    if reason == LEASE_OVER or attempt <= 1:
        return 0
    rungs = patience.ladder[:_RUNGS_NOT_TAKEN]
    return rungs[min(attempt - 2, len(rungs) - 1)]
