"""What a page of a list is made of, and what is searched for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from restock.channels.values import ChannelName
from restock.ids import address_hash
from restock.reports.values.subscribers import Bookmark, Goods, SubscriberLine, SubscriberPage, SubscriberStatus
from restock.subscriptions.rules.emails import normalise_email
from restock.subscriptions.rules.phones import PhoneFault, PhoneHints, normalise_phone
from restock.subscriptions.values import SubscriptionState

_ONLY_TITLE = "Default Title"  # what Shopify calls the one variant of a product without choices


def states_of(status: SubscriberStatus) -> list[str]:
    """List the states a status stands for."""
    if status is SubscriberStatus.waiting:
        return [SubscriptionState.pending, SubscriptionState.active]
    return [SubscriptionState(status.value)]


def search_hashes(text: str, country: str | None) -> list[bytes]:
    """Give the hashes a whole address may be filed under, in any spelling that means it; empty: it is no address."""
    if "@" in text:
        spellings = {normalise_email(text), normalise_email(text.lower())}
        return [address_hash(ChannelName.email, spelling) for spelling in sorted(filter(None, spellings))]
    number = normalise_phone(text, PhoneHints(shop_region=country))
    return [] if isinstance(number, PhoneFault) else [address_hash(ChannelName.sms, number)]


def day_bounds(since: date | None, until: date | None) -> tuple[datetime | None, datetime | None]:
    """Turn two whole days into a half-open stretch of time, in UTC."""
    start = datetime.combine(since, time(), UTC) if since else None
    end = datetime.combine(until, time(), UTC) + timedelta(days=1) if until and until < date.max else None
    return start, end


def cut_page(found: Sequence[SubscriberLine], limit: int, bookmark: Bookmark | None) -> SubscriberPage:
    """Make a page of up to `limit` + 1 lines read from a bookmark on; a backward reading comes the wrong way round."""
    more, lines = len(found) > limit, list(found[:limit])
    if bookmark is None:
        return SubscriberPage(lines, has_previous=False, has_next=more)
    if bookmark.backward:
        return SubscriberPage(lines[::-1], has_previous=more, has_next=True)
    return SubscriberPage(lines, has_previous=True, has_next=more)


def name_goods(known: Goods, said: Mapping[str, object] | None) -> Goods:
    """Fill in from what a storefront said (unverified) where the catalog knows no title, and drop the title of an only
    variant.
    """
    title, variant = known.product_title, known.variant_title
    if title is None and said:
        title, variant = _text(said.get("title")), _text(said.get("variant_title"))
    variant = None if variant in (_ONLY_TITLE, "", title) else variant
    return Goods(known.variant_id, known.product_id, title, variant, known.image_url)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
