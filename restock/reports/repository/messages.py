"""What a message is tried on: goods people wait for, and a contact of the shop's."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

_LAST_ASKED = text("""
    SELECT s.variant_id FROM subscriptions s
    JOIN variants v ON v.shop_id = s.shop_id AND v.variant_id = s.variant_id
    JOIN products p ON p.shop_id = v.shop_id AND p.product_id = v.product_id AND p.title <> ''
    WHERE s.shop_id = :shop_id ORDER BY s.id DESC LIMIT 1
""")

_CONTACT = text("""
    SELECT id FROM contacts WHERE shop_id = :shop_id AND channel = :channel
      AND address_hash = ANY(CAST(:hashes AS bytea[])) AND address IS NOT NULL ORDER BY id LIMIT 1
""")

# Who holds one of these addresses by a handle holds the browsers of that handle too. The halves of both tables have
# indexes of their own.
_BROWSER = text("""
    WITH mine AS (
        SELECT id FROM contacts
        WHERE shop_id = :shop_id AND channel <> 'push' AND address_hash = ANY(CAST(:hashes AS bytea[]))
    ), alerts AS (
        SELECT s.id FROM subscriptions s JOIN mine ON mine.id = s.contact_id WHERE s.state IN ('pending', 'active')
        UNION ALL
        SELECT s.id FROM subscriptions s JOIN mine ON mine.id = s.contact_id WHERE s.state NOT IN ('pending', 'active')
    ), handles AS (
        SELECT DISTINCT i.customer_id FROM intents i JOIN alerts ON alerts.id = i.subscription_id
    ), said AS (
        SELECT i.contact_id, i.created_at FROM intents i JOIN handles ON handles.customer_id = i.customer_id
        WHERE i.channel = 'push' AND i.closed_at IS NULL
        UNION ALL
        SELECT i.contact_id, i.created_at FROM intents i JOIN handles ON handles.customer_id = i.customer_id
        WHERE i.channel = 'push' AND i.closed_at IS NOT NULL
    )
    SELECT c.id FROM said JOIN contacts c ON c.id = said.contact_id AND c.shop_id = :shop_id
    WHERE c.suppression IS NULL AND c.push_keys IS NOT NULL ORDER BY said.created_at DESC, c.id DESC LIMIT 1
""")

_IN_LINE = """
    SELECT c.address FROM subscriptions s JOIN contacts c ON c.id = s.contact_id AND c.suppression IS NULL
    WHERE s.shop_id = :shop_id AND s.variant_id = :variant_id AND s.channel = 'sms' AND s.state = 'active'
      AND s.open_offer_id IS NULL AND s.paused_at IS NULL
    ORDER BY s.priority DESC, {order} LIMIT :most
"""
_OLDEST = text(_IN_LINE.format(order="s.queued_at, s.id"))
_NEWEST = text(_IN_LINE.format(order="s.queued_at DESC, s.id DESC"))


def last_asked_for(session: Session, shop_id: int) -> int | None:
    """Name the variant somebody asked for last whose product is known; None without one."""
    found: int | None = session.execute(_LAST_ASKED, {"shop_id": shop_id}).scalar_one_or_none()
    return found


def contact_of(session: Session, shop_id: int, channel: str, hashes: Sequence[bytes]) -> int | None:
    """Find a contact by the hashes its address may be filed under; None: the shop has none such."""
    values = {"shop_id": shop_id, "channel": channel, "hashes": list(hashes)}
    found: int | None = session.execute(_CONTACT, values).scalar_one_or_none()
    return found


def browser_of(session: Session, shop_id: int, hashes: Sequence[bytes]) -> int | None:
    """Find the contact of the browser that asked last beside an address, by the hashes of that; None: there is none."""
    found: int | None = session.execute(_BROWSER, {"shop_id": shop_id, "hashes": list(hashes)}).scalar_one_or_none()
    return found


def numbers_in_line(session: Session, shop_id: int, variant_id: int, most: int, *, newest: bool) -> Sequence[str]:
    """Give the numbers of the first in line for a variant; `newest`: who came last stands first."""
    values = {"shop_id": shop_id, "variant_id": variant_id, "most": most}
    return session.execute(_NEWEST if newest else _OLDEST, values).scalars().all()
