"""From a claimed row to what a channel is handed: recipient, links, goods. Reads nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restock.catalog.values import GoodsFacts, MarketPrice
from restock.channels.values import (
    ChannelName,
    Envelope,
    MessageLinks,
    Notice,
    NoticeKind,
    ProductFacts,
    PushKeys,
    Recipient,
    ShopFacts,
)
from restock.channels.wording import price_text
from restock.deliveries.rules import identity
from restock.deliveries.values import ClaimedRow, MessageFacts
from restock.links import Links


def seal_envelopes(rows: Sequence[ClaimedRow], facts: MessageFacts, links: Links) -> list[Envelope]:
    """Write an envelope for each row whose contact still exists; `attempt` is the one now beginning."""
    shop = ShopFacts(facts.shop.domain, facts.shop.name, f"https://{facts.shop.domain}")
    return [_envelope(row, facts, shop, links) for row in rows if row.address is not None]


def _envelope(row: ClaimedRow, facts: MessageFacts, shop: ShopFacts, links: Links) -> Envelope:
    locale = row.locale or facts.shop.locale
    goods = facts.goods.get(row.variant_id) if row.variant_id is not None else None
    notice = Notice(
        kind=row.kind,
        shop=shop,
        links=_links(row, links, facts.has_turns),
        locale=locale,
        product=_product(goods, _price(row, goods, facts), row.quantity, locale) if goods else None,
        turn_minutes=facts.shop.settings.policy.turn_minutes if _is_turn(row, facts.has_turns) else None,
        missed_before=row.missed_before,
    )
    if facts.speaker is not None:
        notice = facts.speaker.say(notice, row.channel)
    return Envelope(
        delivery_id=row.id,
        identity=identity(row.id, row.dedupe_key, row.created_at),
        recipient=Recipient(row.address or "", _keys(row.push_keys)),
        notice=notice,
        attempt=row.attempt + 1,
        queued_at=row.created_at.timestamp(),
        sender=facts.sender,
    )


def _is_turn(row: ClaimedRow, has_turns: bool) -> bool:
    return has_turns and row.kind is NoticeKind.offer


def _links(row: ClaimedRow, links: Links, has_turns: bool) -> MessageLinks:
    contact_id = row.contact_id or 0
    if row.kind is NoticeKind.confirmation:
        action = links.confirm(contact_id, at=row.created_at.timestamp())  # the same link at every attempt
    else:
        action = links.click(row.id)
    declines = _is_turn(row, has_turns) and row.channel is not ChannelName.sms  # a text has no room for it
    return MessageLinks(action, links.unsubscribe(contact_id), links.decline(row.id) if declines else None)


def _product(goods: GoodsFacts, price: MarketPrice | None, quantity: int, locale: str) -> ProductFacts:
    written = price_text(price.cents, price.currency, locale) if price else None
    cents, currency = (price.cents, price.currency) if price else (None, None)
    return ProductFacts(goods.title, goods.variant_title, written, goods.image_url, quantity, cents, currency)


def _price(row: ClaimedRow, goods: GoodsFacts, facts: MessageFacts) -> MarketPrice | None:
    """Take the price of the market the person asked from, else the shop's own; None where neither is known."""
    if row.variant_id is not None and (own := facts.market_prices.get((row.variant_id, row.market_id))):
        return own
    known = goods.price_cents is not None and goods.currency
    return MarketPrice(goods.price_cents or 0, goods.currency or "") if known else None


def _keys(stored: Mapping[str, str] | None) -> PushKeys | None:
    return PushKeys(stored.get("p256dh", ""), stored.get("auth", "")) if stored else None
