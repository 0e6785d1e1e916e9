"""The figures of a digest: one reckoning for what a shop is sent and for what it is shown beforehand.

It only reads, in the caller's transaction; when and to whom it is told is not known here.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from restock.channels.alerts.values import AlertFacts, VariantLine
from restock.channels.alerts.variables import MOST_VARIANTS
from restock.reports.repository import overview
from restock.reports.values.subscribers import Goods


def digest_of(session: Session, shop_id: int, since: datetime, until: datetime) -> AlertFacts:
    """Reckon what happened in a shop after `since`; who signed up after `until` is left for the next one."""
    waiting = overview.demand(session, shop_id, MOST_VARIANTS)
    return AlertFacts(
        count=sum(one.people for one in overview.newcomers(session, shop_id, since, until)),
        people=waiting.people,
        units=waiting.units,
        top=[VariantLine(_title(one.goods), one.people, one.units) for one in waiting.top],
        told=sum(day.count for day in overview.sent(session, shop_id, since) if day.state != "failed"),
        bought=sum(sale.units for sale in overview.recovered(session, shop_id, since)),
    )


def _title(goods: Goods) -> str:
    named = " · ".join(part for part in (goods.product_title, goods.variant_title) if part)
    return named or f"#{goods.variant_id}"
