"""Tell one person's wait from the rows it left behind. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from restock.reports.values.journey import (
    ConsentFact,
    JourneyFacts,
    MessageFact,
    Moment,
    MomentKind,
    TurnFact,
)

_RANK = {kind: rank for rank, kind in enumerate(MomentKind)}
_LATER = {"delivered": MomentKind.delivered, "bounced": MomentKind.bounced, "complained": MomentKind.complained}
_NEVER = {"failed": MomentKind.failed, "skipped": MomentKind.skipped}


def tell(facts: JourneyFacts) -> list[Moment]:
    """List what happened, the latest first; the order of the rows given does not matter."""
    moments = [*_asked(facts), *_consents(facts), *_turns(facts), *_messages(facts), *_ends(facts)]
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
    for turn in facts.turns:
        yield Moment(turn.created_at, MomentKind.offered, {"units": turn.units, "wave": turn.wave_number})
        if turn.state == "ended" and turn.ends_at is not None:
            yield Moment(turn.ends_at, MomentKind.turn_over)
        elif turn.state == "returned":
            yield Moment(_returned_at(turn, facts), MomentKind.returned, {"reason": turn.reason} if turn.reason else {})


def _returned_at(turn: TurnFact, facts: JourneyFacts) -> datetime:
    """Find when a turn went back: with the last word on its messages; its row keeps no time of its own."""
    known = [m.finished_at for m in facts.messages if m.finished_at and m.created_at >= turn.created_at]
    return min(known, default=turn.accepted_at or turn.created_at)


def _messages(facts: JourneyFacts) -> Iterator[Moment]:
    for message in facts.messages:
        said: dict[str, str | int] = {"channel": message.channel}
        because = said | ({"reason": message.reason} if message.reason else {})
        if message.sent_at is not None:
            sent = MomentKind.confirmation_sent if message.kind == "confirmation" else MomentKind.sent
            yield Moment(message.sent_at, sent, said)
        if message.state in _LATER:
            yield Moment(_end_of(message), _LATER[message.state], because)
        elif message.state in _NEVER:
            yield Moment(_end_of(message), _NEVER[message.state], because)
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
        said: dict[str, str | int] = {"reason": line.end_reason} if line.end_reason else {}
        yield Moment(line.ended_at or line.queued_at, MomentKind.left, said)
    if line.state == "expired":
        yield Moment(line.ended_at or facts.expires_at, MomentKind.expired)
