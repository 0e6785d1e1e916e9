"""What a text may say of the message it is for: each variable's meaning, and its value in one message. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from restock.channels.alerts.variables import ALERT_MEANINGS
from restock.channels.texts.values import STAGES, Stage
from restock.channels.values import ChannelName, MessageLinks, Notice, NoticeKind, ProductFacts, ShopFacts
from restock.channels.wording import duration, isolate, one_line, phrases_for, product_name

LONGEST_NAME = 80

MEANINGS: Mapping[str, str] = {
    "shop.name": "the shop's name",
    "shop.domain": "the shop's domain at Shopify",
    "shop.url": "the shop's address",
    "locale": "the person's language, such as fr-CA",
    "product.title": "the product's title; “the item you asked for” where it is not known",
    "product.image_url": "the address of its picture, empty without one",
    "variant.title": "the variant's title, empty where the product has only one",
    "variant.price": "the price in hundredths, for the filter money",
    "price": "the price, written as in the person's country; empty where it is not known",
    "currency": "the price's currency, such as EUR",
    "quantity": "how many the person asked for",
    "links.action": "the button's link: to the goods, or to confirm",
    "links.unsubscribe": "the link to unsubscribe",
    "links.preferences": "the link to the person's own page of alerts; empty where there is no room for it",
    "links.decline": "the link to pass the turn on; empty where there is no turn",
    "turn.minutes": "for how many minutes it is the person's turn; empty where there is no turn",
    "turn.duration": "the same in words: 2 hours",
    "missed_before": "true where it sold out during the person's last turn",
}

_OF_EVERY = ("shop.name", "shop.domain", "shop.url", "locale", "product.title", "product.image_url", "variant.title")
_PRICES = ("variant.price", "price", "currency")
_LINKS = ("quantity", "links.action", "links.unsubscribe", "links.preferences")
_TURN = ("links.decline", "turn.minutes", "turn.duration", "missed_before")

# A request to confirm must not advertise, so it knows no price.
VARIABLES: Mapping[Stage, Sequence[str]] = {
    Stage.confirmation: (*_OF_EVERY, *_LINKS),
    Stage.restock: (*_OF_EVERY, *_PRICES, *_LINKS, *_TURN),
    Stage.reminder: (*_OF_EVERY, *_PRICES, *_LINKS),
    Stage.merchant_alert: tuple(ALERT_MEANINGS),
}


def meanings_of(stage: Stage) -> Mapping[str, str]:
    """Say what each variable of an occasion means."""
    meanings = ALERT_MEANINGS if stage is Stage.merchant_alert else MEANINGS
    return {name: meanings[name] for name in VARIABLES[stage]}


KINDS: Mapping[Stage, NoticeKind] = {
    Stage.confirmation: NoticeKind.confirmation,
    Stage.restock: NoticeKind.offer,
    Stage.reminder: NoticeKind.reminder,
}
_SAMPLE_SHOP = ShopFacts("north-pine.myshopify.com", "North & Pine", "https://north-pine.myshopify.com")
_SAMPLE_PRODUCT = ProductFacts(
    "Harbour Vase", "Deep green", "€89.00", "https://cdn.shopify.com/vase.png", 2, price_cents=8900, currency="EUR"
)


def sample(
    stage: Stage,
    locale: str,
    shop: ShopFacts = _SAMPLE_SHOP,
    product: ProductFacts | None = _SAMPLE_PRODUCT,
    *,
    turn_minutes: int | None = 120,
) -> Notice:
    """Make a message to try a text on; its links lead nowhere, and are as long as real ones."""
    has_turn = stage is Stage.restock and turn_minutes is not None
    base, token = "https://restock.example", "0123456789.abcdefghijklmnopqrstuv"
    links = MessageLinks(
        f"{base}/c/{token}",
        f"{base}/unsubscribe/{token}",
        f"{base}/decline/{token}" if has_turn else None,
        f"{base}/preferences/{token}",
    )
    return Notice(KINDS[stage], shop, links, locale, product, turn_minutes if has_turn else None)


def barest(notice: Notice) -> Notice:
    """Take away what a message may lack: the goods, and the turn."""
    return replace(notice, product=None, turn_minutes=None, links=replace(notice.links, decline=None))


def values_of(notice: Notice, channel: ChannelName, longest: int = LONGEST_NAME) -> dict[str, object]:
    """Give every variable its value, in plain dictionaries; names are cut to `longest`."""
    phrases, product, stage = phrases_for(notice.locale), notice.product, STAGES[notice.occasion]

    def named(text: str) -> str:
        return text if channel is ChannelName.sms or not text else isolate(text, phrases)

    title = one_line(product.title, longest) if product else ""
    facts: dict[str, object] = {
        "shop.name": named(one_line(notice.shop.name, min(longest, 60))),
        "shop.domain": notice.shop.domain,
        "shop.url": notice.shop.url,
        "locale": notice.locale,
        "product.title": named(title or product_name(replace(notice, product=None), phrases)),
        "product.image_url": _address(product.image_url) if product else "",
        "variant.title": named(one_line(product.variant_title or "", longest)) if product else "",
        "variant.price": product.price_cents if product else None,
        "price": one_line(product.price or "", 40) if product else "",
        "currency": product.currency if product else None,
        "quantity": product.quantity if product else 1,
        "links.action": notice.links.action,
        "links.unsubscribe": notice.links.unsubscribe,
        "links.preferences": notice.links.preferences or "",
        "links.decline": notice.links.decline or "",
        "turn.minutes": notice.turn_minutes,
        "turn.duration": duration(notice.turn_minutes, phrases.language) if notice.turn_minutes else "",
        "missed_before": notice.missed_before,
    }
    return _nested({name: facts[name] for name in VARIABLES[stage]})


def _nested(facts: Mapping[str, object]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in facts.items():
        group, _, rest = name.partition(".")
        if rest:
            within = values.setdefault(group, {})
            assert isinstance(within, dict)
            within[rest] = value
        else:
            values[group] = value
    return values


def _address(url: str | None) -> str:
    """Let only a web address through."""
    try:
        is_web = urlsplit(url or "").scheme in ("http", "https")
    except ValueError:
        return ""
    return url if url and is_web and len(url) <= 1000 and url.isprintable() else ""
