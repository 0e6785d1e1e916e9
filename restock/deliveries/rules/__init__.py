"""The decisions of a delivery: may it leave, and what comes next. Pure: facts in, a decision out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from restock.catalog.values import ReadingSource, StockReading
from restock.channels.port import HELD_BACK
from restock.channels.values import Blame, NoticeKind, Outcome, Verdict
from restock.deliveries.values import LaneFacts, PersonFacts, SkipReason
from restock.restocks.values import OfferState
from restock.shops.values import NotificationPolicy
from restock.subscriptions.values import SuppressionReason

# A restock is a matter of minutes: what could not be said within three quarters of an hour is better not said.
LADDER_SECONDS = (30, 120, 600, 1800)
MAX_ATTEMPTS = len(LADDER_SECONDS) + 1
JITTER = 0.2
PROVIDER_PAUSE_SECONDS = (30, 300)  # shortest and longest wait for a provider that is down
LONGEST_RETRY_AFTER_SECONDS = 1800
STALE_WAIT_SECONDS = 3  # a reading is a matter of a second; the whole lane waits
STALE = "stale"
UNREAD = "unread"
UNREAD_WAIT_SECONDS = 15  # for a reminder: nothing hurries, and nobody is overtaken
ASLEEP = "asleep"
PROMPT = timedelta(minutes=15)  # so soon a confirmation is still an answer to who has just signed up
NOT_REACHED = "batch_time_over"  # a channel ran out of time before this message: it was never tried
MOST_SOFT_BOUNCES = 5  # so many messages came back, none for a dead mailbox: nobody reads what is sent there
SOFT_BOUNCE_DAYS = 30

MISSING = "missing"  # it may be dead: believed when it was said a day ago too
_SUPPRESSES = {"gone": SuppressionReason.gone, MISSING: SuppressionReason.gone, "opted_out": SuppressionReason.stopped}
# An own no is lifted by confirming, so such an address may be asked once more: but never by SMS after STOP.
_MAY_BE_ASKED = frozenset({None, SuppressionReason.unsubscribed})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what was not taken waits before it is tried again, in seconds: each rung, and for a provider away."""

    ladder: tuple[float, ...] = LADDER_SECONDS
    provider_pause: tuple[float, float] = PROVIDER_PAUSE_SECONDS

    @property
    def max_attempts(self) -> int:
        return len(self.ladder) + 1


PATIENCE = Patience()


def patience_of(ladder: tuple[float, ...]) -> Patience:
    """Wait as long as these rungs say, for a provider that is down too; () is the ladder as it stands."""
    return Patience(ladder, (ladder[0], ladder[-1])) if ladder else PATIENCE


@dataclass(frozen=True, slots=True)
class Send:
    """It may leave now."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: look again later, and find out meanwhile what is missing."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Not at all."""

    reason: SkipReason


def may_send(lane: LaneFacts, person: PersonFacts, now: datetime) -> Send | Hold | Skip:
    """Decide whether a delivery may leave. Only offers and reminders look at stock; a test looks at no clock either."""
    if (reason := _why_nobody(lane, person)) is not None:
        return Skip(reason)
    match person.kind:
        case NoticeKind.offer:
            return _may_offer(lane, person, now)
        case NoticeKind.reminder:
            return _may_remind(lane, person, now)
        case NoticeKind.confirmation:
            return _may_ask(person, now)
        case NoticeKind.test:
            return Send() if person.suppression is None else Skip(SkipReason.suppressed)
        case _:
            assert_never(person.kind)


def is_prompt(kind: NoticeKind, created_at: datetime, now: datetime) -> bool:
    """Say whether a message answers what somebody did a moment ago: it comes at any hour, a late one does not."""
    return kind is NoticeKind.test or (kind is NoticeKind.confirmation and now - created_at <= PROMPT)


def _may_ask(person: PersonFacts, now: datetime) -> Send | Hold | Skip:
    if person.suppression not in _MAY_BE_ASKED:
        return Skip(SkipReason.suppressed)
    return Send() if person.wakes_at is None else _until_awake(person.wakes_at, now)


def _why_nobody(lane: LaneFacts, person: PersonFacts) -> SkipReason | None:
    if not lane.shop_installed:
        return SkipReason.shop_uninstalled
    if not lane.channel_on:
        return SkipReason.channel_off
    if not person.country_allowed:
        return SkipReason.country_off
    return None if person.address_known else SkipReason.unsubscribed


def _why_not_written_to(person: PersonFacts) -> SkipReason | None:
    if person.suppression is not None:
        return SkipReason.suppressed
    return SkipReason.paused if person.is_paused else None


def _may_offer(lane: LaneFacts, person: PersonFacts, now: datetime) -> Send | Hold | Skip:
    if (unheard := _why_not_written_to(person)) is not None:
        return Skip(unheard)
    if not person.holds_offer:
        return Skip(_why_no_turn(person))
    if not lane.event_open:
        return Skip(SkipReason.event_closed)
    if person.wakes_at is not None:
        return _until_awake(person.wakes_at, now)
    if lane.reading is None or _is_stale(lane.reading, lane.reading_max_age_seconds, now):
        return Hold(STALE_WAIT_SECONDS, STALE)
    return Send() if _is_enough(lane.reading, person.units) else Skip(SkipReason.sold_out)


def _why_no_turn(person: PersonFacts) -> SkipReason:
    if person.has_bought:
        return SkipReason.purchased
    return SkipReason.unsubscribed if person.turn in (None, OfferState.open) else SkipReason.turn_over


