"""What is each person's own in a message said to many: the last part of its links, for which others can stand in.

Standard library only. Whatever is written with stand-ins holds for everybody once the stand-ins are replaced. They are
drawn anew by each process, so that nobody can put one into a product's name, and they never leave it.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from restock.channels.values import MessageLinks, Notice

# No letter of it is written otherwise anywhere, and it fits on one line.
LAST_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]{8,69}"
_LAST_PART = re.compile(LAST_PART)
_NOT_THE_REST = frozenset(["links", "words"])
rest_of = attrgetter(*(one.name for one in fields(Notice) if one.name not in _NOT_THE_REST))
"""Everything about a notice that is the same for all who get the same message."""
_DRAWN = 6
_LETTERS = string.ascii_letters + string.digits
_LONGER = "._-aB0" * 12


class Tokens(NamedTuple):
    """The last parts of a message's links; `decline` and `preferences` are empty where there is no such link."""

    action: str
    unsubscribe: str
    decline: str
    preferences: str = ""


class Bases(NamedTuple):
    """The links without their last parts, the same for everybody; None where there is no such link."""

    action: str
    unsubscribe: str
    decline: str | None
    preferences: str | None = None

    def links(self, tokens: Tokens) -> MessageLinks:
        """Put links together."""
        decline = None if self.decline is None else self.decline + tokens.decline
        preferences = None if self.preferences is None else self.preferences + tokens.preferences
        return MessageLinks(self.action + tokens.action, self.unsubscribe + tokens.unsubscribe, decline, preferences)


def split(links: MessageLinks) -> tuple[Bases, Tokens] | None:
    """Take a message's links apart; None: their last parts are not such as ours."""
    action, _, action_token = links.action.rpartition("/")
    unsubscribe, _, unsubscribe_token = links.unsubscribe.rpartition("/")
    decline, _, decline_token = links.decline.rpartition("/") if links.decline else ("", "", "")
    preferences, _, preferences_token = links.preferences.rpartition("/") if links.preferences else ("", "", "")
    tokens = Tokens(action_token, unsubscribe_token, decline_token, preferences_token)
    if not all(_LAST_PART.fullmatch(token) for token in tokens if token) or not (action_token and unsubscribe_token):
        return None
    if (links.decline is not None and not decline_token) or (links.preferences is not None and not preferences_token):
        return None
    own = (None if links.decline is None else f"{decline}/", None if links.preferences is None else f"{preferences}/")
    return Bases(f"{action}/", f"{unsubscribe}/", *own), tokens


def stand_in(name: str, length: int, other: int = 0) -> str:
    """Give what stands for a value: the same for the same name and length. Another by `other`, in other letters."""
    return (_drawn(name, other) + _LONGER)[:length]


def stand_ins(tokens: Tokens, other: int = 0) -> Tokens:
    """Give what stands for these, each as long as it is."""
    return Tokens(*(stand_in(name, len(token), other) for name, token in zip(Tokens._fields, tokens, strict=True)))


@lru_cache(maxsize=64)
def _drawn(name: str, other: int) -> str:
    """Draw letters that a change of case would change."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_DRAWN))
    return f"{name[:1].upper()}z{letters}{other}"


@dataclass(frozen=True, slots=True)
class Frame:
    """The shop's own words for everybody whose message is otherwise the same and whose links are as long.

    `texts` has the `held` stand-ins where a person's own tokens go, in the parts that are named in `personal`.
    """

    texts: Mapping[str, str] = field(hash=False)
    bases: Bases
    held: Tokens
    personal: frozenset[str]
    texts_hash: int  # looked up for every batch, so it is made once

    @classmethod
    def of(cls, texts: Mapping[str, str], bases: Bases, held: Tokens) -> Frame:
        """Note where the stand-ins are."""
        personal = {part for part, text in texts.items() if any(one in text for one in held if one)}
        return cls(texts, bases, held, frozenset(personal), hash(tuple(texts.items())))

    def fill(self, part: str, tokens: Tokens) -> str:
        """Say one part to one person."""
        text = self.texts[part]
        if part in self.personal:
            for held, token in zip(self.held, tokens, strict=True):
                if held:
                    text = text.replace(held, token)
        return text


class FramedWords(Mapping[str, str]):
    """The shop's words for one person, each written out when it is asked for."""

    __slots__ = ("frame", "tokens")

    def __init__(self, frame: Frame, tokens: Tokens) -> None:
        self.frame = frame
        self.tokens = tokens

    def __getitem__(self, part: str) -> str:
        return self.frame.fill(part, self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.frame.texts)

    def __len__(self) -> int:
        return len(self.frame.texts)
