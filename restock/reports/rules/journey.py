"""Tell one person's wait from the rows it left behind. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from restock.channels.values import NoticeKind
from restock.reports.values.journey import (
    ConsentFact,
    JourneyFacts,
    MessageFact,
    Moment,
    MomentKind,
    TurnFact,
)
from restock.reports.values.subscribers import SubscriberLine
from restock.subscriptions.values import HistoryKind

_RANK = {kind: rank for rank, kind in enumerate(MomentKind)}
_LATER = {"delivered": MomentKind.delivered, "bounced": MomentKind.bounced, "complained": MomentKind.complained}
_NEVER = {"failed": MomentKind.failed, "skipped": MomentKind.skipped}

_SENT: Mapping[str, MomentKind] = {
    NoticeKind.confirmation: MomentKind.confirmation_sent,
    NoticeKind.reminder: MomentKind.reminded,
}
_TOLD_OF = frozenset(
    {
        *(HistoryKind.passed_over, HistoryKind.missed, HistoryKind.declined, HistoryKind.lent_on),
        *(HistoryKind.paused, HistoryKind.resumed, HistoryKind.quantity),
    }
)


def tell(facts: JourneyFacts) -> list[Moment]:
    """List what happened, the latest first; the order of the rows given does not matter."""
    moments = [
        *_asked(facts),
        *_consents(facts),
        *_turns(facts),
        *_history(facts),
        *_messages(facts),
        *_ends(facts),
    ]
    return sorted(moments, key=lambda m: (m.at, _RANK[m.kind], sorted(m.said.items(), key=str)), reverse=True)


def _asked(facts: JourneyFacts) -> Iterator[Moment]:
    intents = sorted(facts.intents, key=lambda intent: (intent.created_at, intent.quantity, intent.source))
    if not intents:
        yield Moment(facts.line.queued_at, MomentKind.asked, {"quantity": facts.line.quantity})
    for number, intent in enumerate(intents):
        kind = MomentKind.asked_again if number else MomentKind.asked
        ledger = next((c for c in facts.consents if _belongs(c, intent.created_at, facts)), None)
        seen = {"page": ledger.page_url, "browser": ledger.user_agent} if ledger else {}
        said: dict[str, str | int] = {"quantity": intent.quantity, "source": intent.source}
        yield Moment(intent.created_at, kind, said | {key: value for key, value in seen.items() if value})


def _belongs(consent: ConsentFact, at: datetime, facts: JourneyFacts) -> bool:
    """Say whether a line of the ledger was written by the very post that made the intent: one transaction, one time."""
    about = consent.purpose == "back_in_stock" and consent.action == "granted"
    return about and consent.variant_id == facts.line.goods.variant_id and consent.said_at == at


def _consents(facts: JourneyFacts) -> Iterator[Moment]:
    for consent in facts.consents:
        if consent.purpose == "marketing" and consent.action in ("granted", "refused"):
            yield Moment(consent.said_at, MomentKind(f"marketing_{consent.action}"), {"source": consent.source})
        elif consent.action in ("confirmed", "withdrawn"):
            yield Moment(consent.said_at, MomentKind(consent.action), {"source": consent.source})


def _turns(facts: JourneyFacts) -> Iterator[Moment]:
    """Tell of offers, as far as the history does not say more of them."""
    told_of = {entry.offer_id for entry in facts.history}
    for turn in facts.turns:
        restock = {"restock": turn.event_id} if turn.event_id is not None else {}
        yield Moment(turn.created_at, MomentKind.offered, {"units": turn.units, "wave": turn.wave_number, **restock})
        if turn.state == "ended" and turn.ends_at is not None:
            yield Moment(turn.ends_at, MomentKind.turn_over)
        elif turn.state == "returned" and turn.id not in told_of:
            yield Moment(_returned_at(turn, facts), MomentKind.returned, {"reason": turn.reason} if turn.reason else {})


def _history(facts: JourneyFacts) -> Iterator[Moment]:
    """Tell what left no other row; how a wait ended, its own row says."""
    for entry in facts.history:
        if entry.kind in _TOLD_OF:
            said = {"reason": entry.reason, "units": entry.units, "free": entry.free_units}
            known = {name: value for name, value in said.items() if value is not None}
            yield Moment(entry.at, MomentKind(entry.kind), known)


def _returned_at(turn: TurnFact, facts: JourneyFacts) -> datetime:
    """Find when a turn went back: with the last word on its messages; its row keeps no time of its own."""
    known = [m.finished_at for m in facts.messages if m.finished_at and m.created_at >= turn.created_at]
    return min(known, default=turn.accepted_at or turn.created_at)


def _messages(facts: JourneyFacts) -> Iterator[Moment]:
    for message in facts.messages:
        said: dict[str, str | int] = {"channel": message.channel}
        because = said | ({"reason": message.reason} if message.reason else {})
        if message.sent_at is not None:
            yield Moment(message.sent_at, _SENT.get(message.kind, MomentKind.sent), said)
        if message.state in _LATER:
            yield Moment(_end_of(message), _LATER[message.state], because)
        elif message.state in _NEVER:
            is_reminder = message.kind == NoticeKind.reminder and message.state == "skipped"
            kind = MomentKind.reminder_skipped if is_reminder else _NEVER[message.state]
            yield Moment(_end_of(message), kind, because)
        elif message.state == "unknown":
            yield Moment(_end_of(message), MomentKind.unanswered, because)
        if message.clicked_at is not None:
            yield Moment(message.clicked_at, MomentKind.clicked, said | {"count": message.click_count})


def _end_of(message: MessageFact) -> datetime:
    return message.finished_at or message.sent_at or message.created_at


def _ends(facts: JourneyFacts) -> Iterator[Moment]:
    line = facts.line
    for purchase in facts.purchases:
        yield Moment(purchase.ordered_at, MomentKind.bought, {"quantity": purchase.quantity})
    if line.state == "purchased" and not facts.purchases:
        yield Moment(line.ended_at or line.queued_at, MomentKind.bought, {"quantity": line.quantity})
    if line.state == "cancelled":
        yield Moment(line.ended_at or line.queued_at, MomentKind.left, _ended(line))
    if line.state == "expired":
        yield Moment(line.ended_at or facts.expires_at, MomentKind.expired, _ended(line))


def _ended(line: SubscriberLine) -> dict[str, str | int]:
    return {"reason": line.end_reason} if line.end_reason else {}
