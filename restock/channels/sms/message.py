"""Say a notice as a text message: who, what, where, and how to stop. Pure."""

from __future__ import annotations

import re

from restock.channels.port import ChannelError
from restock.channels.sms.segments import cost_of, spell
from restock.channels.values import Blame, Envelope, NoticeKind
from restock.channels.wording import one_line, phrases_for, product_name

MOST_SEGMENTS = 2
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NAME_LENGTHS = (80, 60, 45, 32, 24, 16, 10)


def compose(envelope: Envelope) -> str:
    """Return the text, shortened to MOST_SEGMENTS where a shorter product name can do it."""
    text = ""
    for longest in _NAME_LENGTHS:
        text = _text(envelope, longest)
        if cost_of(text).segment_count <= MOST_SEGMENTS:
            break
    return text


def number_of(envelope: Envelope) -> str:
    """Return the recipient's number; raise ChannelError unless it is E.164."""
    number = envelope.recipient.address
    if not _E164.fullmatch(number):
        raise ChannelError("invalid_number", permanent=True, blame=Blame.address)
    return number


def _text(envelope: Envelope, longest: int) -> str:
    notice = envelope.notice
    phrases = phrases_for(notice.locale)
    shop = one_line(notice.shop.name, min(longest, 30))
    text = phrases.kind(
        "sms", notice, "text", shop=shop, product=product_name(notice, phrases, longest), link=notice.links.action
    )
    if notice.kind is NoticeKind.test:
        text = phrases.say("sms.test", text=text)
    return spell(f"{text} {phrases.say('sms.stop')}")
