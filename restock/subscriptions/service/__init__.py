"""What can be done for waiting people: take a post, confirm, leave, suppress, let expire, tidy up.

Nothing here may tell a stranger anything about an address: `register` answers the same whatever it finds.
"""

from __future__ import annotations

import uuid
from asyncio import Future
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from json.encoder import encode_basestring_ascii as _quoted

import psycopg
from psycopg import errors
from sqlalchemy.orm import Session

from restock.batches import Batches, LoopBatches
from restock.channels.values import PushKeys
from restock.database import Database
from restock.errors import NotFoundError, UnavailableError
from restock.ids import new_handle_hex
from restock.shops.values import Shop
from restock.statements import Connection, Lane
from restock.subscriptions import repository
from restock.subscriptions.repository import purchases
from restock.subscriptions.repository import register as posts
from restock.subscriptions.repository.endings import lock_contact
from restock.subscriptions.repository.register_many import REGISTERING, register_many
from restock.subscriptions.service.choices import Choices
from restock.subscriptions.service.ports import NoTurns, Turns
from restock.subscriptions.values import ContactView, Provenance, RegisteredIntent, Signup, SuppressionReason

_TRIES = 6
_AGAIN = (errors.DeadlockDetected, errors.SerializationFailure, errors.InvalidSqlStatementName)
_RETRY_AFTER_SECONDS = 5
_LANES, _ENOUGH = 2, 6  # PostgreSQL needs as long for some posts as the loop for as many: both work at once
ORPHAN_DAYS = 30
UNCONFIRMED_DAYS = 30


@dataclass(frozen=True)
class SubscriptionService:
    """The use cases of waiting people. `settle_seconds`: how long stock may settle before it is looked at."""

    database: Database
    settle_seconds: float = 10.0
    turns: Turns = field(default_factory=NoTurns)

    def register(self, shop: Shop, signup: Signup, provenance: Provenance) -> RegisteredIntent:
        """Take one post: at once, whole, and any number of the same at the same moment.

        Posts that arrive together share a commit, unless they name the same address or customer. Raises
        NotFoundError when the shop was erased meanwhile, UnavailableError when the database is away.
        """
        return self._batches.write(_parameters(shop, signup, provenance, self.settle_seconds), _keys(signup))

    def begin(self, shop: Shop, signup: Signup, provenance: Provenance) -> Future[RegisteredIntent]:
        """As `register`, for a caller on an event loop; only while `on_loop.is_ready`. The future raises the same."""
        return self.on_loop.write(_parameters(shop, signup, provenance, self.settle_seconds), _keys(signup))

    @cached_property
    def on_loop(self) -> LoopBatches[posts.Parameters, RegisteredIntent]:
        """What writes posts for an event loop, once it is attached to one."""
        connect, alone = self.database.connect_for_batches, self._write
        return LoopBatches(connect, REGISTERING, alone, lanes=_LANES, enough=_ENOUGH)

    @cached_property
    def choices(self) -> Choices:
        """What people change about their own alerts."""
        return Choices(self.database, self.settle_seconds, self.turns)

    @cached_property
    def _batches(self) -> Batches[posts.Parameters, RegisteredIntent]:
        return Batches([Lane(self.database.connect_for_batches)], register_many, self._write)

    def _write(self, parameters: posts.Parameters) -> RegisteredIntent:
        """Write through this thread's own connection; the ids are fixed, so a repeat meets its own rows."""
        losses = 0
        for _ in range(_TRIES):
            try:
                if (intent := _write_once(self.database.hot(), parameters)) is not None:
                    return intent
            except errors.ForeignKeyViolation:
                raise NotFoundError("This shop does not use the app.") from None
            except _AGAIN:
                continue
            except (errors.LockNotAvailable, errors.QueryCanceled):
                break
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self.database.drop_hot()
                losses += 1
                if losses > 1:
                    break
        raise UnavailableError("Please try again in a few seconds.", retry_after_seconds=_RETRY_AFTER_SECONDS)

    def unsubscribe(self, contact_id: int) -> None:
        """End every alert of this shop to this contact, and remember the no. Repeating it changes nothing."""
        with self.database.transaction() as session:
            contact = lock_contact(session, contact_id)
            if contact is not None:
                self.turns.person_left(session, contact.shop_id, contact_id)
                repository.unsubscribe(session, contact_id)

    def confirm(self, contact_id: int) -> bool:
        """Take the contact's yes: lift its own earlier no, and let what waits for it into the queue at its old place.

        Return whether the contact can be written to now: an address that bounced or complained stays suppressed.
        Repeating it changes nothing.
        """
        with self.database.transaction() as session:
            repository.confirm(session, contact_id, self.settle_seconds)
            contact = lock_contact(session, contact_id)
            return contact is not None and contact.suppression is None

    def verify_customer(self, shop_id: int, customer_id: uuid.UUID, shopify_customer_id: int) -> None:
        """Write down Shopify's own word on which of its customers holds this handle; repeating it changes nothing."""
        with self.database.transaction() as session:
            purchases.verify_customer(session, shop_id, customer_id, shopify_customer_id)

    def contact_view(self, contact_id: int) -> ContactView | None:
        """Read what the page behind a link may show; None when the contact is gone."""
        with self.database.transaction() as session:
            return repository.contact_view(session, contact_id)

    def suppress(self, session: Session, shop_id: int, contact_id: int, reason: SuppressionReason) -> None:
        """Never write to this contact's address again, and end what it waits for, in the caller's transaction."""
        repository.suppress(session, shop_id, contact_id, reason)

    def missing(self, session: Session, shop_id: int, contact_id: int) -> None:
        """Suppress a browser nobody knows any more, once that is said on two days; in the caller's transaction."""
        if repository.is_missing_again(session, shop_id, contact_id):
            repository.suppress(session, shop_id, contact_id, SuppressionReason.gone)

    def expire_due(self, limit: int = 1000) -> int:
        """End subscriptions that waited longer than the shop keeps people waiting; return how many ended."""
        with self.database.transaction() as session:
            return repository.expire_due(session, limit)

    def purge_unconfirmed(self, limit: int = 1000) -> int:
        """Erase wishes whose address has not said yes for UNCONFIRMED_DAYS; return how many went."""
        with self.database.transaction() as session:
            return repository.purge_unconfirmed(session, UNCONFIRMED_DAYS, limit)

    def sweep_orphans(self, limit: int = 1000) -> int:
        """Erase handles and contacts that lead to nothing and are older than ORPHAN_DAYS; return how many went."""
        with self.database.transaction() as session:
            return repository.sweep_orphans(session, ORPHAN_DAYS, limit)


