"""Which of our keys the browsers that wait were subscribed with. It only reads."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

_BY_KEY = text("""
    SELECT c.push_keys ->> 'vapid' AS key_name, count(*) AS browsers FROM contacts c
    WHERE c.channel = 'push' AND EXISTS (
        SELECT FROM subscriptions s
        WHERE s.shop_id = c.shop_id AND s.contact_id = c.id AND s.state IN ('pending', 'active')
    )
    GROUP BY 1
""")


def browsers_by_key(session: Session) -> dict[str | None, int]:
    """Count the browsers that wait, of every shop, by the name of the key they are bound to; None: not known."""
    return {row.key_name: row.browsers for row in session.execute(_BY_KEY)}
