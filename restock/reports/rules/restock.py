"""What became of a person in a restock, told from the rows it left. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from restock.reports.values.restock import Fate, FateCount, PersonFacts, Verdict
from restock.reports.values.subscribers import Bookmark

_ORDER = list(Fate)
_PLAIN = {"missed": Fate.missed, "declined": Fate.declined}


def judge(facts: PersonFacts) -> Verdict:
    """Say what became of somebody the restock came to; a purchase outweighs everything else."""
    if facts.bought_at is not None or facts.offer_state == "bought":
        return Verdict(Fate.bought, None, facts.bought_at or facts.ends_at or facts.sent_at)
    if facts.offer_state is None:
        return Verdict(Fate.passed_over, facts.noted_reason, facts.noted_at)
    if facts.delivery_state in ("bounced", "complained"):
        return Verdict(Fate.came_back, facts.delivery_reason or facts.delivery_state, facts.finished_at)
    return _turn(facts)


def tally(counted: Iterable[tuple[PersonFacts, int]]) -> list[FateCount]:
    """Sum people up by what became of them and why, in the order of Fate, the commonest reason first."""
    found: Counter[tuple[Fate, str | None]] = Counter()
    for facts, people in counted:
        verdict = judge(facts)
        found[verdict.fate, verdict.reason] += people
    lines = [FateCount(fate, reason, people) for (fate, reason), people in found.items()]
    return sorted(lines, key=lambda line: (_ORDER.index(line.fate), -line.people, line.reason or ""))


def ends_of(
    kept: Sequence[PersonFacts], looked_at: PersonFacts | None, bookmark: Bookmark | None, *, more: bool
) -> tuple[Bookmark | None, Bookmark | None]:
    """Say where the pages before and after one begin.

    `kept` is in the order of the queue. `looked_at` is the last person the walk came to; `more`: somebody may lie
    beyond. A walk that stopped early goes on where it stopped, even where it kept nobody.
    """
    backward = bookmark is not None and bookmark.backward
    beyond = Bookmark(looked_at.queued_at, looked_at.subscription_id, backward) if looked_at and more else None
    if bookmark is None:
        return None, beyond
    edge = (kept[-1] if backward else kept[0]) if kept else None
    back = (
        Bookmark(edge.queued_at, edge.subscription_id, not backward)
        if edge
        else Bookmark(bookmark.queued_at, bookmark.subscription_id, not backward)
    )
    return (beyond, back) if backward else (back, beyond)


def _turn(facts: PersonFacts) -> Verdict:
    """Say what became of a turn whose message did not come back."""
    if facts.offer_state in _PLAIN:
        return Verdict(_PLAIN[facts.offer_state], None, _noted_at(facts))
    if facts.offer_state == "returned":
        return _returned(facts)
    if facts.delivery_state == "unknown":
        return Verdict(Fate.unanswered, facts.delivery_reason, facts.finished_at)
    if facts.offer_state == "ended":
        return Verdict(Fate.unused, None, facts.ends_at)
    return Verdict(Fate.running, None, facts.sent_at) if facts.sent_at else Verdict(Fate.coming, None, facts.offered_at)


def _returned(facts: PersonFacts) -> Verdict:
    if facts.offer_reason == "asleep":
        return Verdict(Fate.slept, None, _noted_at(facts))
    return Verdict(Fate.untold, facts.offer_reason or facts.delivery_reason, facts.finished_at or _noted_at(facts))


def _noted_at(facts: PersonFacts) -> datetime | None:
    return facts.noted_at or facts.ends_at or facts.finished_at or facts.offered_at
