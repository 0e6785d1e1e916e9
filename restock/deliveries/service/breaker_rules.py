"""The decisions about a provider: is it down, when is it tried again, how fast may it be served after it is back.

Pure: facts in, a decision out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from restock.channels.port import HELD_BACK
from restock.channels.values import Blame, Outcome, Verdict
from restock.deliveries.rules import NOT_REACHED

# What is the same for every recipient, so that the first in line may be tried again and again. Any other reason may be
# one recipient's own (a country closed to the account, one of several push services): then the next one is tried.
_SAME_FOR_ALL = frozenset(
    {
        "connection_lost",
        "login_or_tls_not_offered",
        "login_rejected",
        "login_required",
        "mail_server_unreachable",
        "provider_unreachable",
        "tls_failed",
    }
)
# Not blamed on the provider, since one message alone may cause it; by many in a row it is the provider.
_TROUBLE = frozenset(
    {
        "connection_lost",
        "push_service_unavailable",
        "push_service_unreachable",
        "temporarily_refused",
        "unexpected_reply",
        "vapid_rejected",
    }
)
TROUBLED_ARE_DOWN = 10  # messages of one batch, when nobody's was taken
_NEEDS_SOMEBODY = frozenset(
    {"account_rejected", "login_rejected", "login_required", "sender_refused", "vapid_rejected"}
)
_PAUSES = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
_LONG_PAUSES = (15.0, 30.0, 60.0, 120.0, 300.0)  # a mail server may lock an account that knocks too often
LONGEST_WISH_SECONDS = 1800.0
FIRST_CLAIM = 10
DOUBLED_EVERY_SECONDS = 1.0


@dataclass
class Signs:
    """What the outcomes of one batch say about its provider, as they come."""

    works: bool = False
    down: dict[int, str] = field(default_factory=dict)  # messages it was blamed for, by the reason
    troubled: dict[int, str] = field(default_factory=dict)
    counted: set[int] = field(default_factory=set)  # of the troubled, those whose attempt was counted
    unreached: set[int] = field(default_factory=set)  # never tried: the time was over before
    wish_seconds: float = 0.0
    services: dict[str, Signs] = field(default_factory=dict)  # of several behind one channel, each by itself

    def add(self, outcome: Outcome) -> None:
        """Take one outcome into account; where it names a service, of that alone."""
        if outcome.reason == HELD_BACK:
            return
        of = self if outcome.service is None else self.services.setdefault(outcome.service, Signs())
        match outcome.verdict:
            case Verdict.deferred if outcome.reason == NOT_REACHED:
                of.unreached.add(outcome.delivery_id)
            case Verdict.deferred if outcome.blame is Blame.provider:
                of.down[outcome.delivery_id] = outcome.reason
            case Verdict.deferred if outcome.reason in _TROUBLE:
                of.troubled[outcome.delivery_id] = outcome.reason
                of.counted.add(outcome.delivery_id)
            case Verdict.unanswered:
                of.troubled[outcome.delivery_id] = outcome.reason
            case _:
                of.works = True
        of.wish_seconds = max(of.wish_seconds, outcome.retry_after_seconds or 0.0)

    @property
    def says_nothing(self) -> bool:
        """Nothing was asked but services that stand for themselves."""
        return not (self.works or self.down or self.troubled or self.unreached)

    def failure(self, *, is_probe: bool) -> str | None:
        """Say why the provider counts as down; None when it works, or too little is known."""
        if self.works:
            return None
        if self.down:
            return _first(self.down.values())
        if self.troubled and (is_probe or len(self.troubled) >= TROUBLED_ARE_DOWN):
            return _first(self.troubled.values())
        return None


def pause_seconds(reason: str, failure_count: int, wish_seconds: float = 0.0) -> float:
    """Say how long to leave a provider alone after so many failures in a row; at least as long as it wishes."""
    ladder = _LONG_PAUSES if reason in _NEEDS_SOMEBODY else _PAUSES
    rung = ladder[min(max(failure_count, 1), len(ladder)) - 1]
    return max(rung, min(wish_seconds, LONGEST_WISH_SECONDS))


def keeps_its_place(reason: str, *, is_probe: bool) -> bool:
    """Say whether who was tried in vain is tried first again."""
    return not is_probe or reason in _SAME_FOR_ALL


def claim_limit(full: int, back_seconds: float | None) -> int:
    """Say how many may be claimed at once, `back_seconds` after a provider's return: few at first, soon all.

    None: it was never down.
    """
    if back_seconds is None or back_seconds > 60:
        return full
    return min(full, int(FIRST_CLAIM * 2 ** max(0.0, back_seconds / DOUBLED_EVERY_SECONDS)))


def _first(reasons: Iterable[str]) -> str:
    return next(iter(reasons)) or "unreachable"
