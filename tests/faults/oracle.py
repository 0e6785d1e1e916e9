"""Judges a fault run from outside: what the providers took, against the books of the town and against the tables.

It knows nothing of how the engine works but what its tables promise.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg

from tests.faults.town import Due, Town
from tests.faults.witnesses import Accepted

IN_FLIGHT = 100  # outcomes that may be unrecorded when a worker dies (GROUP_SIZE)

# What must come to nothing in time. A delivery that nobody can ever know the end of is settled once it is shown so.
_UNSETTLED = {
    "deliveries queued": "SELECT count(*) FROM deliveries WHERE state = 'queued'",
    "deliveries being sent": "SELECT count(*) FROM deliveries WHERE state = 'sending'",
    "doubts open": "SELECT count(*) FROM deliveries WHERE state = 'unknown' AND finished_at IS NULL",
    "webhooks without effect": "SELECT count(*) FROM inbox_messages WHERE state = 'received'",
    "stock checks due": "SELECT count(*) FROM stock_checks WHERE due_at <= now()",
    "plans due": "SELECT count(*) FROM restock_events WHERE closed_at IS NULL AND plan_at <= now()",
    "purchases open": "SELECT count(*) FROM purchases WHERE close_at IS NOT NULL",
}
# One statement, for one moment: what moves on between two questions would be in neither answer.
_ALL_UNSETTLED = "SELECT " + ", ".join(f"({query})" for query in _UNSETTLED.values())
_BY_RECIPIENT = """
    SELECT d.channel, c.address, d.state FROM deliveries d JOIN contacts c ON c.id = d.contact_id