def _write_once(connection: Connection, parameters: posts.Parameters) -> RegisteredIntent | None:
    try:
        intent = posts.register(connection, parameters)
    except errors.DivisionByZero:
        intent = None
    return intent or posts.move(connection, parameters)


def _keys(signup: Signup) -> Collection[Hashable]:
    """Name what no two posts of a batch may share."""
    return {signup.contact.address_hash, signup.customer_id} - {None}


def _stored_keys(keys: PushKeys) -> str:
    made_with = {"vapid": keys.vapid} if keys.vapid else {}
    return _stored_texts({"p256dh": keys.p256dh, "auth": keys.auth} | made_with)


def _stored_texts(texts: Mapping[str, str | int]) -> str:
    """Write a flat object as JSON, its names plain; `json.dumps` makes an encoder of its own at every call."""
    written = (f'"{name}":{_quoted(value) if isinstance(value, str) else value}' for name, value in texts.items())
    return f"{{{','.join(written)}}}"


def _parameters(shop: Shop, signup: Signup, provenance: Provenance, settle_seconds: float) -> posts.Parameters:
    contact = signup.contact
    keys = contact.push_keys
    marketing = signup.accepts_marketing
    return {
        "shop": str(shop.id),
        "given": _text(signup.customer_id),
        "fresh": new_handle_hex(),
        "intent": new_handle_hex(),
        "channel": contact.channel.value,
        "address": contact.address,
        "address_hash": _bytea(contact.address_hash),
        "push_keys": _stored_keys(keys) if keys else None,
        "name": signup.name,
        "locale": signup.locale,
        "shopify_customer": _text(signup.shopify_customer_id),
        "marketing": None if marketing is None else ("granted" if marketing else "refused"),
        "variant": str(signup.variant_id),
        "product": str(signup.product_id),
        "market": str(signup.market_id),
        "quantity": str(signup.quantity),
        "source": signup.source,
        "goods": _stored_texts(signup.product) if signup.product else None,
        "queued_at": None,
        "expire_days": str(shop.settings.expire_days),
        "settle_seconds": str(settle_seconds),
        "ip_hash": _bytea(provenance.ip_hash),
        "user_agent": provenance.user_agent,
        "page_url": provenance.page_url,
        "asks": str(shop.settings.double_opt_in.of(contact.channel)).lower(),
    }


def _text(value: uuid.UUID | int | None) -> str | None:
    return None if value is None else str(value)


def _bytea(value: bytes | None) -> str | None:
    return None if value is None else "\\x" + value.hex()
