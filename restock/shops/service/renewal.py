"""A shop's access, kept good: one process fetches a new pair, everybody else waits a moment and reads it.

No transaction is open while Shopify is asked. The right to ask is a lease on the row, taken and ended by one
conditional UPDATE each; a pair is committed before anybody uses it. Whoever dies in between leaves a lease that ends
by itself and a refresh token that Shopify still takes, because its replacement was never used.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

import structlog

from restock.database import Database
from restock.failpoints import failpoint
from restock.links import SealError, Vault
from restock.shopify.errors import AdminUnavailableError, NoAccessError
from restock.shopify.oauth import Granted, Outcome, Refused, Unreachable
from restock.shopify.values import Access
from restock.shops.repository import tokens
from restock.shops.repository.tokens import Held, NewPair
from restock.shops.rules.renewal import refresh_in, wait_after
from restock.shops.rules.sealing import access_context, refresh_context
from restock.shops.values import ShopAccess

log = structlog.get_logger(__name__)

LEASE_SECONDS = 30.0  # three times what a call may take
WAIT_SECONDS = 12.0  # for another's fetch; a call takes ten at the most
REJECTED_AGAIN_SECONDS = 3600.0  # a refused access token is not final while it can be renewed


class TokenSource(Protocol):
    """What hands out tokens: one call each, none raises. `close` may be followed by further calls."""

    def exchange(self, domain: str, id_token_text: str) -> Outcome: ...

    def refresh(self, domain: str, refresh_token: str) -> Outcome: ...

    def migrate(self, domain: str, access_token: str) -> Outcome: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Renewal:
    """Give access that is good now, and fetch what is due. `forget` drops what this process remembers of a shop."""

    database: Database
    vault: Vault
    source: TokenSource
    forget: Callable[[str], None]
    lease_seconds: float = LEASE_SECONDS
    wait_seconds: float = WAIT_SECONDS

    def current(self, shop_id: int, rejected: int | None = None) -> Held:
        """Return what is good for a question, renewed if need be; `rejected` is a generation Shopify refused.

        Raises NoAccessError, or AdminUnavailableError when it ran out and cannot be renewed now.
        """
        until = time.monotonic() + self.wait_seconds
        while True:
            found = self._held(shop_id)
            is_over = found.is_over or found.generation == rejected
            if not is_over and not found.is_due:
                return found
            if found.refresh_sealed is None:
                return self._last_use(found, is_over=is_over)
            if found.may_try and (lease := self.claim(found)):
                failure = self.renew(found, lease)
                if failure is not None and is_over:
                    raise AdminUnavailableError(failure)
                if failure is not None:
                    return found
            elif not is_over:
                return found
            elif not found.may_try or time.monotonic() > until:
                raise AdminUnavailableError("the shop's access is being renewed: ask again in a moment")
            else:
                time.sleep(0.1)

    def claim(self, found: Held, *, patient: bool = True) -> uuid.UUID | None:
        """Take the lease for what replaces this generation; None when another has it or it is there already."""
        lease = uuid.uuid4()
        with self.database.transaction() as session:
            mine = tokens.claim(session, found.shop_id, found.generation, lease, self.lease_seconds, patient=patient)
        return lease if mine else None

    def renew(self, found: Held, lease: uuid.UUID) -> str | None:
        """Fetch and store a new pair under a lease; return why that could not be done now, None when it was.

        Raises NoAccessError when the refresh token is over.
        """
        assert found.refresh_sealed is not None
        old = self.open(found.refresh_sealed, refresh_context(found.shop_id))
        outcome = self.source.refresh(found.domain, old)
        failpoint("token.answered")
        match outcome:
            case Granted():
                self.keep(found.shop_id, lease, outcome)
                return None
            case Refused(reason):
                raise self.ended(found, reason)
            case Unreachable(reason):
                self.failed(found, lease, reason)
                return f"the shop's access could not be renewed ({reason})"
            case _:
                assert_never(outcome)

    def migrate(self, found: Held, lease: uuid.UUID) -> str | None:
        """Exchange a token without end for a pair; return why that could not be done, None when it was."""
        outcome = self.source.migrate(found.domain, self.access(found).token)
        if isinstance(outcome, Granted):
            return None if self.keep(found.shop_id, lease, outcome) else "overtaken"
        self.failed(found, lease, outcome.reason)
        return outcome.reason

    def keep(self, shop_id: int, lease: uuid.UUID, granted: Granted) -> bool:
        """Store a fetched pair; False when the lease was lost meanwhile."""
        pair = self.seal(shop_id, granted)
        with self.database.transaction() as session:
            stored = tokens.store(session, shop_id, lease, pair)
            if stored:
                tokens.set_access(session, shop_id, ShopAccess.granted, granted.scopes or None)
            failpoint("token.before_commit")
        return stored

    def failed(self, found: Held, lease: uuid.UUID, reason: str) -> None:
        """End a lease after a failure, and leave the token endpoint alone for a while."""
        with self.database.transaction() as session:
            count = tokens.failures(session, found.shop_id) + 1
            tokens.fail(session, found.shop_id, lease, reason, wait_after(count))
        log.warning("token_renewal_failed", shop_id=found.shop_id, reason=reason, failures=count)

    def ended(self, found: Held, reason: str, again_seconds: float | None = None) -> NoAccessError:
        """Mark a shop's access as over and return the error to raise."""
        with self.database.transaction() as session:
            ended = tokens.end_access(session, found.shop_id, found.generation, reason, again_seconds)
        if ended:
            self.forget(found.domain)
            log.warning("shop_needs_reauth", shop_id=found.shop_id, reason=reason)
        return NoAccessError("the shop's access is over: somebody of the shop must open the app")

    def access(self, found: Held) -> Access:
        """Open the access token for one question."""
        assert found.access_sealed is not None
        return Access(found.domain, self.open(found.access_sealed, access_context(found.shop_id)))

    def open(self, sealed: bytes, context: str) -> str:
        """Open a token; raises NoAccessError when SECRET_KEY no longer lists its key."""
        try:
            return self.vault.open(sealed, context)
        except SealError as error:
            log.warning("token_does_not_open", context=context)
            raise NoAccessError(f"the shop's token does not open: {error}") from None

    def seal(self, shop_id: int, granted: Granted) -> NewPair:
        """Seal a pair for its shop and its columns."""
        refresh = None if granted.refresh is None else self.vault.seal(granted.refresh, refresh_context(shop_id))
        return NewPair(
            access_sealed=self.vault.seal(granted.access, access_context(shop_id)),
            refresh_sealed=refresh,
            access_seconds=granted.access_seconds,
            refresh_seconds=granted.refresh_seconds,
            refresh_in_seconds=refresh_in(granted.access_seconds, random.random()) if refresh else None,  # noqa: S311
        )

    def _held(self, shop_id: int) -> Held:
        with self.database.transaction() as session:
            found = tokens.held(session, shop_id)
            if found is None or not found.is_installed or found.access_sealed is None or found.needs_reauth:
                raise NoAccessError("the shop has given no access: somebody of the shop must open the app")
            tokens.mark_used(session, shop_id)
        return found

    def _last_use(self, found: Held, *, is_over: bool) -> Held:
        """A token that cannot be renewed serves to its end."""
        if is_over:
            raise self.ended(found, "expired" if found.is_over else "token_rejected")
        return found
