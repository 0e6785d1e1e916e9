"""Reminders: an offer whose person has done nothing is told of once or twice more.

A reminder is a message about what can be bought, never a turn: it keeps no units and nobody waits for its end. Whether
it leaves is decided when its time has come, by `rules.may_send`; here it is only queued, each once, ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import restock.catalog.repository as catalog
from restock.channels.values import NoticeKind
from restock.clock import Clock
from restock.database import Database
from restock.deliveries import rules
from restock.deliveries.repository import notices, reminders
from restock.deliveries.repository.reminders import Remindable, Reminded
from restock.deliveries.service.claiming import load_shop
from restock.deliveries.values import NewDelivery
from restock.failpoints import failpoint
from restock.shops.values import NotificationPolicy

_READ_SECONDS = 5.0  # the time an answer about the stock may take, so that the message finds it there


@dataclass(frozen=True)
class Reminders:
    """Queue the reminders that are due."""

    database: Database
    clock: Clock

    def open(self, limit: int) -> int:
        """Look at up to `limit` offers whose reminder is due; return how many.

        Two that do this at once share the offers out. A shop that has switched reminders off, or an offer that was
        bought, declined or missed, comes to its end without one.
        """
        with self.database.transaction() as session:
            due = reminders.take_due(session, limit)
            shop_ids = {offer.shop_id for offer in due}
            policies = {shop_id: load_shop(session, shop_id).settings.policy for shop_id in shop_ids}
            alive = (offer for offer in due if offer.contact_id is not None)
            wanted = [o for o in alive if rules.wants_reminder(o.state, o.reminded_count, policies[o.shop_id])]
            reminders.set_next(session, _next(due, wanted, policies))
            notices.add(session, [self._message(offer, to) for offer in wanted if (to := offer.contact_id) is not None])
            if due:
                failpoint("reminders.before_commit")
        if due:
            failpoint("reminders.after_commit")
        self._ask(wanted)
        return len(due)

    def _message(self, offer: Remindable, contact_id: int) -> NewDelivery:
        return NewDelivery(
            offer.shop_id,
            offer.channel,
            NoticeKind.reminder,
            f"offer:{offer.offer_id}:reminder{offer.reminded_count + 1}",
            contact_id,
            offer.subscription_id,
            offer.offer_id,
            offer.event_id,
            self.clock.now() + timedelta(seconds=_READ_SECONDS),
        )

    def _ask(self, wanted: Sequence[Remindable]) -> None:
        """Have the stock read: of goods nobody waits for nothing is known by now. Lost, the claim asks for it."""
        variants: dict[int, set[int]] = defaultdict(set)
        for offer in wanted:
            variants[offer.shop_id].add(offer.variant_id)
        for shop_id, variant_ids in variants.items():
            with self.database.transaction() as session:
                catalog.request_checks(session, shop_id, variant_ids, 0)


def _next(
    due: Sequence[Remindable], wanted: Sequence[Remindable], policies: Mapping[int, NotificationPolicy]
) -> list[Reminded]:
    reminded = {offer.offer_id for offer in wanted}
    done = []
    for offer in due:
        policy = policies[offer.shop_id]
        goes_on = offer.offer_id in reminded and offer.reminded_count + 1 < policy.reminder_count
        done.append(Reminded(offer.offer_id, offer.offer_id in reminded, policy.reminder_hours if goes_on else None))
    return done
