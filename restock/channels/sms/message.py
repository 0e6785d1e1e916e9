"""Say a notice as a text message: who, what, where, and how to stop. Pure."""

from __future__ import annotations

import re

from restock.channels.port import ChannelError
from restock.channels.sms.segments import cost_of, spell
from restock.channels.values import Blame, Envelope, Notice, NoticeKind
from restock.channels.wording import Phrases, one_line, phrases_for, product_name

MOST_SEGMENTS = 2
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# What is tried in turn until the text fits: shorter names, then fewer words.
_WAYS = (
    *(("text", longest) for longest in (80, 60, 45, 32, 24)),
    *(("short", longest) for longest in (32, 24, 16, 10, 6)),
)
# A text says no more than it must: of an earlier miss where that fits, of turns and of passing them on nothing.
_MISSED = tuple(("missed", longest) for longest in (80, 60, 45, 32, 24))


def compose(envelope: Envelope) -> str:
    """Return the text, shortened to MOST_SEGMENTS where fewer words and shorter names can do it.

    The shop's own words come with names as short as they must be.
    """
    notice = envelope.notice
    if own := notice.words.get("text"):
        return finish(own, notice, phrases_for(notice.locale))
    text = ""
    for part, longest in (*_MISSED, *_WAYS) if notice.missed_before else _WAYS:
        text = _text(envelope, part, longest)
        if cost_of(text).segment_count <= MOST_SEGMENTS:
            break
    return text


def number_of(envelope: Envelope) -> str:
    """Return the recipient's number; raise ChannelError unless it is E.164."""
    number = envelope.recipient.address
    if not _E164.fullmatch(number):
        raise ChannelError("invalid_number", permanent=True, blame=Blame.address)
    return number


def _text(envelope: Envelope, part: str, longest: int) -> str:
    notice = envelope.notice
    phrases = phrases_for(notice.locale)
    shop = one_line(notice.shop.name, min(longest, 30))
    text = phrases.kind(
        "sms", notice, part, shop=shop, product=product_name(notice, phrases, longest), link=notice.links.action
    )
    return finish(text, notice, phrases)


def finish(text: str, notice: Notice, phrases: Phrases) -> str:
    """Mark a test, say how to stop, and spell it all as it is sent."""
    if notice.kind is NoticeKind.test:
        text = phrases.say("sms.test", text=text)
    return spell(f"{text} {phrases.say('sms.stop')}")
