"""The questions. Each is one read-only transaction; none may change anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from restock.database import Database
from restock.reports import repository
from restock.reports.repository.browsers import browsers_by_key
from restock.reports.repository.standing import belongs_to, supported_by
from restock.reports.service.standing import Installation, Queue
from restock.reports.values import Gauges, MessageOrigin, VariantStock, Waitlist
from restock.reports.values.standing import Place
from restock.shops.values import Shop

LONGEST_SHELF = 500


@dataclass(frozen=True)
class ReportService:
    """What can be asked."""

    database: Database
    installation: Installation = field(default_factory=Installation)

    def shelf(self, shop: Shop) -> Sequence[VariantStock]:
        """List the variants known of a shop, at most LONGEST_SHELF, with stock and waiting people."""
        with self.database.transaction() as session:
            return repository.shelf(session, shop.id, LONGEST_SHELF)

    def waitlist(self, shop: Shop, variant_id: int, limit: int = 100) -> Waitlist:
        """Say who waits for a variant and who was let go last, each with the current reason."""
        with self.database.transaction() as session:
            queue = Queue(session, shop, variant_id, self.installation)
            now, waiting = queue.first(limit)
            return Waitlist(variant_id, now, waiting, queue.left(limit))

    def browsers_by_key(self) -> dict[str | None, int]:
        """Count the browsers that wait by the name of the VAPID key they are bound to; None: not known."""
        with self.database.transaction() as session:
            return browsers_by_key(session)

    def subscription_of(self, intent_id: UUID) -> int | None:
        """Find the subscription an intent supports, or did; None when there is no such intent (any more)."""
        with self.database.transaction() as session:
            return supported_by(session, intent_id)

    def shop_of(self, subscription_id: int) -> int | None:
        """Find the shop of a subscription, for whoever runs the program; None when there is no such subscription."""
        with self.database.transaction() as session:
            found = belongs_to(session, subscription_id)
        return None if found is None else found[0]

    def explain(self, shop: Shop, subscription_id: int) -> Place | None:
        """Give the one current reason of a subscription; None when the shop has no such one."""
        with self.database.transaction() as session:
            found = belongs_to(session, subscription_id)
            if found is None or found[0] != shop.id:
                return None
            return Queue(session, shop, found[1], self.installation).one(subscription_id)

    def origins(self, shop: Shop, delivery_ids: Sequence[int]) -> dict[int, MessageOrigin]:
        """Find the restock behind each delivery of a shop; deliveries without one are left out."""
        if not delivery_ids:
            return {}
        with self.database.transaction() as session:
            return {origin.delivery_id: origin for origin in repository.origins(session, shop.id, delivery_ids)}

    def backlog(self) -> Gauges:
        """Read the figures operators watch, all shops together."""
        with self.database.transaction() as session:
            return repository.gauges(session)
