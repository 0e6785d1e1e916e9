"""The words of merchants' texts: for which message one is, and what it is made of. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from restock.channels.values import ChannelName, NoticeKind


class Stage(StrEnum):
    """The occasion of a message, as merchants call it."""

    confirmation = "confirmation"  # please confirm that you want to be told
    restock = "restock"  # it can be bought again
    reminder = "reminder"  # it can still be bought
    merchant_alert = "merchant_alert"  # what the shop itself is told; by e-mail alone


STAGES: Mapping[NoticeKind, Stage] = {
    NoticeKind.confirmation: Stage.confirmation,
    NoticeKind.offer: Stage.restock,
    NoticeKind.reminder: Stage.reminder,
}


@dataclass(frozen=True, slots=True, order=True)
class TextKey:
    """Which message a text is for. `locale` is a language, with or without a country: `fr`, `fr-CA`."""

    channel: ChannelName
    stage: Stage
    locale: str


@dataclass(frozen=True, slots=True)
class Source:
    """A text as it is stored: what was typed for each part, and the layout as HTML with Liquid in it, None without."""

    parts: Mapping[str, str]
    html: str | None = field(default=None, repr=False)
    version: int = 0


class TextError(Exception):
    """Say why a text cannot be used: a stable word, a sentence, and the line it is in (None: not known)."""

    def __init__(self, reason: str, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.line = line
