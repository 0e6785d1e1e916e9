"""Messages to measure a channel alone with, and what sending them costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from restock.channels.port import Channel
from restock.channels.values import (
    Envelope,
    MessageLinks,
    Notice,
    NoticeKind,
    ProductFacts,
    Recipient,
    ShopFacts,
    Verdict,
)

_SHOP = ShopFacts("crowd.myshopify.com", "The Crowd", "https://crowd.myshopify.com")
_GOODS = ProductFacts("Enamel mug, 0.4 l", "Green", "€12.50", "https://cdn.example.com/mug.jpg")
_BASE, _REST = "https://restock.example.com", ".abcdefghijklmnopqrstuv"


@dataclass(frozen=True)
class Sample:
    """One run: messages a second, and microseconds of our CPU for each."""

    rate: float
    cpu_us: float


def envelopes_for(recipients: Iterable[Recipient]) -> list[Envelope]:
    """Write one to each as the engine hands them to a channel: links as long as real ones, the goods the same."""

    def one(number: int, recipient: Recipient) -> Envelope:
        links = MessageLinks(f"{_BASE}/c/{number:08d}{_REST}", f"{_BASE}/unsubscribe/{number:08d}{_REST}")
        notice = Notice(NoticeKind.offer, _SHOP, links, "en", _GOODS)
        return Envelope(number, f"r{number}-0123456789", recipient, notice, queued_at=1_790_000_000.0)

    return [one(number, recipient) for number, recipient in enumerate(recipients, start=1)]


def send_all(channel: Channel, *batches: Sequence[Envelope]) -> None:
    """Send them; RuntimeError when one was not taken, since then the figure means nothing."""
    told = {outcome.verdict for people in batches for outcome in channel.send(people)}
    if told != {Verdict.accepted}:
        raise RuntimeError(f"the stand-in takes everything, and yet: {told}")


def sample(work: Callable[[], object], count: int) -> Sample:
    """Measure `work` with so many messages: its rate, and this process's CPU."""
    began, spent = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    return Sample(count / seconds, cpu / count * 1e6)
