"""What a change of marketing consent at Shopify says to us: whose no it is, and since when. Pure.

Only a no counts here. A yes said elsewhere is not ours to keep, and none of it is about alerts of stock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from restock.channels.values import ChannelName
from restock.ids import address_hash
from restock.inbox.rules.fields import UnreadableBodyError, optional_text, read_moment
from restock.subscriptions.rules.emails import normalise_email
from restock.subscriptions.rules.phones import PhoneFault, PhoneHints, normalise_phone

EMAIL_TOPIC = "customers_email_marketing_consent/update"
SMS_TOPIC = "customers_marketing_consent/update"
CONSENT_TOPICS = frozenset({EMAIL_TOPIC, SMS_TOPIC})
_NO = frozenset({"unsubscribed", "redacted"})


@dataclass(frozen=True, slots=True)
class SaidNo:
    """A no to marketing at one address. `said_at` None: Shopify does not say when."""

    address_hash: bytes = field(repr=False)
    said_at: datetime | None


def read_no(topic: str, body: Mapping[str, Any], country: str | None) -> SaidNo | None:
    """Read a no; None for anything else, and for an address that nobody can have here.

    `country` is the shop's, two letters, for phone numbers without one. Raises UnreadableBodyError.
    """
    consent = body.get("email_marketing_consent" if topic == EMAIL_TOPIC else "sms_marketing_consent")
    if not isinstance(consent, dict):
        raise UnreadableBodyError("bad_consent")
    if (optional_text(consent.get("state")) or "").lower() not in _NO:
        return None
    digest = _email(body) if topic == EMAIL_TOPIC else _phone(body, country)
    return SaidNo(digest, read_moment(consent.get("consent_updated_at"))) if digest else None


def _email(body: Mapping[str, Any]) -> bytes | None:
    address = normalise_email(optional_text(body.get("email_address")) or "")
    return address_hash(ChannelName.email, address.lower()) if address else None


def _phone(body: Mapping[str, Any], country: str | None) -> bytes | None:
    number = normalise_phone(optional_text(body.get("phone")) or "", PhoneHints(shop_region=country))
    return None if isinstance(number, PhoneFault) else address_hash(ChannelName.sms, number)
