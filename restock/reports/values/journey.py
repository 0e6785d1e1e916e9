"""The words of one person's wait, from the first word to the last. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from restock.reports.values.standing import Place
from restock.reports.values.subscribers import SubscriberLine


class MomentKind(StrEnum):
    """What can happen to somebody who waits, in the order in which it happens at one and the same moment."""

    asked = "asked"
    asked_again = "asked_again"  # somebody else asked for the same address
    marketing_granted = "marketing_granted"
    marketing_refused = "marketing_refused"
    confirmation_sent = "confirmation_sent"
    confirmed = "confirmed"
    quantity = "quantity"  # wants another quantity
    paused = "paused"  # asked to hear nothing for now
    resumed = "resumed"
    passed_over = "passed_over"  # a wave went by, the place is kept
    offered = "offered"
    skipped = "skipped"
    sent = "sent"
    unanswered = "unanswered"
    failed = "failed"
    returned = "returned"  # the turn went back: the place is kept
    lent_on = "lent_on"  # slept through the turn: the place is kept
    delivered = "delivered"
    clicked = "clicked"
    reminder_skipped = "reminder_skipped"
    reminded = "reminded"
    declined = "declined"  # "not now"
    bought = "bought"
    bounced = "bounced"
    complained = "complained"
    turn_over = "turn_over"
    missed = "missed"  # sold out in the own turn: back to the place
    withdrawn = "withdrawn"
    left = "left"
    expired = "expired"


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, with what there is to say about it."""

    at: datetime
    kind: MomentKind
    said: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IntentFact:
    """One time somebody asked."""

    created_at: datetime
    quantity: int
    source: str


@dataclass(frozen=True, slots=True)
class ConsentFact:
    """One line of the consent ledger of the contact. `variant_id` None: about all."""

    said_at: datetime
    purpose: str
    action: str
    source: str
    variant_id: int | None
    page_url: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class TurnFact:
    """One offer."""

    id: int
    created_at: datetime
    units: int
    wave_number: int
    state: str
    reason: str | None
    accepted_at: datetime | None
    ends_at: datetime | None
    event_id: int | None = None


@dataclass(frozen=True, slots=True)
class MessageFact:
    """One delivery to this person about this wait."""

    id: int
    kind: str
    channel: str
    state: str
    reason: str | None
    attempt: int
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    clicked_at: datetime | None
    click_count: int


@dataclass(frozen=True, slots=True)
class HistoryFact:
    """One thing that left no row but its own. `units` were wanted, `free_units` free."""

    at: datetime
    kind: str
    reason: str | None = None
    offer_id: int | None = None
    units: int | None = None
    free_units: int | None = None


@dataclass(frozen=True, slots=True)
class PurchaseFact:
    """One line of an order this person placed."""

    ordered_at: datetime
    quantity: int


@dataclass(frozen=True, slots=True)
class JourneyFacts:
    """Everything recorded about one subscription."""

    line: SubscriberLine
    expires_at: datetime
    intents: Sequence[IntentFact] = ()
    consents: Sequence[ConsentFact] = ()
    turns: Sequence[TurnFact] = ()
    messages: Sequence[MessageFact] = ()
    purchases: Sequence[PurchaseFact] = ()
    history: Sequence[HistoryFact] = ()


@dataclass(frozen=True, slots=True)
class Journey:
    """One person's wait: where it stands, why, and how it came so. `moments` has the latest first."""

    facts: JourneyFacts
    place: Place
    moments: Sequence[Moment]
