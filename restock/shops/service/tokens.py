"""The door to a shop's Admin API: whoever wants to ask hands in a question and gets the answer.

Tokens are fetched, renewed and kept behind it; nobody else sees one. Call it with no transaction open: it may take as
long as Shopify does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, assert_never
from uuid import UUID

import structlog

from restock.errors import ConflictError
from restock.shopify.errors import AdminError, AdminUnauthorizedError, AdminUnavailableError, NoAccessError
from restock.shopify.id_tokens import IdToken
from restock.shopify.oauth import Granted, Refused, Unreachable
from restock.shopify.port import AdminApi
from restock.shopify.values import Access
from restock.shops import repository
from restock.shops.repository import tokens
from restock.shops.repository.tokens import Held
from restock.shops.rules.profile import profile_of
from restock.shops.service import to_shop
from restock.shops.service.renewal import REJECTED_AGAIN_SECONDS, Renewal
from restock.shops.values import Shop, ShopAccess

log = structlog.get_logger(__name__)

IN_USE_SECONDS = 3600.0  # a shop asked about so lately will be asked about again
IDLE_SECONDS = 7 * 86_400.0  # a refresh token lasts 90 days without use
BATCH = 20
AT_ONCE = 4  # a shop whose calls hang holds up three others at the most

T = TypeVar("T")


@dataclass(frozen=True)
class TokenService:
    """Ask shops' Admin APIs, and let shops in. Safe across threads and processes."""

    renewal: Renewal
    admin: AdminApi

    def ask(self, shop_id: int, question: Callable[[Access], T]) -> T:
        """Put a question with a token that is good now; renewed and asked once more when Shopify refuses it.

        Raises NoAccessError when the merchant must open the app, and any AdminError the question raises.
        """
        found = self.renewal.current(shop_id)
        try:
            return question(self.renewal.access(found))
        except AdminUnauthorizedError:
            found = self.renewal.current(shop_id, rejected=found.generation)
        try:
            return question(self.renewal.access(found))
        except AdminUnauthorizedError:
            again = REJECTED_AGAIN_SECONDS if found.refresh_sealed is not None else None
            raise self.renewal.ended(found, "token_rejected", again) from None

    def close(self) -> None:
        """Close what tokens are asked for over; the next question opens it again."""
        self.renewal.source.close()

    def has_access(self, shop: Shop) -> bool:
        """Say whether a shop can be asked, as far as is known without asking."""
        return shop.is_installed and shop.access is ShopAccess.granted

    def welcome(self, id_token_text: str, id_token: IdToken) -> Shop:
        """Return the shop whose staff opened the app, installed by token exchange when it has no good token yet.

        Settings and subscribers of an earlier installation are kept. Raises NoAccessError when Shopify refuses the ID
        token, AdminUnavailableError when it does not answer.
        """
        domain = id_token.shop_domain
        until = time.monotonic() + self.renewal.wait_seconds
        while True:
            shop, found = self._arrive(domain)
            if found is None:
                return shop
            if lease := self.renewal.claim(found, patient=False):
                break
            if time.monotonic() > until:
                raise AdminUnavailableError("the shop is being installed: open the app again in a moment")
            time.sleep(0.1)
        outcome = self.renewal.source.exchange(domain, id_token_text)
        match outcome:
            case Granted():
                shop = self._install(found, lease, outcome)
            case Refused(reason) | Unreachable(reason):
                self.renewal.failed(found, lease, reason)
                kind = NoAccessError if isinstance(outcome, Refused) else AdminUnavailableError
                raise kind(f"Shopify gave no access ({reason})")
            case _:
                assert_never(outcome)
        return self._introduce(shop)

    def learn(self, shop_id: int) -> None:
        """Ask a shop what it is and what it allows us, and keep the answer. Raises as `ask` does."""
        said = self.ask(shop_id, self.admin.shop)
        with self.renewal.database.transaction() as session:
            repository.save_profile(session, shop_id, profile_of(said), None)
            if said.scopes:
                tokens.set_access(session, shop_id, ShopAccess.granted, said.scopes)

    def refresh_due(self) -> int:
        """Renew what is due, a few at once, and say how many were taken; 0 means nothing is due."""
        with self.renewal.database.transaction() as session:
            shop_ids = tokens.due(session, BATCH, IN_USE_SECONDS, IDLE_SECONDS)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tokens") as pool:
            list(pool.map(self.refresh, shop_ids))
        return len(shop_ids)

    def refresh(self, shop_id: int) -> bool:
        """Renew one shop's tokens now, whether due or not; False when that is not possible."""
        with self.renewal.database.transaction() as session:
            found = tokens.held(session, shop_id)
        if found is None or found.refresh_sealed is None or (lease := self.renewal.claim(found)) is None:
            return False
        try:
            return self.renewal.renew(found, lease) is None
        except NoAccessError:
            return False

    def renew(self, shop_id: int) -> None:
        """Renew at a person's wish; a token without end is exchanged for a pair, and stops working.

        Raises ConflictError with what stands in the way.
        """
        with self.renewal.database.transaction() as session:
            found = tokens.held(session, shop_id)
        if found is None or found.access_sealed is None or not found.is_installed:
            raise ConflictError("This shop has given no token: open the app in its admin.")
        lease = self.renewal.claim(found, patient=False)
        if lease is None:
            raise ConflictError("This shop's tokens are being renewed already.")
        is_endless = found.refresh_sealed is None
        failure = self.renewal.migrate(found, lease) if is_endless else self._renewed(found, lease)
        if failure is not None:
            raise ConflictError(f"Shopify gave no new tokens ({failure}); the present ones are kept.")

    def _renewed(self, found: Held, lease: UUID) -> str | None:
        try:
            return self.renewal.renew(found, lease)
        except NoAccessError as over:
            raise ConflictError(f"Shopify gave no new tokens: {over}.") from None

    def _arrive(self, domain: str) -> tuple[Shop, Held | None]:
        """Find the shop; beside it what to install it on, None when its access is good."""
        with self.renewal.database.transaction() as session:
            row = repository.ensure(session, domain)
            if self.has_access(shop := to_shop(row)):
                return shop, None
            tokens.prepare(session, row.id)
            found = tokens.held(session, row.id)
            session.refresh(row)  # after the generation: whoever lets the shop in between the two changes that first
            shop = to_shop(row)
            return shop, None if self.has_access(shop) else found

    def _install(self, found: Held, lease: UUID, granted: Granted) -> Shop:
        """Keep the first pair and let the shop in, at once or not at all."""
        pair = self.renewal.seal(found.shop_id, granted)
        with self.renewal.database.transaction() as session:
            if not tokens.store(session, found.shop_id, lease, pair):
                raise AdminUnavailableError("the shop's access changed meanwhile: open the app again")
            tokens.set_access(session, found.shop_id, ShopAccess.granted, granted.scopes)
            return to_shop(repository.install(session, found.domain))

    def _introduce(self, shop: Shop) -> Shop:
        """Ask a new shop who it is. Its first page wants to name it; a failure is made good later."""
        try:
            self.learn(shop.id)
        except (AdminError, NoAccessError) as error:
            log.warning("shop_not_introduced", shop_id=shop.id, error=type(error).__name__)
        self.renewal.forget(shop.domain)
        with self.renewal.database.transaction() as session:
            row = repository.by_id(session, shop.id)
            return to_shop(row) if row else shop
