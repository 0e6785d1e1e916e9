"""What a shop's own text may say of an alert: each variable's meaning, its value, and alerts to try a text on. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from restock.channels.alerts.values import AlertFacts, AlertKind, AlertLinks, ShopAlert, VariantLine
from restock.channels.values import ShopFacts
from restock.channels.wording import isolate, one_line, phrases_for

LONGEST_TITLE = 120
MOST_VARIANTS = 10

ALERT_MEANINGS: Mapping[str, str] = {
    "shop.name": "the shop's name",
    "shop.domain": "the shop's domain at Shopify",
    "shop.url": "the shop's address",
    "locale": "the message's language, such as fr-CA",
    "alert.kind": "what it is about: new (sign-ups), digest or waitlist",
    "alert.since": "since when it counts, on the shop's clock; empty in one about a waitlist",
    "alert.weekly": "true in a weekly digest",
    "counts.new": "how many have signed up since",
    "counts.people": "how many wait; in one about a waitlist, for its variant",
    "counts.units": "how many units they want",
    "counts.sent": "how many messages were sent since; 0 but in a digest",
    "counts.bought": "how many units were bought since by people who had been told; 0 but in a digest",
    "counts.broken_texts": "how many texts cannot be sent as written; 0 but in a digest",
    "variants": "at most ten variants, each with `title`, `people` and `units`; in one about a waitlist it is one",
    "channels_down": "the channels that cannot send now, such as sms; empty but in a digest",
    "links.action": "the button's link: to the app's pages",
    "links.settings": "the link to where you choose who is told and when",
}

_SHOP = ShopFacts("north-pine.myshopify.com", "North & Pine", "https://north-pine.myshopify.com")
_TOP = (
    VariantLine("Harbour Vase · Deep green", 18, 21),
    VariantLine("Linen Apron · Oat", 9, 9),
    VariantLine("Stone Mug", 4, 12),
)
EXAMPLES: Mapping[AlertKind, AlertFacts] = {
    AlertKind.digest: AlertFacts(12, 31, 42, "2026-03-02 08:00", _TOP, 24, 7, 1, ("sms",), weekly=True),
    AlertKind.new: AlertFacts(3, 31, 42, "2026-03-02 08:00", _TOP[:2]),
    AlertKind.waitlist: AlertFacts(people=18, units=21, top=_TOP[:1]),
}


def sample_alert(kind: AlertKind, locale: str, shop: ShopFacts = _SHOP, facts: AlertFacts | None = None) -> ShopAlert:
    """Make an alert to try a text on, with these facts or an example's."""
    links = AlertLinks.of("https://restock.example", shop.domain)
    return ShopAlert(kind, facts or EXAMPLES[kind], shop, links, locale)


def alert_values(alert: ShopAlert) -> dict[str, object]:
    """Give every variable its value, in plain dictionaries and lists; names are cut."""
    phrases, facts, shop = phrases_for(alert.locale), alert.facts, alert.shop

    def named(text: str, longest: int) -> str:
        return isolate(one_line(text, longest), phrases)

    return {
        "shop": {"name": named(shop.name, 60), "domain": shop.domain, "url": shop.url},
        "locale": alert.locale,
        "alert": {"kind": alert.kind.value, "since": facts.since, "weekly": facts.weekly},
        "counts": {
            "new": facts.count,
            "people": facts.people,
            "units": facts.units,
            "sent": facts.told,
            "bought": facts.bought,
            "broken_texts": facts.broken,
        },
        "variants": [
            {"title": named(one.title, LONGEST_TITLE), "people": one.people, "units": one.units}
            for one in facts.top[:MOST_VARIANTS]
        ],
        "channels_down": list(facts.down),
        "links": {"action": alert.links.action, "settings": alert.links.settings},
    }
