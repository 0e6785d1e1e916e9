"""What one person sees of their own alerts. It only reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

import restock.catalog.repository as catalog
from restock.catalog.values import GoodsFacts
from restock.channels.values import ChannelName
from restock.channels.wording import one_line
from restock.database import Database
from restock.reports.repository import preferences
from restock.reports.values.preferences import AlertState, OwnAlert, OwnAlerts
from restock.shops.repository import by_id
from restock.shops.service import to_shop
from restock.subscriptions.rules.masking import mask_address

MOST_ALERTS = 100  # of those that wait, and of those that were told
MOST_IN_FRONT = 1000
TOLD_DAYS = 90


@dataclass(frozen=True)
class PersonReports:
    """What a person may ask about themselves, by a link sent to one address."""

    database: Database

    def own_alerts(self, contact_id: int) -> OwnAlerts | None:
        """Read what this address waits for in its shop; None when it is gone.

        Other addresses are never shown, whoever they may belong to: the link proves this one alone. A shop that took
        the app out may be back, so a person can leave it and be erased meanwhile.
        """
        with self.database.transaction() as session:
            contact = preferences.contact(session, contact_id)
            row = by_id(session, contact.shop_id) if contact is not None else None
            shop = to_shop(row) if row is not None else None
            if contact is None or shop is None:
                return None
            order = shop.settings.policy.order
            rows = preferences.alerts(session, shop.id, contact_id, order, MOST_ALERTS, MOST_IN_FRONT, TOLD_DAYS)
            goods = catalog.product_facts(session, shop, {one.variant_id for one in rows})
        channel = ChannelName(contact.channel)
        return OwnAlerts(
            shop_name=shop.name,
            shop_domain=shop.domain,
            channel=channel,
            masked_address=mask_address(channel, contact.address),
            locale=contact.locale or shop.locale,
            time_zone=shop.time_zone,
            is_closed=contact.suppression is not None,
            alerts=[_alert(one, goods) for one in rows],
        )


def _alert(row: Row[Any], goods: Mapping[int, GoodsFacts]) -> OwnAlert:
    state, at = _stands(row)
    counted = row.in_front if state is AlertState.waiting else None
    return OwnAlert(
        id=row.id,
        state=state,
        goods=goods.get(row.variant_id) or _as_said(row.said),
        quantity=row.quantity,
        place=None if counted is None else min(counted, MOST_IN_FRONT) + 1,
        at_least=counted is not None and counted >= MOST_IN_FRONT,
        at=at,
    )


def _stands(row: Row[Any]) -> tuple[AlertState, datetime | None]:
    if row.state == "purchased":
        return AlertState.bought, row.ended_at
    if row.state == "notified":
        return (AlertState.turn, row.turn_ends_at) if row.turn_ends_at else (AlertState.told, row.notified_at)
    if row.is_paused:
        return AlertState.paused, row.paused_until
    if row.state == "pending":
        return AlertState.unconfirmed, None
    return (AlertState.coming, None) if row.is_coming else (AlertState.waiting, None)


def _as_said(said: Mapping[str, Any] | None) -> GoodsFacts | None:
    """Name goods we were never told of as the storefront did when the alert was asked for."""
    title = one_line(str((said or {}).get("title") or ""))
    if not title:
        return None
    variant = one_line(str((said or {}).get("variant_title") or ""))
    return GoodsFacts(title, variant or None, None, None, None, None, 0)
