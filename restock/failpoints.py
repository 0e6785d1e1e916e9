"""Named places where this process can be made to die, as if the power went at that very moment. For the fault tests.

Armed by the environment alone: RESTOCK_FAILPOINT=name, or name:3 for the third time the place is passed. It must never
be armed in production, where the program refuses to start with it, and costs one comparison where it is not.
Standard library only: every layer may have such places.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping

VARIABLE = "RESTOCK_FAILPOINT"

FAILPOINTS: Mapping[str, str] = {
    "inbox.before_insert": "a webhook is verified, and not stored yet",
    "inbox.after_insert": "a webhook is stored, and Shopify has had no answer",
    "effects.before_commit": "webhooks have had their effects, uncommitted",
    "effects.after_commit": "webhooks have had their effects; what they lead to has not begun",
    "receipt.before_commit": "a provider's receipt is written down, uncommitted",
    "check.claimed": "stock checks are claimed, and nothing was read",
    "event.opened": "a restock is opened, uncommitted",
    "check.before_commit": "a reading was followed, uncommitted",
    "check.after_commit": "a reading was followed; nothing is planned yet",
    "reconcile.answered": "Shopify has answered about a page of a pass; nothing follows from it yet",
    "reconcile.before_commit": "a page of a pass is followed; how far it got is not committed",
    "plan.mid_expansion": "a page's offers are written, their messages are not; uncommitted",
    "plan.before_commit": "a page of a queue is planned, uncommitted",
    "plan.after_commit": "a page of a queue is planned, with more to come",
    "turns.before_commit": "turns are ended, uncommitted",
    "turns.after_commit": "turns are ended; whoever is next is not planned yet",
    "claim.before_commit": "deliveries are marked as being sent, uncommitted",
    "claim.after_commit": "deliveries are claimed, and none was handed over",
    "send.answered": "a provider has answered for a message; nothing of it is recorded",
    "record.before_commit": "a group of outcomes is written down, uncommitted",
    "record.after_commit": "a group of outcomes is recorded, with more of the batch to come",
    "lease.before_commit": "deliveries are taken from a lost worker, uncommitted",
    "lease.after_commit": "deliveries are taken from a lost worker; nothing is decided about them",
    "doubt.before_lookup": "doubtful deliveries are taken, and nobody was asked",
    "doubt.after_lookup": "a provider has said what it has; nothing of it is recorded",
    "doubt.before_commit": "doubts are decided, uncommitted",
    "confirmations.before_commit": "requests to confirm are queued, uncommitted",
    "confirmations.after_commit": "requests to confirm are queued; nobody was rung for",
    "reminders.before_commit": "reminders are queued, uncommitted",
    "reminders.after_commit": "reminders are queued; the stock they tell of was not asked about",
    "alerts.before_commit": "messages to a shop are queued, uncommitted",
    "alerts.after_commit": "messages to a shop are queued; none was sent",
    "lend.before_commit": "what was kept for somebody asleep is given on, uncommitted",
    "missed.before_commit": "turns of a sold-out restock are called missed, uncommitted",
    "purchases.claimed": "purchases are claimed, and no waiting is ended",
    "purchases.before_commit": "a buyer's waiting is ended, uncommitted",
    "purchases.after_commit": "a buyer's waiting is ended; the purchase is not settled yet",
    "token.answered": "Shopify has handed out new tokens; they are not stored",
    "token.before_commit": "new tokens are stored, uncommitted",
    "ring.before": "a worker is about to be rung for",
    "ring.after": "a worker was rung for",
    "sweep.step": "a step of the sweeper is about to begin",
}


class _Armed:
    """The one failpoint of this process, and how often it must be passed."""

    def __init__(self, name: str, nth: int) -> None:
        self._name = name
        self._left = nth
        self._lock = threading.Lock()

    def meet(self, name: str) -> None:
        if name != self._name:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


_armed: _Armed | None = None


def failpoint(name: str) -> None:
    """Die here when this process is armed with this name; otherwise do nothing."""
    if _armed is not None:
        _armed.meet(name)


def arm(environment: Mapping[str, str]) -> None:
    """Take up what the environment asks for, disarm where it asks for nothing; a faulty wish arms nothing."""
    global _armed  # noqa: PLW0603 (one per process, like the environment it comes from)
    name, nth = _wish(environment)
    is_production = environment.get("RESTOCK_ENV") == "production"
    _armed = _Armed(name, nth) if nth and name in FAILPOINTS and not is_production else None


def failpoint_faults(environment: Mapping[str, str], *, is_production: bool) -> list[str]:
    """Say why the program must not start with what the environment asks for, a sentence each."""
    if not environment.get(VARIABLE):
        return []
    if is_production:
        return [f"{VARIABLE} is for the fault tests only, it kills the process: unset it"]
    name, nth = _wish(environment)
    if name not in FAILPOINTS:
        return [f"{VARIABLE} names no failpoint: choose one of {', '.join(FAILPOINTS)}"]
    return [] if nth else [f"{VARIABLE}: what follows the colon must be a whole number from 1 on"]


def _wish(environment: Mapping[str, str]) -> tuple[str, int]:
    """Read `name` or `name:nth`; 0 for a number that is none."""
    name, _, nth = environment.get(VARIABLE, "").partition(":")
    return name, int(nth or "1") if (nth or "1").isascii() and (nth or "1").isdigit() else 0


arm(os.environ)
