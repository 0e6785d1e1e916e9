"""What the pages behind the links in our messages say: one file of sentences for each language in `texts/`.

A file is read when its language is first asked for, and kept. All have the keys of `en.json`, with the same slots; a
test compares them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from restock.channels.tongues import nearest_of

_FOLDER = Path(__file__).with_name("texts")


@dataclass(frozen=True, slots=True)
class PageTexts:
    """One language's sentences. `direction` is ltr or rtl."""

    language: str
    direction: str
    sentences: Mapping[str, str]

    def say(self, key: str, **slots: str | int) -> str:
        """Fill one sentence; KeyError for a sentence or slot that does not exist."""
        text = self.sentences[key]
        return self.fill(text, **slots) if slots else text

    def fill(self, text: str, **slots: str | int) -> str:
        """Fill a sentence of this language that is kept elsewhere."""
        return text.format(**{name: self._isolated(slot) for name, slot in slots.items()})

    def _isolated(self, slot: str | int) -> str | int:
        """Keep a name in another script from turning a right-to-left line around (Unicode FSI … PDI)."""
        return f"\u2068{slot}\u2069" if self.direction == "rtl" and isinstance(slot, str) else slot


def texts_for(*locales: str | None) -> PageTexts:
    """Give the sentences of the first locale we speak, or of one near it; English where there is none."""
    return _load(nearest_of(*locales))


@cache
def _load(language: str) -> PageTexts:
    sentences = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return PageTexts(language, sentences.pop("direction"), sentences)
