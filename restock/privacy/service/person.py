"""One person: everything told, or everything erased, in one transaction.

Erasing holds the person's rows first, so that a post, a goodbye or a confirmation of theirs waits and then finds
nothing. A message on its way is not stopped; whatever its worker records later, it is not sent again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from restock.database import Database
from restock.deliveries.repository import retention as messages
from restock.links import SealError
from restock.privacy import repository
from restock.privacy.repository.export import read_everything
from restock.privacy.repository.person import blank_waiting_webhooks, named_hashes, read_circle
from restock.privacy.rules.person import find_person, is_about
from restock.privacy.service.ports import Turns
from restock.privacy.service.sealing import Sealing
from restock.privacy.values import Belongings, DueRequest, Identity, Person, RequestKind, RequestState
from restock.shops.repository import by_domain
from restock.shops.rules import read_settings
from restock.subscriptions.repository import erasing

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class People:
    """Tell and erase."""

    database: Database
    sealing: Sealing
    turns: Turns

    def tell(self, request: DueRequest) -> bool:
        """Put everything held on a person into a sealed export; True when the request is settled."""
        identity = self.sealing.open_identity(request.shop_domain, request.identity_sealed)
        with self.database.transaction() as session:
            if not repository.hold(session, request.id):
                return False
            held: dict[str, list[dict[str, object]]] = {}
            shop_id, country = _shop_facts(session, request.shop_domain)
            if shop_id is not None:
                held = read_everything(session, shop_id, _belongings(session, shop_id, identity, country))
            row_count = sum(len(rows) for rows in held.values())
            content = json.dumps(_letter(session, request, identity, held), ensure_ascii=False)
            sealed = self.sealing.seal_export(request.id, content)
            repository.finish(session, request.id, RequestState.done, row_count=row_count, export_sealed=sealed)
        _log_done(request, row_count)
        return True

    def erase(self, request: DueRequest) -> bool:
        """Erase a person and leave tombstones; True when the request is settled."""
        identity = self.sealing.open_identity(request.shop_domain, request.identity_sealed)
        with self.database.transaction() as session:
            if not repository.hold(session, request.id):
                return False
            shop_id, country = _shop_facts(session, request.shop_domain)
            row_count = blank_waiting_webhooks(session, request.shop_domain, identity, country)
            person = Person()
            if shop_id is not None:
                person, erased = self._erase(session, shop_id, identity, country)
                row_count += erased
            row_count += self._erase_exports(session, request.shop_domain, identity, person)
            repository.finish(session, request.id, RequestState.done, row_count=row_count)
        _log_done(request, row_count)
        return True

    def _erase(self, session: Session, shop_id: int, identity: Identity, country: str | None) -> tuple[Person, int]:
        """Erase from the tables; return who it was, and how many rows it came to."""
        guess = find_person(read_circle(session, shop_id, identity, country), identity)
        erasing.lock_person(session, guess.handles | guess.shared_handles, guess.contacts)
        found = _belongings(session, shop_id, identity, country)  # again: this time nobody can add to it
        person, contacts = found.person, sorted(found.person.contacts)
        self._end_turns(session, shop_id, contacts, found.subscription_ids)
        erasing.strip_subscriptions(session, found.subscription_ids)
        self._end_turns(session, shop_id, contacts, found.subscription_ids)  # a wave planned in between
        erasing.drop_words_of_handles(session, person.handles, person.shared_contacts)
        erasing.strip_purchases(session, shop_id, found.subscription_ids, found.order_ids)
        erasing.drop_dead_browsers(session, shop_id, found.hashes)
        erasing.drop_person(session, contacts, sorted(person.handles), sorted(person.shared_handles))
        hashes = sorted({*found.hashes, *named_hashes(identity, country)})
        repository.mark_redacted(session, shop_id, self.sealing.tombstones(hashes, identity.shopify_customer_id))
        return person, len(contacts) + len(person.handles) + len(found.subscription_ids)

    def _erase_exports(self, session: Session, shop_domain: str, identity: Identity, person: Person) -> int:
        """Erase earlier exports about this person; one that no longer opens goes as well, being of no use."""
        ids = []
        for request_id, sealed in repository.exports(session, shop_domain):
            try:
                told = json.loads(self.sealing.open_export(request_id, sealed))
            except SealError:
                ids.append(request_id)
                continue
            if is_about(told, identity, person):
                ids.append(request_id)
        repository.drop_exports(session, ids)
        return len(ids)

    def _end_turns(
        self, session: Session, shop_id: int, contacts: Sequence[int], subscription_ids: Sequence[int]
    ) -> None:
        """Stop what is queued for them, and give the units they keep to whoever is next."""
        offers = messages.offers_of(session, subscription_ids)
        messages.strip_person(session, contacts, [offer.id for offer in offers])
        still_open = [offer.id for offer in offers if offer.is_open]
        self.turns.offers_returned(session, shop_id, still_open, messages.REDACTED)
        self.turns.offers_bounced(session, shop_id, still_open)


def _belongings(session: Session, shop_id: int, identity: Identity, country: str | None) -> Belongings:
    person = find_person(read_circle(session, shop_id, identity, country), identity)
    known = [bytes(row.address_hash) for row in erasing.contacts(session, shop_id, person.contacts)]
    return Belongings(
        person=person,
        subscription_ids=tuple(erasing.subscriptions_of(session, person.contacts)),
        hashes=tuple(dict.fromkeys([*known, *named_hashes(identity, country)])),
        order_ids=identity.order_ids,
    )


def _shop_facts(session: Session, domain: str) -> tuple[int | None, str | None]:
    """Read a shop's id and country, installed or not; (None, None) for one we never knew."""
    row = by_domain(session, domain)
    return (row.id, read_settings(row.settings).country) if row else (None, None)


def _letter(session: Session, request: DueRequest, identity: Identity, held: object) -> dict[str, object]:
    return {
        "shop": request.shop_domain,
        "request": request.id,
        "made_at": repository.now(session).isoformat(),
        "asked_for": {
            "shopify_customer_id": identity.shopify_customer_id,
            "email": identity.email,
            "phone": identity.phone,
            "orders": list(identity.order_ids),
        },
        "held": held,
    }


def _log_done(request: DueRequest, row_count: int) -> None:
    log.info(
        "privacy_data_request_done" if request.kind is RequestKind.data_request else "privacy_person_erased",
        request=request.id,
        shop=request.shop_domain,
        rows=row_count,
    )
