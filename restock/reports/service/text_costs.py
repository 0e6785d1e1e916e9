"""What a restock's text messages would come to, before any of them leaves. An estimate: nobody is written to."""

from __future__ import annotations

from dataclasses import dataclass

from restock.channels.sms.prices import SegmentPrices
from restock.channels.texts.values import Source, Stage, TextKey
from restock.channels.values import ChannelName
from restock.reports.service.previews import MessagePreviews
from restock.reports.values.messages import TextCost
from restock.shops.service.texts import TextService
from restock.shops.values import Shop


@dataclass(frozen=True)
class TextCosts:
    """Say what so many messages about a variant would cost, as the shop writes them in its own language."""

    previews: MessagePreviews
    texts: TextService
    prices: SegmentPrices

    def estimate(self, shop: Shop, variant_id: int, message_count: int) -> TextCost | None:
        """Estimate; None where there is no text message to send."""
        if not message_count:
            return None
        key = TextKey(ChannelName.sms, Stage.restock, shop.locale)
        own = self.texts.find(shop, key)
        source = self.texts.check(key, own.parts).source if own is not None else Source({})
        each = self.previews.show(shop, key, source, variant_id).segment_count
        return TextCost(message_count, each, self.prices.of(shop.settings.country), self.prices.currency)
