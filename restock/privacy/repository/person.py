"""What the tables know around a person: the facts `rules.person` decides on, and the words of others about them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.ids import address_hash
from restock.privacy.rules.person import addresses_of
from restock.privacy.values import Circle, Identity
from restock.subscriptions.repository import erasing

# Only webhooks that still wait hold more than the catalog's news: the others' bodies went when they were settled.
_BLANK_WAITING = text("""
    UPDATE inbox_messages SET body = '', state = 'kept', reason = 'redacted', finished_at = now()
    WHERE shop_domain = :shop_domain AND state = 'received' AND id IN (
        SELECT id FROM inbox_messages
        WHERE state = 'received' AND shop_domain = :shop_domain
          AND (topic LIKE 'orders/%' OR topic LIKE 'customers%' OR topic LIKE 'checkouts/%' OR topic LIKE 'carts/%')
          AND topic NOT IN ('customers/redact', 'customers/data_request')
          AND EXISTS (SELECT FROM unnest(CAST(:words AS bytea[])) word WHERE position(word IN body) > 0)
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id
""")


def named_hashes(identity: Identity, country: str | None) -> list[bytes]:
    """Hash every address an identity can mean."""
    return [address_hash(channel.value, address) for channel, address in addresses_of(identity, country)]


def read_circle(session: Session, shop_id: int, identity: Identity, country: str | None) -> Circle:
    """Gather the contacts and handles a request may be about, and who else speaks for them."""
    named = erasing.named_contacts(session, shop_id, named_hashes(identity, country))
    handles = {handle for handle, _ in erasing.links_of_contacts(session, shop_id, named)}
    if identity.shopify_customer_id is not None:
        handles |= erasing.handles_of_customer(session, shop_id, identity.shopify_customer_id)
    contact_ids = named | {contact for _, contact in erasing.links_of_handles(session, shop_id, handles)}
    links = erasing.links_of_contacts(session, shop_id, contact_ids)
    speakers = handles | {handle for handle, _ in links}
    links |= erasing.links_of_handles(session, shop_id, speakers)
    contact_ids |= {contact for _, contact in links}
    return Circle(
        named=frozenset(named),
        channels={row.id: row.channel for row in erasing.contacts(session, shop_id, contact_ids)},
        handles=erasing.customer_ids(session, shop_id, speakers),
        links=frozenset(links),
    )


def blank_waiting_webhooks(session: Session, shop_domain: str, words: Sequence[str]) -> int:
    """Erase the bodies of webhooks that still wait for their effects and hold one of these words; return how many."""
    if not words:
        return 0
    values = {"shop_domain": shop_domain, "words": [word.encode() for word in words]}
    return len(session.execute(_BLANK_WAITING, values).all())
