"""Say a notice as a browser notification: a small JSON object that our service worker shows.

Pure. The tag is the delivery's identity, so a repeat replaces the first on the screen. A reminder is a delivery of its
own: replacing the offer's notification would be silent, and whoever has put that one aside would not be reminded.
"""

from __future__ import annotations

import json
from dataclasses import replace

from restock.channels.port import ChannelError
from restock.channels.values import Envelope, Notice, NoticeKind
from restock.channels.wording import Phrases, duration, isolate, one_line, phrases_for, product_name, tongue_of

LARGEST_PAYLOAD = 2048  # Mozilla takes 2,744 bytes where it goes through Google; we stay well below
_LONGEST_IMAGE_URL = 500


def compose(envelope: Envelope) -> bytes:
    """Return the payload, at most LARGEST_PAYLOAD bytes of JSON; raise ChannelError when that is too small."""
    notice = envelope.notice
    phrases = phrases_for(notice.locale)
    language, direction = tongue_of(notice, phrases)
    fields = {
        "title": _tested(notice.words.get("title") or _phrase(phrases, notice, "title"), phrases, notice),
        "body": notice.words["body"] if "body" in notice.words else _phrase(phrases, notice, _body(notice)),
        "url": notice.links.action,
        "unsubscribe": notice.links.unsubscribe,
        "tag": envelope.identity,
        "lang": language,
        "dir": direction,
    }
    if notice.links.decline:
        fields |= {"decline": notice.links.decline, "decline_label": phrases.say("push.offer.decline")}
    image = _image(notice)
    payload = _encode(fields | {"icon": image, "image": image}) if image else _encode(fields)
    if len(payload) > LARGEST_PAYLOAD:
        payload = _encode(fields)
    if len(payload) > LARGEST_PAYLOAD and notice.words:
        return compose(replace(envelope, notice=replace(notice, words={})))
    if len(payload) > LARGEST_PAYLOAD:
        raise ChannelError("too_large", permanent=True)
    return payload


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
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