def _may_remind(lane: LaneFacts, person: PersonFacts, now: datetime) -> Send | Hold | Skip:
    """A reminder is for whoever was told and has done nothing since; whether the restock still runs is no matter.

    Its reading must be new whatever its source: of goods nobody waits for, webhooks are not counted in any more.
    """
    if (reason := _why_no_reminder(lane, person)) is not None:
        return Skip(reason)
    if person.wakes_at is not None:
        return _until_awake(person.wakes_at, now)
    if lane.reading is None or _age(lane.reading, now) > lane.reading_max_age_seconds:
        return Hold(UNREAD_WAIT_SECONDS, UNREAD)
    return Send() if _is_enough(lane.reading, person.units) else Skip(SkipReason.sold_out)


def _why_no_reminder(lane: LaneFacts, person: PersonFacts) -> SkipReason | None:
    if (unheard := _why_not_written_to(person)) is not None:
        return unheard
    if person.has_bought or person.turn is OfferState.bought:
        return SkipReason.purchased
    if person.turn is OfferState.declined:
        return SkipReason.declined
    if person.waits_again or person.turn in (OfferState.missed, OfferState.returned):
        return SkipReason.waits_again
    if not person.was_told or person.turn is None:
        return SkipReason.unsubscribed
    return None if lane.reminds or person.is_second_try else SkipReason.reminders_off


def wants_reminder(state: OfferState, reminded_count: int, policy: NotificationPolicy) -> bool:
    """Say whether an offer that was told gets (another) reminder; one that found its end by itself gets none."""
    return state in (OfferState.open, OfferState.ended) and reminded_count < policy.reminder_count


def _until_awake(wakes_at: datetime, now: datetime) -> Hold:
    return Hold(max(1.0, (wakes_at - now).total_seconds()), ASLEEP)


def _is_enough(reading: StockReading, units: int) -> bool:
    return reading.sellable and (reading.units is None or reading.units >= units)


def _age(reading: StockReading, now: datetime) -> float:
    return (now - reading.read_at).total_seconds()


def _is_stale(reading: StockReading, max_age_seconds: float, now: datetime) -> bool:
    """A webhook's reading is computed from everything told so far, so it is as new as anything can be."""
    return reading.source is ReadingSource.admin and _age(reading, now) > max_age_seconds


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider has it."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Definitely not taken; try again after `seconds`. `counts`: this try uses up one of the attempts."""

    seconds: float
    reason: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """Given up. `suppress` names why the address is never written to again, None when it is not to blame."""

    reason: str
    suppress: SuppressionReason | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Handed over and never answered."""

    reason: str


def next_step(
    outcome: Outcome, attempt: int, age_seconds: float, patience: Patience = PATIENCE
) -> Sent | RetryAt | Failed | Unknown:
    """Decide what follows from one hand-over. `attempt` counts from 1; `age_seconds` is since it was queued."""
    match outcome.verdict:
        case Verdict.accepted:
            return Sent()
        case Verdict.refused:
            return Failed(outcome.reason or "refused", _suppression(outcome))
        case Verdict.unanswered:
            return Unknown(outcome.reason or "unanswered")
        case Verdict.deferred if outcome.reason in (NOT_REACHED, HELD_BACK):  # not spread: they keep their order
            wait = min(outcome.retry_after_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
            return RetryAt(wait, outcome.reason, counts=False)
        case Verdict.deferred if outcome.blame is Blame.provider:
            shortest, longest = patience.provider_pause
            pause = max(outcome.retry_after_seconds or 0.0, min(max(age_seconds, shortest), longest))
            return RetryAt(_spread(min(pause, LONGEST_RETRY_AFTER_SECONDS), outcome), outcome.reason, counts=False)
        case Verdict.deferred:
            return _climb(outcome, attempt, patience)
        case _:
            assert_never(outcome.verdict)


def _climb(outcome: Outcome, attempt: int, patience: Patience) -> RetryAt | Failed:
    """Take the next rung of the ladder; a provider's own wish counts where it is longer."""
    if attempt >= patience.max_attempts:
        return Failed(outcome.reason or "gave_up")
    asked = min(outcome.retry_after_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
    return RetryAt(max(asked, _spread(patience.ladder[attempt - 1], outcome)), outcome.reason or "deferred")


def _spread(seconds: float, outcome: Outcome) -> float:
    """Vary a wait by JITTER, the same way for the same delivery, so that those deferred together come back apart."""
    share = int.from_bytes(hashlib.blake2b(str(outcome.delivery_id).encode(), digest_size=2).digest()) / 0xFFFF
    return seconds * (1 + JITTER * (2 * share - 1))


def _suppression(outcome: Outcome) -> SuppressionReason | None:
    if outcome.blame is not Blame.address:
        return None
    return suppression_of(outcome.reason)


def suppression_of(reason: str, *, complained: bool = False) -> SuppressionReason:
    """Say why an address that is to blame is never written to again."""
    if complained and reason not in _SUPPRESSES:
        return SuppressionReason.complained
    return _SUPPRESSES.get(reason, SuppressionReason.bounced)


def identity(delivery_id: int, dedupe_key: str, created_at: datetime) -> str:
    """Name a delivery to its provider: the same for every attempt, and never another's of any other instance.

    Letters, digits and `-`, at most 32 of them. It needs no secret and no stored column: it follows from the row.
    """
    seed = f"{dedupe_key}|{created_at.timestamp():.6f}".encode()
    return f"r{delivery_id}-{hashlib.sha256(seed).hexdigest()[:10]}"
