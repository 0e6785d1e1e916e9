"""The e-mail channel by itself, without the pipeline: beside smtp-source, and with a mail server 20 ms away.

`python -m tests.benchmarks.fanout.smtp_engine [N]`, N messages a sample (20,000). What a message costs to write is
measured without any connection. Samples are taken in turns; the median of each counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import cast

from restock.channels.email.channel import EmailChannel
from restock.channels.email.message import Sender, compose
from restock.channels.email.skeleton import Press
from restock.channels.email.smtp_pool import SmtpPool
from restock.channels.email.smtp_server import parse_smtp_url
from restock.channels.values import Envelope, Recipient
from tests.benchmarks.fanout.email import SESSIONS, Email
from tests.benchmarks.fanout.messages import Sample, envelopes_for, sample, send_all
from tests.benchmarks.stage import Stage

SENDER = Sender("alerts@restock.example.com", "Restock")
BATCH = 1_000  # as large as claims become
REPLY_MS = 20.0
_ROUNDS = 3
_NO_STAGE = cast("Stage", None)  # the peers do not ask for it


def envelopes(count: int) -> list[Envelope]:
    """Write one to each of so many people."""
    return envelopes_for(Recipient(f"ada{number}@example.com") for number in range(1, count + 1))


def writing(people: Sequence[Envelope]) -> tuple[float, float]:
    """Time what writing a message costs, from a skeleton and alone, in microseconds."""
    press = Press(SENDER)
    began = time.process_time()
    for envelope in people:
        press.write(envelope)
    together, few = time.process_time() - began, people[:500]
    began = time.process_time()
    for envelope in few:
        compose(envelope, SENDER)
    return together / len(people) * 1e6, (time.process_time() - began) / len(few) * 1e6


@contextmanager
def opened(connections: int, reply_ms: float) -> Iterator[EmailChannel]:
    """Open the channel to a stand-in, its connections made before."""
    with Email(connections=connections).open_peer(_NO_STAGE, reply_ms) as peer:
        url = peer.settings["SMTP_URL"].partition("?")[0]
        server = parse_smtp_url(f"{url}?connections={connections}&messages=10000&starttls=0")
        channel = EmailChannel(SmtpPool(server, SENDER.domain, SENDER.address), SENDER, batch_seconds=300.0)
        sent(channel, envelopes(max(BATCH, connections * 8)))
        try:
            yield channel
        finally:
            channel.close()


def sent(channel: EmailChannel, people: Sequence[Envelope], batch: int = BATCH) -> Sample:
    """Send batch after batch; every message must be taken."""
    batches = [people[first : first + batch] for first in range(0, len(people), batch)]
    return sample(lambda: send_all(channel, *batches), len(people))


def main(count: int) -> None:
    """Measure, and print a line for each."""
    people = envelopes(count)
    together, alone = writing(people)
    print(f"writing a message: {together:.1f} µs from a skeleton, {alone:.0f} µs alone")
    with opened(SESSIONS, 0.0) as channel:
        pairs = [(Email().limit(_NO_STAGE, count, 0.0), sent(channel, people)) for _ in range(_ROUNDS)]
    source = median(limit.rate for limit, _ in pairs if limit)
    source_cpu = median(limit.cpu_us for limit, _ in pairs if limit)
    share = median(ours.rate / limit.rate for limit, ours in pairs if limit)
    print(f"smtp-source, {SESSIONS} sessions: {source:,.0f} msg/s, {source_cpu:.0f} µs CPU")
    print(
        f"ours, {SESSIONS} connections: {median(ours.rate for _, ours in pairs):,.0f} msg/s, "
        f"{median(ours.cpu_us for _, ours in pairs):.0f} µs CPU: {share:.2f} × smtp-source (goal 0.6 with all else)"
    )
    for connections in (64, 256):
        with opened(connections, REPLY_MS) as channel:
            pairs_by_batch = [(sent(channel, people), sent(channel, people, len(people))) for _ in range(_ROUNDS)]
        most = connections / REPLY_MS * 1000
        for name, samples in zip(
            (f"batches of {BATCH:,}", "one batch"), zip(*pairs_by_batch, strict=True), strict=True
        ):
            rate = median(sample.rate for sample in samples)
            print(
                f"{REPLY_MS:g} ms, {connections} connections, {name}: {rate:,.0f} msg/s, "
                f"{median(sample.cpu_us for sample in samples):.0f} µs CPU: {rate / most:.2f} × the limit (goal 0.7)"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
