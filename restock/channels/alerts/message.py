"""Say to a shop what there is to tell: the same words as text and as HTML, in the shop's language.

Pure. Numbers stand beside what they count, so that no language has to bend a word for them. What shoppers or
storefronts named is one line of text and escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from babel import Locale
from babel.numbers import format_decimal
from jinja2 import ChoiceLoader, PackageLoader

from restock.channels.alerts.values import AlertKind, ShopAlert, VariantLine
from restock.channels.alerts.variables import LONGEST_TITLE, MOST_VARIANTS
from restock.channels.email.message import paper, templates, with_banner, wrapped
from restock.channels.tongues import nearest
from restock.channels.values import Letter
from restock.channels.wording import Phrases, isolate, known_locale, one_line, phrases_for

_COLONS = {"fr": "\u00a0: ", "ja": "：", "zh-CN": "：", "zh-TW": "："}
_CHANNELS = {"email": "e-mail", "sms": "SMS", "push": "web push"}
_templates = templates.overlay(loader=ChoiceLoader([PackageLoader("restock.channels.alerts"), paper]))


class Row(NamedTuple):
    """One variant: its name, and how many wait for how many units, in words."""

    title: str
    demand: str


def write_alert(alert: ShopAlert) -> Letter:
    """Write the letter: the shop's own words where it has any, else ours."""
    phrases = phrases_for(alert.locale)
    words = words_of(alert, phrases)
    return Letter(words["subject"], _text(alert, phrases, words), _page(alert, phrases, words))


def words_of(alert: ShopAlert, phrases: Phrases) -> dict[str, str]:
    """Make every phrase of the letter, unescaped: the shop's own where it has any, else ours."""
    words = _words(alert, phrases)
    words |= {part: text for part, text in alert.words.items() if part in words}
    if alert.facts.test_locale:
        words["subject"] = phrases.say("email.test.subject", subject=words["subject"])
    return words


def goods_of(alert: ShopAlert, phrases: Phrases) -> str:
    """Name the goods of a waitlist, or those most waited for."""
    top = alert.facts.top
    return one_line(top[0].title, LONGEST_TITLE) if top else phrases.say("product.unknown")


def _words(alert: ShopAlert, phrases: Phrases) -> dict[str, str]:
    facts = alert.facts
    slots = {"shop": isolate(one_line(alert.shop.name, 60), phrases)}
    since = phrases.say("alert.since", since=isolate(facts.since, phrases)) if facts.since else ""
    people = facts.top[0].people if alert.kind is AlertKind.waitlist and facts.top else facts.people
    match alert.kind:
        case AlertKind.new:
            said, lead, slots["count"] = "new", since, _number(facts.count, phrases)
        case AlertKind.digest:
            said, lead = "weekly" if facts.weekly else "daily", since
        case AlertKind.waitlist:
            said, lead, slots["count"] = "waitlist", phrases.say("alert.waitlist.note"), _number(people, phrases)
            slots["product"] = isolate(one_line(goods_of(alert, phrases), 80), phrases)
    return {
        "subject": one_line(phrases.say(f"alert.{said}.subject", **slots), 150),
        "preheader": _demand(VariantLine("", facts.people, facts.units), "alert.people", phrases),
        "heading": phrases.say(f"alert.{said}.heading", **slots),
        "lead": lead,
        "note": "",
        "button": phrases.say("alert.button"),
        "why": phrases.say("alert.why", shop=slots["shop"]),
        "settings": phrases.say("alert.settings"),
        "most": phrases.say("alert.most"),
        "banner": phrases.say("email.test.banner") if facts.test_locale else "",
    }


def _figures(alert: ShopAlert, phrases: Phrases) -> list[tuple[str, str]]:
    """What is counted, each with its name; what is wrong only where something is."""
    facts = alert.facts
    if alert.kind is AlertKind.waitlist:
        return []
    counted = {"people": facts.people, "units": facts.units}
    if alert.kind is AlertKind.digest:
        counted = {"signups": facts.count, **counted, "told": facts.told, "bought": facts.bought}
        counted |= {"broken": facts.broken} if facts.broken else {}
    figures = [(phrases.say(f"alert.{name}"), _number(count, phrases)) for name, count in counted.items()]
    if facts.down:
        figures.append((phrases.say("alert.down"), ", ".join(_CHANNELS.get(one, one) for one in facts.down)))
    return figures


def _rows(alert: ShopAlert, phrases: Phrases) -> list[Row]:
    counted = "alert.signups" if alert.kind is AlertKind.new else "alert.people"
    return [
        Row(one_line(one.title, LONGEST_TITLE), _demand(one, counted, phrases))
        for one in alert.facts.top[:MOST_VARIANTS]
    ]


def _demand(line: VariantLine, counted: str, phrases: Phrases) -> str:
    said = ((phrases.say(counted), line.people), (phrases.say("alert.units"), line.units))
    return " · ".join(_named(name, _number(count, phrases), phrases) for name, count in said)


def _named(name: str, value: str, phrases: Phrases) -> str:
    return f"{name}{_COLONS.get(phrases.language, ': ')}{value}"


def _number(count: int, phrases: Phrases) -> str:
    return str(format_decimal(count, locale=known_locale(phrases.language) or Locale("en")))


def _page(alert: ShopAlert, phrases: Phrases, words: Mapping[str, str]) -> str:
    """Write the HTML part: the shop's own layout, or ours with these words."""
    if (own := alert.words.get("body")) is not None:
        return with_banner(own, words["banner"])
    language, direction = _tongue(alert, phrases)
    return _templates.get_template("letter.html").render(
        words,
        language=language,
        direction=direction,
        start="right" if direction == "rtl" else "left",
        end="left" if direction == "rtl" else "right",
        shop_name=one_line(alert.shop.name, 60),
        figures=_figures(alert, phrases),
        rows=_rows(alert, phrases),
        has_headed_rows=alert.kind is AlertKind.digest,
        action=alert.links.action,
        settings_url=alert.links.settings,
    )


def _tongue(alert: ShopAlert, phrases: Phrases) -> tuple[str, str]:
    """Name the language and its direction; with words of the shop's it may be one we do not speak."""
    known = known_locale(alert.locale) if alert.words else None
    if known is None or nearest(alert.locale) is not None:
        return phrases.language, phrases.direction
    return known.language, "rtl" if known.text_direction == "rtl" else "ltr"


def _text(alert: ShopAlert, phrases: Phrases, words: Mapping[str, str]) -> str:
    rows = [f"{isolate(row.title, phrases)}\n  {row.demand}" for row in _rows(alert, phrases)]
    if rows and alert.kind is AlertKind.digest:
        rows.insert(0, words["most"])
    blocks: Sequence[str] = (
        words["banner"],
        words["heading"],
        words["lead"],
        "\n".join(_named(name, value, phrases) for name, value in _figures(alert, phrases)),
        "\n".join(rows),
        f"{words['button']}:\n{alert.links.action}",
        words["note"],
        f"-- \n{words['why']}\n{words['settings']}:\n{alert.links.settings}",
    )
    return "\n\n".join(wrapped(block) for block in blocks if block) + "\n"
