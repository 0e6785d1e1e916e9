"""Messages shown before anybody gets them: written by the very code that writes those that are sent.

Nothing is queued here, and the links lead nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.channels.email.message import html_of, text_of, words_of
from restock.channels.push.message import compose as compose_push
from restock.channels.sms.message import compose as compose_sms
from restock.channels.sms.prices import SegmentPrices
from restock.channels.sms.segments import cost_of
from restock.channels.texts.values import Source, TextKey
from restock.channels.texts.variables import sample
from restock.channels.texts.written import ShopTexts, Speaker, read, say_parts
from restock.channels.values import ChannelName, Envelope, Notice, ProductFacts, Recipient, ShopFacts
from restock.channels.wording import one_line, phrases_for, price_text, product_name
from restock.database import Database
from restock.errors import Fault
from restock.reports.repository import messages
from restock.reports.rules.lists import search_hashes
from restock.reports.values.messages import MessagePreview, TextCost
from restock.shops.values import Shop


@dataclass(frozen=True)
class MessagePreviews:
    """What a merchant asks before a text is kept, and before anybody is written to."""

    database: Database
    prices: SegmentPrices = field(default_factory=lambda: SegmentPrices("USD"))

    def show(
        self, shop: Shop, key: TextKey, source: Source, variant_id: int | None = None, faults: Sequence[Fault] = ()
    ) -> MessagePreview:
        """Write a message with these texts, about a variant; None: about the one asked for last, else an example.

        `faults` are those found in what was typed; a part that has one is said in our phrases.
        """
        with self.database.transaction() as session:
            product = self._product(session, shop, key.locale, variant_id)
        notice = self._notice(shop, key, product)
        wrong = {fault.field for fault in faults}
        kept = {name: text for name, text in source.parts.items() if name not in wrong}
        source = replace(source, parts=kept)
        broken = say_parts(read(source, key.channel), notice, key.channel)[1]
        late = [Fault(name, "INVALID_TEXT", error.sentence) for name, error in broken.items() if name not in wrong]
        spoken = Speaker(ShopTexts({key: source})).say(notice, key.channel)
        shown = _shown(key, spoken)
        if shown.segment_count:
            price = self.prices.of(shop.settings.country)
            shown = replace(shown, cost=TextCost(1, shown.segment_count, price, self.prices.currency))
        return replace(shown, own=tuple(spoken.words), faults=(*faults, *late))

    def goods_shown(self, shop: Shop) -> int | None:
        """Give the variant a preview is about; None: nothing has been asked for yet."""
        with self.database.transaction() as session:
            return messages.last_asked_for(session, shop.id)

    def contact_of(self, shop: Shop, channel: ChannelName, address: str) -> int | None:
        """Find the contact a test can go to by its address as typed; None: nobody of that address has signed up."""
        hashes = search_hashes(address.strip()[:254], shop.settings.country)
        if not hashes:
            return None
        with self.database.transaction() as session:
            return messages.contact_of(session, shop.id, channel.value, hashes)

    def _product(self, session: Session, shop: Shop, locale: str, variant_id: int | None) -> ProductFacts | None:
        chosen = messages.last_asked_for(session, shop.id) if variant_id is None else variant_id
        goods = catalog.product_facts(session, shop, [chosen]).get(chosen) if chosen is not None else None
        if goods is None:
            return None
        known = goods.price_cents is not None and goods.currency
        price = price_text(goods.price_cents or 0, goods.currency or "", locale) if known else None
        return ProductFacts(
            goods.title, goods.variant_title, price, goods.image_url, 1, goods.price_cents, goods.currency
        )

    def _notice(self, shop: Shop, key: TextKey, product: ProductFacts | None) -> Notice:
        facts = ShopFacts(shop.domain, shop.name, f"https://{shop.domain}")
        policy = shop.settings.policy
        turn = policy.turn_minutes if policy.factor is not None else None
        example = sample(key.stage, key.locale, facts, turn_minutes=turn)
        return example if product is None else replace(example, product=product)


def _shown(key: TextKey, notice: Notice) -> MessagePreview:
    phrases = phrases_for(notice.locale)
    goods = one_line(product_name(notice, phrases))
    envelope = Envelope(0, "r0-0123456789", Recipient(""), notice)
    match key.channel:
        case ChannelName.email:
            words = words_of(notice, phrases)
            html, text = html_of(notice, phrases, words), text_of(notice, phrases, words)
            return MessagePreview(key, goods, text, subject=words["subject"], preheader=words["preheader"], html=html)
        case ChannelName.sms:
            text = compose_sms(envelope)
            cost = cost_of(text)
            return MessagePreview(key, goods, text, segment_count=cost.segment_count, units=cost.units, gsm=cost.gsm)
        case ChannelName.push:
            payload = compose_push(envelope)
            said = json.loads(payload)
            return MessagePreview(key, goods, said["body"], title=said["title"], byte_count=len(payload))