"""
_STATES = "SELECT state, count(*) FROM deliveries GROUP BY state ORDER BY state"
_NONE: frozenset[str] = frozenset()
_OPEN_ENDED = frozenset({"unknown", "queued", "sending"})
_TOOK = frozenset({"sent", "delivered", "bounced", "complained"})


@dataclass
class Judgement:
    """What came of a run. `repeats` are messages a provider took again under the name of the first."""

    due: int
    accepted: int
    never_sent: list[Due]
    unknown: int
    told_twice: list[Due]
    repeats: dict[str, int]
    repeats_allowed: int
    lies: list[str]
    webhooks_lost: int
    settled_seconds: float | None
    unsettled: dict[str, int]
    states: dict[str, int]
    patience_seconds: float = 60.0

    def faults(self) -> list[str]:
        """Name every goal that was missed, a sentence each."""
        repeats = sum(self.repeats.values())
        checks = (
            (self.never_sent, f"{len(self.never_sent)} of {self.due} were never sent: {_some(self.never_sent)}"),
            (self.told_twice, f"{len(self.told_twice)} people were told twice: {_some(self.told_twice)}"),
            (repeats > self.repeats_allowed, f"{repeats} repeats at providers, {self.repeats_allowed} allowed"),
            (self.lies, f"{len(self.lies)} rows say what providers do not: {_some(self.lies)}"),
            (self.webhooks_lost, f"{self.webhooks_lost} webhooks were answered 200 and are not stored once"),
            (
                self.settled_seconds is None or self.settled_seconds > self.patience_seconds,
                f"not settled within {self.patience_seconds:g} s of calm: {self.unsettled}",
            ),
        )
        return [sentence for is_missed, sentence in checks if is_missed]

    def as_dict(self) -> dict[str, object]:
        return {
            "due": self.due,
            "accepted": self.accepted,
            "never_sent": len(self.never_sent),
            "unknown": self.unknown,
            "told_twice": len(self.told_twice),
            "repeats": self.repeats,
            "repeats_allowed": self.repeats_allowed,
            "lies": len(self.lies),
            "webhooks_lost": self.webhooks_lost,
            "settled_seconds": self.settled_seconds,
            "states": self.states,
            "missed": self.faults(),
        }


@dataclass
class Oracle:
    """Wait for calm water, then judge. `crashes`: how often a process that may be delivering lost what it knew."""

    town: Town
    crashes: int = 0
    patience_seconds: float = 60.0
    _unsettled: dict[str, int] = field(default_factory=dict)

    def judge(self, meanwhile: Callable[[], object] = lambda: None) -> Judgement:
        """Wait until all is settled, doing `meanwhile` again and again, and compare."""
        began = time.monotonic()
        settled: float | None = None
        while settled is None and time.monotonic() - began < self.patience_seconds:
            meanwhile()
            if self._is_settled():
                settled = time.monotonic() - began
            time.sleep(0.2)
        record = self.town.instance.witnesses.record
        taken = [one for channel in ("email", "sms", "push") for one in record.of(channel)]
        states = self._states_by_recipient()
        told = _recipients(taken)
        never = [due for due in self.town.due if due not in told]
        unknown = {due for due in never if due.channel == "sms" and "unknown" in states.get(due, ())}
        return Judgement(
            due=len(self.town.due),
            accepted=len(taken),
            never_sent=[due for due in never if due not in unknown],
            unknown=len(unknown),
            told_twice=told_twice(taken, set(self.town.due), self.town.may_hear_again),
            repeats=repeats_of(taken),
            repeats_allowed=self.crashes * IN_FLIGHT + sum(record.unanswered.values()),
            lies=lies_of(states, told),
            webhooks_lost=self._webhooks_lost(),
            settled_seconds=settled,
            unsettled=self._unsettled,
            states={str(state): int(str(count)) for state, count in self.town.sql(_STATES)},
            patience_seconds=self.patience_seconds,
        )

    def _is_settled(self) -> bool:
        try:
            (found,) = self.town.sql(_ALL_UNSETTLED)
            counts = {name: int(str(count)) for name, count in zip(_UNSETTLED, found, strict=True)}
            states = {} if any(counts.values()) else self._states_by_recipient()
        except psycopg.Error as error:
            self._unsettled = {f"the database is away ({type(error).__name__})": 1}
            return False
        untold = 0 if any(counts.values()) else sum(states.get(due, _NONE) == _NONE for due in self.town.due)
        self._unsettled = {name: count for name, count in (counts | {"without a message": untold}).items() if count}
        return not self._unsettled and self.town.sender.is_idle()

    def _states_by_recipient(self) -> dict[Due, set[str]]:
        found: dict[Due, set[str]] = defaultdict(set)
        for channel, address, state in self.town.sql(_BY_RECIPIENT):
            found[Due(str(channel), str(address))].add(str(state))
        return dict(found)

    def _webhooks_lost(self) -> int:
        found = Counter(str(row[0]) for row in self.town.sql("SELECT webhook_id FROM inbox_messages"))
        return sum(found[webhook_id] != 1 for webhook_id in self.town.posted_ids)


def _recipients(taken: Sequence[Accepted]) -> set[Due]:
    return {Due(one.channel, one.recipient) for one in taken}


def told_twice(taken: Sequence[Accepted], due: set[Due], again: set[Due]) -> list[Due]:
    """Find who saw two messages: two names of mails or pushes, or any two texts. Those `again` may see one more."""
    names: dict[Due, set[str]] = defaultdict(set)
    for one in taken:
        if (person := Due(one.channel, one.recipient)) in due:
            names[person].add(one.identity)
    return [person for person, seen in names.items() if len(seen) > 1 + (person in again)]


def repeats_of(taken: Sequence[Accepted]) -> dict[str, int]:
    """Count what was taken again under the same name, by channel."""
    counts: Counter[str] = Counter()
    for one, times in Counter((one.channel, one.recipient, one.identity) for one in taken).items():
        counts[one[0]] += times - 1
    return dict(counts)


def lies_of(states: dict[Due, set[str]], recipients: set[Due]) -> list[str]:
    """Find rows that claim an acceptance no provider knows of, or none where one took the message."""
    lies = []
    for person, seen in states.items():
        was_taken = person in recipients
        if bool(seen & _TOOK) != was_taken and not seen & _OPEN_ENDED:
            lies.append(f"{person.channel} {'/'.join(sorted(seen))}, {'taken' if was_taken else 'not taken'}")
    return lies


def _some(found: Sequence[object], count: int = 5) -> str:
    return ", ".join(str(one) for one in found[:count]) + (" …" if len(found) > count else "")
