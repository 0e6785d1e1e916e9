"""What the pages of a shop's own texts show, made ready for the templates. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from restock.channels.texts.parts import PARTS, Part, parts_of
from restock.channels.texts.values import Stage, TextKey
from restock.channels.texts.variables import meanings_of
from restock.channels.tongues import LANGUAGES
from restock.channels.values import ChannelName
from restock.channels.wording import known_locale
from restock.errors import Fault
from restock.reports.values.messages import MessagePreview
from restock.shops.values import ShopText

_TALL = 120  # characters from which a part gets a field of several lines


@dataclass(frozen=True, slots=True)
class Field:
    """One part with what is typed, and what is wrong with it."""

    part: Part
    text: str
    faults: Sequence[Fault] = ()

    @property
    def rows(self) -> int:
        """Give the lines its field has; 1: a plain field."""
        if self.part.html:
            return 16
        return 3 if self.part.longest_said > _TALL + 80 else 1


@dataclass(frozen=True, slots=True)
class Desk:
    """One text's page. `saved` None: it is said in our phrases so far. `done` is a word for what was just done."""

    key: TextKey
    fields: Sequence[Field]
    others: Sequence[Fault]
    variables: Sequence[tuple[str, str]]
    saved: ShopText | None
    preview: MessagePreview
    done: str

    @classmethod
    def of(
        cls, key: TextKey, typed: Mapping[str, str], saved: ShopText | None, preview: MessagePreview, done: str
    ) -> Desk:
        """Put a page together; faults of no part of the message are told at the top."""
        faults: dict[str, list[Fault]] = defaultdict(list)
        for fault in preview.faults:
            faults[fault.field].append(fault)
        fields = [
            Field(part, typed.get(part.name, ""), faults.pop(part.name, ()))
            for part in parts_of(key.channel, key.stage)
        ]
        others = [fault for some in faults.values() for fault in some]
        variables = list(meanings_of(key.stage).items())
        return cls(key, fields, others, variables, saved, preview, done if done in _DONE else "")


_DONE = frozenset(["saved", "tested", "wait", "nobody", "nobrowser", "unaddressed"])


def by_stage(texts: Sequence[ShopText]) -> Mapping[tuple[ChannelName, Stage], Sequence[ShopText]]:
    """Sort a shop's texts by what they are for."""
    table: dict[tuple[ChannelName, Stage], list[ShopText]] = defaultdict(list)
    for text in texts:
        table[text.key.channel, text.key.stage].append(text)
    return table


def read_form(key: TextKey, form: Mapping[str, str]) -> dict[str, str]:
    """Read what was typed for each part."""
    typed = {part.name: form.get(f"part.{part.name}", "").replace("\r\n", "\n") for part in PARTS[key.channel]}
    return {name: text for name, text in typed.items() if text.strip()}


def language(locale: str) -> str:
    """Name a locale in English: `French (Canada)`."""
    known = known_locale(locale)
    return (known.get_display_name("en") if known else None) or locale


def languages(shop_locale: str) -> Sequence[str]:
    """Suggest locales: the shop's own first, then those we speak ourselves."""
    return list(dict.fromkeys((shop_locale, *LANGUAGES)))
