"""Recording outcomes: the delivery, the offer behind it and the address's fate in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import structlog
from sqlalchemy.orm import Session

from restock.batches.pipeline import Flight, Pipeline, Step
from restock.channels.values import Outcome, Verdict
from restock.database import Database
from restock.deliveries import rules
from restock.deliveries.repository import lanes, outcomes
from restock.deliveries.repository.outcomes import Again, Ended
from restock.deliveries.service.ports import Suppressions, Turns
from restock.deliveries.values import Batch, ClaimedRow
from restock.failpoints import failpoint
from restock.shops.values import Shop
from restock.subscriptions.values import SuppressionReason

log = structlog.get_logger(__name__)

DOUBT_WAIT_SECONDS = 5.0  # a provider may need a moment before it can be asked about what it has just got


class _Steps:
    """The outcomes of one group, sorted by what follows from them."""

    def __init__(self, patience: rules.Patience) -> None:
        self._patience = patience
        self.sent: dict[int, str | None] = {}
        self.again: list[Again] = []
        self.failed: dict[int, str] = {}
        self.suppress: dict[int, SuppressionReason] = {}
        self.unknown: dict[int, str] = {}

    def add(self, row: ClaimedRow, outcome: Outcome, now_seconds: float) -> None:
        if outcome.verdict is Verdict.accepted:  # nearly all of them; the rule says the same
            self.sent[row.id] = outcome.provider_message_id
            return
        step = rules.next_step(outcome, row.attempt + 1, now_seconds - row.created_at.timestamp(), self._patience)
        match step:
            case rules.Sent():
                self.sent[row.id] = outcome.provider_message_id
            case rules.RetryAt(seconds, reason, counts):
                self.again.append(Again(row.id, seconds, reason, counts))
            case rules.Failed(reason, suppress):
                self.failed[row.id] = reason
                if suppress is not None:
                    self.suppress[row.id] = suppress
            case rules.Unknown(reason):
                self.unknown[row.id] = reason
            case _:
                assert_never(step)


@dataclass(frozen=True)
class Recording:
    """Write down what became of a batch, group by group."""

    database: Database
    turns: Turns
    suppressions: Suppressions
    patience: rules.Patience = rules.PATIENCE
    pipeline: Pipeline | None = None  # None: everything is waited for

    def launch(self, group: Sequence[tuple[Batch, Sequence[Outcome]]]) -> Flight | None:
        """Have outcomes written without waiting for it; None where only `record` can.

        That is for groups of which all was taken, which are nearly all: a transaction for each batch. Whatever is wrong
        with a flight, `record` does it again. Raises psycopg.Error.
        """
        pipeline = self.pipeline
        if pipeline is None or not pipeline.is_free:
            return None
        if not all(one.verdict is Verdict.accepted for _, told in group for one in told):
            return None
        return pipeline.send([self._steps(*one) for one in group], lambda: failpoint("record.before_commit"))

    def _steps(self, batch: Batch, told: Sequence[Outcome]) -> list[Step]:
        sent = {one.delivery_id: one.provider_message_id for one in told if one.delivery_id in batch.rows}
        return [outcomes.sending_ends(sent, batch.token), *self.turns.named_accepted(batch.shop)]

    def record(self, batch: Batch, told: Sequence[Outcome], now_seconds: float) -> None:
        """Record a group of outcomes; a repeat changes nothing, and what another worker has taken over stays."""
        steps = _Steps(self.patience)
        for outcome in told:
            if outcome.delivery_id in batch.rows:
                steps.add(batch.rows[outcome.delivery_id], outcome, now_seconds)
        with self.database.transaction() as session:
            blamed = {batch.rows[delivery_id].contact_id for delivery_id in steps.suppress}
            outcomes.hold_contacts(session, [one for one in blamed if one is not None])
            sent = outcomes.mark_sent(session, steps.sent, batch.token)
            failed = outcomes.mark_failed(session, steps.failed, batch.token)
            outcomes.mark_unknown(session, steps.unknown, batch.token, DOUBT_WAIT_SECONDS)
            seconds_by_lane = outcomes.requeue(session, steps.again, batch.token)
            self._tell(session, batch.shop, sent, failed, steps)
            lanes.advance(session, seconds_by_lane)
            failpoint("record.before_commit")
        failpoint("record.after_commit")
        # Known already from a receipt that overtook this record, or taken over by another worker.
        if late := len(steps.sent) - len(sent):
            log.debug("outcomes_too_late", channel=batch.lane.channel.value, count=late)

    def _tell(
        self, session: Session, shop: Shop, sent: Sequence[Ended], failed: Sequence[Ended], steps: _Steps
    ) -> None:
        self.turns.offers_accepted(session, shop, offers_of(sent))
        for ended in failed:
            if ended.id not in steps.suppress or ended.contact_id is None:
                continue
            if steps.failed[ended.id] == rules.MISSING:
                self.suppressions.missing(session, shop.id, ended.contact_id)
            else:
                self.suppressions.suppress(session, shop.id, ended.contact_id, steps.suppress[ended.id])
        by_reason: dict[str, list[Ended]] = defaultdict(list)
        for ended in failed:
            by_reason[steps.failed[ended.id]].append(ended)
        for reason, group in by_reason.items():
            self.turns.offers_returned(session, shop.id, offers_of(group), reason)


def offers_of(ended: Sequence[Ended]) -> list[int]:
    """List the offers behind some deliveries, lowest first."""
    return sorted(e.offer_id for e in ended if e.offer_id is not None)
