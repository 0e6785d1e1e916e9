"""Amazon SES reports through a topic of Amazon SNS: whose word a delivery is, and what is done with it.

A delivery counts when it comes of the one topic the shop has named and Amazon's certificate proves it. A subscription
is confirmed for that topic alone; that one was ended is only noted, for the way to confirm it would begin it anew.
"""

from __future__ import annotations

import json
from typing import Any

import structlog

from restock.channels.email.reports.amazon import AmazonAwayError, AmazonSns
from restock.channels.email.reports.sns import Delivery, Kind, is_snss, read_delivery
from restock.errors import UnavailableError

log = structlog.get_logger(__name__)


def genuine_delivery(amazon: AmazonSns, topic: str, said: Any, now: float) -> Delivery | None:
    """Return a delivery of this topic that Amazon has signed, None for anything else.

    Raises UnavailableError while its certificate cannot be had: SNS tries again.
    """
    delivery = read_delivery(said)
    if delivery is None or delivery.topic != topic:
        return None
    try:
        return delivery if is_snss(delivery, amazon.key(delivery), now) else None
    except AmazonAwayError:
        raise UnavailableError("The certificate of this report cannot be had now: try again.") from None


def told_by(amazon: AmazonSns, delivery: Delivery, shop_id: int) -> Any:
    """Give what SES says in a delivery, None where it says nothing; a subscription is confirmed on the way."""
    match delivery.kind:
        case Kind.notification:
            return _json(delivery.message)
        case Kind.subscribed:
            try:
                amazon.confirm(delivery)
            except AmazonAwayError:
                raise UnavailableError("The subscription cannot be confirmed now: try again.") from None
        case Kind.unsubscribed:
            log.warning("sns_subscription_ended", shop_id=shop_id)
    return None


def _json(text: str) -> Any:
    """Read a report. What SES writes to try a topic is plain text, and says nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
