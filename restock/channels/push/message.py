"""Say a notice as a browser notification: a small JSON object that our service worker shows.

Pure. The tag is the delivery's identity, so a repeat replaces the first on the screen. A reminder is a delivery of its
own: replacing the offer's notification would be silent, and whoever has put that one aside would not be reminded.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass, replace
from json.encoder import encode_basestring

from restock.channels.port import ChannelError
from restock.channels.values import Envelope, Notice, NoticeKind
from restock.channels.wording import Phrases, duration, isolate, one_line, phrases_for, product_name, tongue_of

LARGEST_PAYLOAD = 2048  # Mozilla takes 2,744 bytes where it goes through Google; we stay well below
_LONGEST_IMAGE_URL = 500


@dataclass(frozen=True, slots=True)
class Wording:
    """What a notification says that is nobody's own, as the beginning of its JSON: with the picture, and without.

    `in_our_words`: instead of words of the shop that leave no room for the links.
    """

    rich: bytes
    plain: bytes
    in_our_words: bytes | None = None


def wording_key(notice: Notice) -> Hashable:
    """Name what `wording_of` depends on: people of the same key are told the same, but for their links."""
    return (
        notice.kind,
        notice.locale,
        notice.turn_minutes,
        notice.missed_before,
        notice.links.decline is None,
        notice.product,
        notice.shop,
        tuple(notice.words.items()),
    )


def wording_of(notice: Notice) -> Wording:
    """Say a notice, all but the links."""
    phrases = phrases_for(notice.locale)
    language, direction = tongue_of(notice, phrases)
    fields = {
        "title": _tested(notice.words.get("title") or _phrase(phrases, notice, "title"), phrases, notice),
        "body": notice.words["body"] if "body" in notice.words else _phrase(phrases, notice, _body(notice)),
        "lang": language,
        "dir": direction,
    }
    if notice.links.decline:
        fields["decline_label"] = phrases.say("push.offer.decline")
    image = _image(notice)
    plain = _encode(fields)
    rich = _encode(fields | {"icon": image, "image": image}) if image else plain
    return Wording(rich, plain, wording_of(replace(notice, words={})).plain if notice.words else None)


def compose(envelope: Envelope, wording: Wording | None = None) -> bytes:
    """Return the payload, at most LARGEST_PAYLOAD bytes of JSON; raise ChannelError when that is too small.

    `wording` is that of the notice, where it is known already.
    """
    links, wording = envelope.notice.links, wording or wording_of(envelope.notice)
    own = f',"url":{_text(links.action)},"unsubscribe":{_text(links.unsubscribe)},"tag":{_text(envelope.identity)}'
    if links.decline:
        own += f',"decline":{_text(links.decline)}'
    tail = own.encode("utf-8", "replace") + b"}"
    for head in (wording.rich, wording.plain, wording.in_our_words):
        if head is not None and len(head) + len(tail) <= LARGEST_PAYLOAD:
            return head + tail
    raise ChannelError("too_large", permanent=True)


def _phrase(phrases: Phrases, notice: Notice, part: str) -> str:
    return phrases.kind(
        "push",
        notice,
        part,
        product=isolate(product_name(notice, phrases, 80), phrases),
        shop=isolate(one_line(notice.shop.name, 60), phrases),
        duration=duration(notice.turn_minutes or 1, phrases.language),
    )


def _tested(text: str, phrases: Phrases, notice: Notice) -> str:
    return phrases.say("push.test", text=text) if notice.kind is NoticeKind.test else text


def _body(notice: Notice) -> str:
    """Choose what a notification has room for: an earlier miss, else how long the turn is."""
    if notice.missed_before:
        return "missed"
    return "turn" if notice.turn_minutes is not None else "body"


def _image(notice: Notice) -> str | None:
    url = notice.product.image_url if notice.product else None
    return url if url and url.startswith("https://") and len(url) <= _LONGEST_IMAGE_URL else None


def _encode(fields: dict[str, str]) -> bytes:
    """Write an object that has no end yet."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")[:-1]


_text = encode_basestring  # a JSON string, its letters as they are
