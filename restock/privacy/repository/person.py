"""What the tables know around a person: the facts `rules.person` decides on, and the words of others about them."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.channels.values import ChannelName
from restock.ids import address_hash
from restock.privacy.rules.person import addresses_of, numbers_of, patterns_of
from restock.privacy.values import Circle, Identity
from restock.subscriptions.repository import erasing

# Only webhooks that still wait hold more than the catalog's news: the others' bodies went when they were settled.
# News of goods and of the app are not looked into: losing one because of a number in it would cost more than it mends.
_BLANK_WAITING = text("""
    UPDATE inbox_messages SET body = '', state = 'kept', reason = 'redacted', finished_at = now()
    WHERE shop_domain = :shop_domain AND state = 'received' AND id IN (
        SELECT id FROM inbox_messages, LATERAL (SELECT lower(encode(body, 'escape'))) AS said (words)
        WHERE state = 'received' AND shop_domain = :shop_domain
          AND topic !~ '^(products|variants|inventory_items|inventory_levels|locations|app|app_subscriptions|shop)/'
          AND topic NOT IN ('customers/redact', 'customers/data_request')
          AND (EXISTS (SELECT FROM unnest(CAST(:patterns AS text[])) pattern WHERE said.words ~ pattern)
            OR EXISTS (SELECT FROM regexp_matches(said.words, '[0-9]+', 'g') found
                WHERE found[1] = ANY(CAST(:numbers AS text[]))))
        FOR UPDATE OF inbox_messages SKIP LOCKED
    )
    RETURNING id
""")


_OWN = text("""
    SELECT shops.domain, contacts.channel, contacts.address FROM contacts JOIN shops ON shops.id = contacts.shop_id
    WHERE contacts.id = :contact_id FOR UPDATE OF contacts
""")


def own_identity(session: Session, contact_id: int) -> tuple[str, Identity] | None:
    """Name the person behind a contact, which is held, and the domain of the shop; None when it is gone."""
    row = session.execute(_OWN, {"contact_id": contact_id}).one_or_none()
    if row is None:
        return None
    email = row.address if row.channel == ChannelName.email else None
    phone = row.address if row.channel == ChannelName.sms else None
    return row.domain, Identity(email=email, phone=phone, contact_id=contact_id)


def named_hashes(identity: Identity, country: str | None) -> list[bytes]:
    """Hash every address an identity can mean."""
    return [address_hash(channel.value, address) for channel, address in addresses_of(identity, country)]


def read_circle(session: Session, shop_id: int, identity: Identity, country: str | None) -> Circle:
    """Gather the contacts and handles a request may be about, and who else speaks for them."""
    named = erasing.named_contacts(session, shop_id, named_hashes(identity, country))
    if identity.contact_id is not None:
        named |= {row.id for row in erasing.contacts(session, shop_id, [identity.contact_id])}
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


def blank_waiting_webhooks(session: Session, shop_domain: str, identity: Identity, country: str | None) -> int:
    """Erase the bodies of webhooks that still wait for their effects and name the person; return how many."""
    patterns, numbers = patterns_of(identity, country), numbers_of(identity)
    if not (patterns or numbers):
        return 0
    values = {"shop_domain": shop_domain, "patterns": list(patterns), "numbers": list(numbers)}
    return len(session.execute(_BLANK_WAITING, values).all())
