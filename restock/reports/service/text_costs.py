"""What a restock's text messages would come to, before any of them leaves. An estimate: nobody is written to.

Where prices differ by country, each number's own country counts; no number leaves this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from restock.channels.sms.prices import SegmentPrices
from restock.channels.texts.values import Source, Stage, TextKey
from restock.channels.values import ChannelName
from restock.reports.repository import messages
from restock.reports.service.previews import MessagePreviews, price_at_home
from restock.reports.values.messages import TextCost
from restock.shops.service.texts import TextService
from restock.shops.values import Shop

MOST_LOOKED_AT = 2000  # numbers; of more messages these are the sample


@dataclass(frozen=True)
class TextCosts:
    """Say what so many messages about a variant would cost, as the shop writes them in its own language."""

    previews: MessagePreviews
    texts: TextService
    prices: SegmentPrices

    def estimate(self, shop: Shop, variant_id: int, message_count: int, *, newest: bool = False) -> TextCost | None:
        """Estimate; None where there is no text message to send. `newest`: who came last is told first."""
        if not message_count:
            return None
        key = TextKey(ChannelName.sms, Stage.restock, shop.locale)
        own = self.texts.find(shop, key)
        source = self.texts.check(key, own.parts).source if own is not None else Source({})
        each = self.previews.show(shop, key, source, variant_id).segment_count
        found = self._by_number(shop, variant_id, message_count, newest) if self.prices.by_country else []
        if not found:
            return price_at_home(self.prices, shop.settings.country, message_count, each)
        known = [price for price in found if price is not None]
        unpriced = round(message_count * (len(found) - len(known)) / len(found))
        mean = sum(known, Decimal()) / len(known) if known else None
        return TextCost(message_count, each, mean, self.prices.currency, unpriced)

    def _by_number(self, shop: Shop, variant_id: int, count: int, newest: bool) -> list[Decimal | None]:
        """Price the numbers of the first in line."""
        with self.previews.database.transaction() as session:
            most = min(count, MOST_LOOKED_AT)
            numbers = messages.numbers_in_line(session, shop.id, variant_id, most, newest=newest)
        return [self.prices.of_number(number) for number in numbers]
