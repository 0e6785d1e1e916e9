"""What a channel brings to `restock bench fanout`: a provider's stand-in, the naive design, the limit, the goals.

One module for each channel, named like it, whose `CONTESTANT` the command picks up by itself. Everything here runs on
the second core; only the program's workers and the naive worker run on the app's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from tests.benchmarks.report import Goal
from tests.benchmarks.stage import Stage


@dataclass(frozen=True)
class Peer:
    """The provider's stand-in while it runs. `settings`: the environment by which an instance finds it.

    `pid`: its process, None where it runs in the benchmark's. `taken`: how many messages it has had so far, None where
    it does not count.
    """

    settings: Mapping[str, str]
    pid: int | None = None
    taken: Callable[[], int] | None = None


@dataclass(frozen=True)
class Limit:
    """The best there can be: what `name` manages. `cpu_us`: CPU of it for each message, in microseconds."""

    name: str
    rate: float
    cpu_us: float = float("nan")


@dataclass(frozen=True)
class Told:
    """What one run came to. Microseconds of CPU for each message by kind of process; `stages`: a worker's own time.

    `rate`: messages a second from the first to the last one at the provider.
    """

    count: int
    seconds: float
    rate: float
    cpu_us: Mapping[str, float]
    peak_megabytes: float
    foreign_cores: float
    stages: Mapping[str, float] = field(default_factory=dict)
    rq_share: float = float("nan")  # of the workers' CPU
    valkey_megabytes: float = float("nan")  # what the fan-out added
    start_megabytes: float = float("nan")  # of a delivery worker, before there was anything to do


class Contestant(Protocol):
    """One channel. `address` and `keys`: SQL of a contact's columns, in which `n` is the person's number from 1 on.

    `naive_job`: `module:function` of the naive design, run by RQ's forking worker with that module loaded before, once
    for each delivery id, in the tables of the program (`DATABASE_URL`) and with the peer's settings in its environment.
    None: there is none. The function commits what became of the delivery: `UPDATE deliveries SET state = 'sent'`.
    """

    channel: str
    address: str
    keys: str
    naive_job: str | None

    def open_peer(self, stage: Stage, reply_ms: float) -> AbstractContextManager[Peer]:
        """Run the stand-in, which takes `reply_ms` for each of its replies, until the block ends."""
        ...

    def limit(self, stage: Stage, count: int, reply_ms: float) -> Limit | None:
        """Measure the limit on this machine with about so many messages; None: it cannot be measured here."""
        ...

    def goals(self, ours: Told, naive: Told | None, limit: Limit | None, reply_ms: float) -> Sequence[Goal]:
        """Say which goals the figures are held against."""
        ...
