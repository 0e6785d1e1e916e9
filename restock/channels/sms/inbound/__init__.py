"""Read what people answer to a text message: stop, start again, help, or something else.

Pure. Twilio knows single words of English only; people may say no in any reasonable wording (47 CFR 64.1200(a)(10)), so
a text that asks us to stop in the languages we write is a stop. What merely contains such a word is not: nobody is
taken off a list for asking whether the bus stops here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum

from restock.channels.sms.inbound.phrases import asks_to_stop
from restock.channels.sms.inbound.plain import plain
from restock.channels.sms.inbound.words import (
    CLEAR_STOPS,
    HELPS,
    NO_STOP_AFTER,
    POLITE,
    STARTS,
    STOPS,
    TWILIO_HELPS,
    TWILIO_STARTS,
    TWILIO_STOPS,
)


class Wish(StrEnum):
    """What an answer asks for."""

    stop = "stop"
    start = "start"
    help = "help"
    other = "other"


_TWILIOS = TWILIO_STOPS | TWILIO_STARTS | TWILIO_HELPS
_NOT_LETTERS = re.compile(r"[^\w' ]+")
_MOST_MORE = 2  # words behind a clear stop
_LONGEST_CLEAR = max(len(phrase.split()) for phrase in CLEAR_STOPS)
_LONGEST = 1600  # Twilio's limit for a text


def read_wish(body: str, opt_out_type: str = "") -> Wish:
    """Read an answer; `opt_out_type` is Twilio's own word on it (STOP, START or HELP), where it gives one."""
    named = {"STOP": Wish.stop, "START": Wish.start, "HELP": Wish.help}.get(opt_out_type.upper())
    if named is not None:
        return named
    said = plain(body[:_LONGEST])
    words = said.split()
    core = " ".join(_without_manners(words))
    if core in STOPS or said in STOPS or _begins_with_a_stop(words, body) or asks_to_stop(said):
        return Wish.stop
    if said in STARTS:
        return Wish.start
    return Wish.help if said in HELPS else Wish.other


def is_twilios_own(body: str, opt_out_type: str = "") -> bool:
    """Say whether Twilio answers this by itself, so that a second answer would be one too many."""
    typed = _NOT_LETTERS.sub(" ", unicodedata.normalize("NFKC", body[:_LONGEST]).casefold())
    return bool(opt_out_type) or typed.strip() in _TWILIOS


def _without_manners(words: Sequence[str]) -> Sequence[str]:
    """Take polite words off both ends; what is said twice in a row is said once."""
    start, end = 0, len(words)
    while start < end and words[start] in POLITE:
        start += 1
    while end > start and words[end - 1] in POLITE:
        end -= 1
    rest = words[start:end]
    return [word for place, word in enumerate(rest) if place == 0 or word != rest[place - 1]]


def _begins_with_a_stop(words: Sequence[str], body: str) -> bool:
    """Take a short text that begins with a clear stop for one, unless it is a question or goes on otherwise."""
    if "?" in unicodedata.normalize("NFKC", body[:_LONGEST]) or "؟" in body:
        return False
    core = _without_manners(words)
    for length in range(1, _LONGEST_CLEAR + 1):
        rest = core[length:]
        if " ".join(core[:length]) in CLEAR_STOPS and len(rest) <= _MOST_MORE:
            return not (rest and rest[0] in NO_STOP_AFTER)
    return False
