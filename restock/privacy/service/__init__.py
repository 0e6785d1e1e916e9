"""What is done for people's privacy: requests taken down, told, erased; and everything erased when it is old.

Nothing here may log who is meant. A request says it sealed, and only until it is done.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

import structlog
from sqlalchemy.orm import Session

from restock.channels.values import ChannelName
from restock.database import Database
from restock.errors import NotFoundError
from restock.ids import address_hash
from restock.links import SealError, Vault
from restock.privacy import repository
from restock.privacy.repository.person import own_identity
from restock.privacy.rules.readable import render_html
from restock.privacy.service.person import People
from restock.privacy.service.ports import Turns
from restock.privacy.service.retention import Retention
from restock.privacy.service.sealing import Sealing
from restock.privacy.service.shop import ShopErasure
from restock.privacy.values import DueRequest, Export, Identity, NewRequest, RequestKind, RequestLine, RequestState

log = structlog.get_logger(__name__)

LEASE_SECONDS = 120.0
STEP_SECONDS = 0.25  # the sweeper has other things to do
_LONGEST_PAUSE_SECONDS = 3600.0
_MOST_LISTED = 200


@dataclass(frozen=True)
class PrivacyService:
    """The use cases of privacy.

    `older` hold one earlier key each: a tombstone made under it is still recognised. `retention_days`: how long what
    is over is kept. `forget`: a shop's domain is no longer to be remembered.
    """

    database: Database
    vault: Vault
    turns: Turns
    retention_days: int
    older: Sequence[Vault] = ()
    forget: Callable[[str], None] = lambda _domain: None

    def receive(self, session: Session, request: NewRequest) -> None:
        """Take a request down, in the caller's transaction; it is done by `work_due`."""
        sealed = self._sealing.seal_identity(request.shop_domain, request.identity) if request.identity else None
        request_id = repository.add(session, request, sealed)
        log.info("privacy_request_received", request=request_id, kind=request.kind.value, shop=request.shop_domain)

    def erase_own(self, contact_id: int) -> bool:
        """Take down a person's own wish to be erased, who followed a link to this contact; False when it is gone.

        Done by `work_due` like any other; asking again before it is done changes nothing.
        """
        with self.database.transaction() as session:
            found = own_identity(session, contact_id)
            if found is None:
                return False
            domain, identity = found
            if not any(
                self._means(domain, sealed, identity) for sealed in repository.waiting_erasures(session, domain)
            ):
                self.receive(session, NewRequest(domain, RequestKind.customer_redact, identity))
            return True

    def work_due(self, seconds: float = STEP_SECONDS) -> int:
        """Do requests that are due for up to so many seconds, at least a piece of one; return how many were settled.

        A shop is erased in many short transactions, over as many calls as it takes.
        """
        settled, began = 0, time.monotonic()
        while True:
            with self.database.transaction() as session:
                request = repository.claim(session, LEASE_SECONDS)
            if request is None:
                return settled
            settled += self._work_safely(request, seconds - (time.monotonic() - began))
            if time.monotonic() - began >= seconds:
                return settled

    def requests(self, shop_domain: str) -> Sequence[RequestLine]:
        """List a shop's requests, the newest first."""
        with self.database.transaction() as session:
            return repository.list_requests(session, shop_domain, _MOST_LISTED)

    def export(self, shop_domain: str, request_id: int) -> Export:
        """Open the export a data request led to; kept for 30 days.

        Raises NotFoundError when there is none (any more), or it is another shop's, or its key is gone.
        """
        with self.database.transaction() as session:
            sealed = repository.export_of(session, shop_domain, request_id)
        if sealed is None:
            raise NotFoundError("There is no export for this request. Exports are kept for 30 days.")
        try:
            content = self._sealing.open_export(request_id, sealed)
        except SealError:
            raise NotFoundError("This export was sealed with a key that SECRET_KEY no longer lists.") from None
        return Export(request_id, content, render_html(json.loads(content)))

    def was_redacted(
        self,
        session: Session,
        shop_id: int,
        addresses: Sequence[tuple[ChannelName, str]],
        shopify_customer_id: int | None = None,
    ) -> bool:
        """Say whether a person was erased here, by a normalised address or the customer id.

        For whatever would bring people in by other hands than their own: an import, a copy of the store's customers.
        A shopper who asks again for an alert is welcome.
        """
        hashes = [address_hash(channel.value, address) for channel, address in addresses]
        keys = [self._sealing, *(Sealing(vault) for vault in self.older)]
        tombstones = [stone for key in keys for stone in key.tombstones(hashes, shopify_customer_id)]
        return bool(tombstones) and repository.was_redacted(session, shop_id, tombstones)

    def sweep(self, seconds: float = STEP_SECONDS) -> int:
        """Erase what is old, for up to so many seconds, going on where the last call stopped; return the steps done."""
        return self._retention.sweep(seconds)

    def _means(self, shop_domain: str, sealed: bytes, identity: Identity) -> bool:
        try:
            return self._sealing.open_identity(shop_domain, sealed) == identity
        except SealError:
            return False

    def _work_safely(self, request: DueRequest, seconds: float) -> bool:
        try:
            return self._work(request, seconds)
        except SealError:
            log.error("privacy_request_unreadable", request=request.id, kind=request.kind.value)  # noqa: TRY400 (no text)
            with self.database.transaction() as session:
                repository.finish(session, request.id, RequestState.failed, reason="key_lost")
            return True
        except Exception as error:  # noqa: BLE001 (the door of one request: the others go on, and it comes back)
            kind = type(error).__name__  # not its text: a database's may quote the row
            log.error("privacy_request_failed", request=request.id, kind=request.kind.value, error=kind)  # noqa: TRY400
            with self.database.transaction() as session:
                pause = min(10.0 * 2 ** min(request.attempts, 10), _LONGEST_PAUSE_SECONDS)
                repository.postpone(session, request.id, pause, "internal_error")
            return False

    def _work(self, request: DueRequest, seconds: float) -> bool:
        match request.kind:
            case RequestKind.data_request:
                return self._people.tell(request)
            case RequestKind.customer_redact:
                return self._people.erase(request)
            case RequestKind.shop_redact:
                return self._shop_erasure.erase(request, seconds)
            case _:
                assert_never(request.kind)

    @cached_property
    def _sealing(self) -> Sealing:
        return Sealing(self.vault)

    @cached_property
    def _people(self) -> People:
        return People(self.database, self._sealing, self.turns)

    @cached_property
    def _shop_erasure(self) -> ShopErasure:
        return ShopErasure(self.database, self.forget, LEASE_SECONDS)

    @cached_property
    def _retention(self) -> Retention:
        return Retention(self.database, self.retention_days)
