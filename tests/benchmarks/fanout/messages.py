"""Messages to measure a channel alone with, and what sending them costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

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

_SHOP = ShopFacts("a.example", "North & Pine", "https://a.example")
_GOODS = ProductFacts("Harbour Vase", "Deep green")


def envelopes_for(recipients: Iterable[Recipient]) -> list[Envelope]:
    """Write one to each, with links of its own."""

    def one(number: int, recipient: Recipient) -> Envelope:
        links = MessageLinks(f"https://restock.example.com/c/{number}", f"https://restock.example.com/u/{number}")
        return Envelope(number, f"r{number}", recipient, Notice(NoticeKind.offer, _SHOP, links, product=_GOODS))

    return [one(number, recipient) for number, recipient in enumerate(recipients, start=1)]


def send_all(channel: Channel, *batches: Sequence[Envelope]) -> None:
    """Send them; RuntimeError when one was not taken, since then the figure means nothing."""
    told = {outcome.verdict for people in batches for outcome in channel.send(people)}
    if told != {Verdict.accepted}:
        raise RuntimeError(f"the stand-in takes everything, and yet: {told}")


def cpu_us(work: Callable[[], object], count: int) -> float:
    """Measure this process's CPU for each of `count` messages, in microseconds."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / count * 1e6


def rate(work: Callable[[], object], count: int) -> float:
    """Measure messages a second."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)
