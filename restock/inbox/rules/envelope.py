"""A webhook's headers as a message, and what to do when its body could not be understood. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from restock.inbox.rules.fields import read_moment
from restock.inbox.values import InboxMessage
from restock.shopify.domains import clean_shop_domain

MOST_ATTEMPTS = 5
_LADDER_SECONDS = (10, 60, 300, 1800)
_LONGEST_WORD = 128


def received_message(header: Callable[[str], str | None], body: bytes) -> InboxMessage:
    """Make a message of one webhook; `header` looks a header up by its name after `X-Shopify-`, such as `WEBHOOK_ID`.

    A header that names no shop becomes the empty domain, which no shop has. Without a webhook id, topic and body
    identify the message.
    """
    topic = _word(header("TOPIC")) or ""
    return InboxMessage(
        shop_domain=clean_shop_domain(header("SHOP_DOMAIN") or "") or "",
        webhook_id=_word(header("WEBHOOK_ID")) or _fingerprint(topic, body),
        topic=topic.lower(),
        body=body,
        triggered_at=read_moment(header("TRIGGERED_AT")),
        event_id=_word(header("EVENT_ID")),
        api_version=_word(header("API_VERSION")),
    )


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Leave the message for later."""

    after_seconds: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Keep the message as failed."""


def after_failure(attempts: int) -> TryAgain | GiveUp:
    """Say what becomes of a message that could not be understood for the `attempts`-th time, counted from 1."""
    if attempts >= MOST_ATTEMPTS:
        return GiveUp()
    return TryAgain(_LADDER_SECONDS[attempts - 1])


def _word(text: str | None) -> str | None:
    """Take a header's value when it can be an identifier; anything else is as good as absent."""
    return text if text and len(text) <= _LONGEST_WORD and text.isascii() and text.isprintable() else None


def _fingerprint(topic: str, body: bytes) -> str:
    return "sha256:" + hashlib.sha256(topic.encode() + b"\n" + body).hexdigest()
