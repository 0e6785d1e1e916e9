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
from restock.deliveries.values import ClaimedRow, MessageFacts, Sample
from restock.links import Links


def seal_envelopes(rows: Sequence[ClaimedRow], facts: MessageFacts, links: Links) -> list[Envelope]:
    """Write an envelope for each row whose contact still exists; `attempt` is the one now beginning.

    Whoever is told the same of the same goods is handed the same `ProductFacts`: a channel may go by that.
    """
    desk = _Desk(facts, links)
    return [desk.envelope(row) for row in rows if row.address is not None]


class _Desk:
    """Writes the envelopes of one batch. What several people are told alike is written once."""

    def __init__(self, facts: MessageFacts, links: Links) -> None:
        shop = facts.shop
        self._facts, self._links = facts, links
        self._shop = ShopFacts(shop.domain, shop.name, f"https://{shop.domain}")
        self._products: dict[tuple[int, int, int, str], ProductFacts | None] = {}

    def envelope(self, row: ClaimedRow) -> Envelope:
        facts = self._facts
        is_turn = facts.has_turns and row.kind is NoticeKind.offer
        locale = row.locale or facts.shop.locale
        notice = Notice(
            row.kind,
            self._shop,
            self._links_of(row, is_turn=is_turn),
            locale,
            self._product(row, locale),
            facts.shop.settings.policy.turn_minutes if is_turn else None,
            row.missed_before,
            sample_of=Sample.kind_in(row.dedupe_key) if row.kind is NoticeKind.test else NoticeKind.offer,
        )
        if facts.speaker is not None:
            notice = facts.speaker.say(notice, row.channel)
        return Envelope(
            row.id,
            identity(row.id, row.dedupe_key, row.created_at),
            Recipient(row.address or "", _keys(row.push_keys)),
            notice,
            row.attempt + 1,
            row.created_at.timestamp(),
            facts.sender,
        )

    def _links_of(self, row: ClaimedRow, *, is_turn: bool) -> MessageLinks:
        links, contact_id = self._links, row.contact_id or 0
        if row.kind is NoticeKind.confirmation:
            action = links.confirm(contact_id, at=row.created_at.timestamp())  # the same link at every attempt
        else:
            action = links.click(row.id)
        declines = is_turn and row.channel is not ChannelName.sms  # a text has no room for it
        decline = links.decline(row.id) if declines else None
        by_mail = row.channel is ChannelName.email  # where there is room for it
        preferences = links.preferences(contact_id) if by_mail else None
        return MessageLinks(action, links.unsubscribe(contact_id), decline, preferences)

    def _product(self, row: ClaimedRow, locale: str) -> ProductFacts | None:
        if row.variant_id is None:
            return None
        key = (row.variant_id, row.market_id, row.quantity, locale)
        if key not in self._products:
            goods = self._facts.goods.get(row.variant_id)
            price = _price(row, goods, self._facts) if goods else None
            self._products[key] = _product(goods, price, row.quantity, locale) if goods else None
        return self._products[key]


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
    return PushKeys(stored.get("p256dh", ""), stored.get("auth", ""), stored.get("vapid")) if stored else None
