"""Messages shown before anybody gets them: written by the very code that writes those that are sent.

Nothing is queued here, and the links lead nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.channels.alerts.message import goods_of, write_alert
from restock.channels.alerts.message import words_of as alert_words_of
from restock.channels.alerts.values import AlertFacts, AlertKind, ShopAlert
from restock.channels.alerts.variables import sample_alert
from restock.channels.email.message import html_of, text_of, words_of
from restock.channels.push.message import compose as compose_push
from restock.channels.sms.message import compose as compose_sms
from restock.channels.sms.prices import SegmentPrices
from restock.channels.sms.segments import cost_of
from restock.channels.texts.values import Source, Stage, TextError, TextKey
from restock.channels.texts.variables import sample
from restock.channels.texts.written import ShopTexts, Speaker, read, say_alert_parts, say_parts
from restock.channels.values import ChannelName, Envelope, Notice, ProductFacts, Recipient, ShopFacts
from restock.channels.wording import one_line, phrases_for, price_text, product_name
from restock.clock import Clock, SystemClock
from restock.database import Database
from restock.errors import Fault
from restock.reports.repository import messages, overview
from restock.reports.rules.lists import search_hashes
from restock.reports.service.digest import digest_of
from restock.reports.values.messages import MessagePreview, TextCost
from restock.shops.values import Shop


@dataclass(frozen=True)
class MessagePreviews:
    """What a merchant asks before a text is kept, and before anybody is written to."""

    database: Database
    prices: SegmentPrices = field(default_factory=lambda: SegmentPrices("USD"))
    clock: Clock = field(default_factory=SystemClock)

    def show(
        self, shop: Shop, key: TextKey, source: Source, variant_id: int | None = None, faults: Sequence[Fault] = ()
    ) -> MessagePreview:
        """Write a message with these texts, about a variant; None: about the one asked for last, else an example.

        `faults` are those found in what was typed; a part that has one is said in our phrases.
        """
        wrong = {fault.field for fault in faults}
        kept = {name: text for name, text in source.parts.items() if name not in wrong}
        source = replace(source, parts=kept)
        if key.stage is Stage.merchant_alert:
            shown, broken = self._alert(shop, key, source)
        else:
            shown, broken = self._message(shop, key, source, variant_id)
        late = [Fault(name, "INVALID_TEXT", error.sentence) for name, error in broken.items() if name not in wrong]
        return replace(shown, faults=(*faults, *late))

    def _message(
        self, shop: Shop, key: TextKey, source: Source, variant_id: int | None
    ) -> tuple[MessagePreview, Mapping[str, TextError]]:
        with self.database.transaction() as session:
            product = self._product(session, shop, key.locale, variant_id)
        notice = self._notice(shop, key, product)
        spoken = Speaker(ShopTexts({key: source})).say(notice, key.channel)
        shown = replace(_shown(key, spoken), own=tuple(spoken.words))
        if shown.segment_count:
            cost = price_at_home(self.prices, shop.settings.country, 1, shown.segment_count)
            shown = replace(shown, cost=cost)
        return shown, say_parts(read(source, key.channel), notice, key.channel)[1]

    def _alert(self, shop: Shop, key: TextKey, source: Source) -> tuple[MessagePreview, Mapping[str, TextError]]:
        facts = ShopFacts(shop.domain, shop.name, f"https://{shop.domain}")
        told = self.last_week(shop)
        alert = sample_alert(AlertKind.digest, key.locale, facts, told)
        spoken = Speaker(ShopTexts({key: source})).say_alert(alert)
        return _shown_alert(key, spoken, is_example=told is None), say_alert_parts(read(source, key.channel), alert)[1]

    def last_week(self, shop: Shop) -> AlertFacts | None:
        """Tell a shop's last seven days as a digest does; None: nobody has ever asked for anything."""
        with self.database.transaction() as session:
            if not overview.ever_asked(session, shop.id):
                return None
            now = self.clock.now()
            since = now - timedelta(days=7)
            return replace(digest_of(session, shop.id, since, now), since=f"{since:%Y-%m-%d}", weekly=True)

    def goods_shown(self, shop: Shop) -> int | None:
        """Give the variant a preview is about; None: nothing has been asked for yet."""
        with self.database.transaction() as session:
            return messages.last_asked_for(session, shop.id)

    def contact_of(self, shop: Shop, channel: ChannelName, address: str) -> int | None:
        """Find the contact a test can go to by its address as typed; None: nobody of that address has signed up.

        A browser has no address that anybody could type: it is found by another that its owner has signed up with.
        """
        hashes = search_hashes(address.strip()[:254], shop.settings.country)
        if not hashes:
            return None
        with self.database.transaction() as session:
            if channel is ChannelName.push:
                return messages.browser_of(session, shop.id, hashes)
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
            shown = MessagePreview(key, goods, text, subject=words["subject"], preheader=words["preheader"], html=html)
            return replace(shown, words=words)
        case ChannelName.sms:
            text = compose_sms(envelope)
            cost = cost_of(text)
            return MessagePreview(key, goods, text, segment_count=cost.segment_count, units=cost.units, gsm=cost.gsm)
        case ChannelName.push:
            payload = compose_push(envelope)
            said = json.loads(payload)
            return MessagePreview(key, goods, said["body"], title=said["title"], words=said, byte_count=len(payload))


def _shown_alert(key: TextKey, alert: ShopAlert, *, is_example: bool) -> MessagePreview:
    phrases = phrases_for(alert.locale)
    words, letter = alert_words_of(alert, phrases), write_alert(alert)
    goods = "an example" if is_example else goods_of(alert, phrases)
    preview = MessagePreview(key, goods, letter.text, own=tuple(alert.words), is_example=is_example)
    return replace(preview, subject=words["subject"], preheader=words["preheader"], html=letter.html, words=words)


def price_at_home(prices: SegmentPrices, country: str | None, message_count: int, segments_each: int) -> TextCost:
    """Price messages as if all of them stayed in the shop's country, and say so where others may cost otherwise."""
    only = country if prices.by_country else None
    return TextCost(message_count, segments_each, prices.of(country), prices.currency, country=only)
