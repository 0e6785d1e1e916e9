"""How many posts a minute: counted in this process, shared with the others through Valkey in the background.

A request never waits for Valkey. Every process adds what it counted about four times a second, so all of them
together hold a limit to within that interval; with Valkey away each holds it alone. No address and no network address
leaves the process: the shared keys are keyed hashes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple, Protocol
from zlib import crc32

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from restock.shopify.domains import clean_shop_domain

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
MERGE_SECONDS = 0.25
_TIMEOUT_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_SMALL_LIMIT = 10  # below it, each process tells from the first: one post more would matter
MOST_KEYS = 100_000
_SHARED_BUCKETS = 4096  # where the keys beyond MOST_KEYS are counted, several in one


class Tally(Protocol):
    """Counters that several processes share."""

    def add(self, window: int, counts: dict[str, int]) -> dict[str, int]:
        """Add to the counters of a window and return their totals; raise redis.RedisError when they are away."""
        ...


class ValkeyTally:
    """The shared counters in Valkey, gone by themselves two windows later."""

    def __init__(self, url: str, key_of: Callable[[str], bytes]) -> None:
        self._key_of = key_of
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def add(self, window: int, counts: dict[str, int]) -> dict[str, int]:
        with self._client.pipeline(transaction=False) as pipeline:
            for name, count in counts.items():
                key = f"restock:limit:{window}:{self._key_of(name).hex()}"
                pipeline.incrby(key, count)
                pipeline.expire(key, 2 * WINDOW_SECONDS)
            return dict(zip(counts, pipeline.execute()[::2], strict=True))


class Allowance(NamedTuple):
    """What the tightest limit of a request leaves. `reset_ms` is unix milliseconds."""

    allowed: bool
    limit: int
    remaining: int
    reset_ms: int

    def retry_after_seconds(self, now: float) -> int:
        """Say in how many whole seconds the window ends, at least 1; `now` is unix seconds."""
        return max(1, -int((now * 1000 - self.reset_ms) // 1000))

    def headers(self) -> list[tuple[str, str]]:
        """Say it as headers."""
        return [
            ("X-RateLimit-Limit", str(self.limit)),
            ("X-RateLimit-Remaining", str(self.remaining)),
            ("X-RateLimit-Reset", str(self.reset_ms)),
        ]


class RateLimiter:
    """Counts names in windows of a minute, aligned to the clock. Safe across threads and forks.

    `tally` None: this process counts alone. Beyond `most_keys` names in a minute, new ones share counters.
    Without `start_sharing` only `share` shares.
    """

    def __init__(
        self,
        tally: Tally | None = None,
        *,
        clock: Callable[[], float] = time.time,
        most_keys: int = MOST_KEYS,
        start_sharing: bool = True,
    ) -> None:
        self._tally, self._clock, self._most_keys = tally, clock, most_keys
        self._start_sharing = start_sharing and tally is not None
        self._lock = threading.Lock()
        self._window = 0
        self._known: dict[str, int] = {}  # the total of all processes, as far as known
        self._fresh: dict[str, int] = {}  # counted here, not yet shared
        self._dirty = threading.Event()
        self._pid = 0

    def take(self, wanted: Sequence[tuple[str, int]]) -> Allowance:
        """Count one for each (name, limit), or for none of them if one is used up; answer for the tightest."""
        now = self._clock()
        window = int(now // WINDOW_SECONDS)
        with self._lock:
            if window != self._window:
                self._window, self._known, self._fresh = window, {}, {}
            left, limit = self._tightest(wanted)
            allowed = left > 0
            if allowed:
                self._count(wanted)
        if allowed and (self._pid != os.getpid() or not self._dirty.is_set()):
            self._ask_to_share()
        return Allowance(allowed, limit, max(0, left - 1), (window + 1) * WINDOW_SECONDS * 1000)

    def _count(self, wanted: Sequence[tuple[str, int]]) -> None:
        """Count one each. What came once is told to other processes when it comes again: most addresses never do."""
        known, fresh = self._known, self._fresh
        for name, most in wanted:
            place = name if name in known or len(known) < self._most_keys else _shared_place(name)
            count = known[place] = known.get(place, 0) + 1
            if count > 1 or most < _SMALL_LIMIT:
                untold = 2 if count == 2 and most >= _SMALL_LIMIT else 1
                fresh[place] = fresh.get(place, 0) + untold

    @property
    def key_count(self) -> int:
        """Count the counters in memory."""
        return len(self._known)

    def share(self) -> None:
        """Bring what was counted here together with the other processes' counts; raise redis.RedisError."""
        with self._lock:
            window, counted, self._fresh = self._window, self._fresh, {}
        if not counted or self._tally is None:
            return
        try:
            totals = self._tally.add(window, counted)
        except redis.RedisError:
            self._keep(window, counted)
            raise
        with self._lock:
            if window == self._window:
                for name, total in totals.items():
                    self._known[name] = total + self._fresh.get(name, 0)

    def _tightest(self, wanted: Sequence[tuple[str, int]]) -> tuple[int, int]:
        """Return what is left of the limit that has least left, and that limit."""
        known = self._known
        left, tightest = wanted[0][1] + 1, wanted[0][1]
        for name, limit in wanted:
            count = known.get(name)
            if count is None:
                count = 0 if len(known) < self._most_keys else known.get(_shared_place(name), 0)
            if limit - count < left:
                left, tightest = limit - count, limit
        return left, tightest

    def _keep(self, window: int, counted: dict[str, int]) -> None:
        with self._lock:
            if window == self._window:
                for name, count in counted.items():
                    self._fresh[name] = self._fresh.get(name, 0) + count

    def _ask_to_share(self) -> None:
        self._dirty.set()
        pid = os.getpid()
        if self._pid != pid:  # the first request of this process
            self._pid = pid
            if self._start_sharing:
                threading.Thread(target=self._run, name="rate-limits", daemon=True).start()

    def _run(self) -> None:
        pause = MERGE_SECONDS
        while True:
            self._dirty.wait()
            time.sleep(pause)
            self._dirty.clear()
            pause = self._share_quietly(pause)

    def _share_quietly(self, pause: float) -> float:
        """Share, and return the pause before the next time: longer and longer while Valkey is away."""
        try:
            self.share()
        except redis.RedisError as error:
            if pause == MERGE_SECONDS:
                log.warning("rate_limits_not_shared", error=type(error).__name__)
            self._dirty.set()
            return min(_LONGEST_PAUSE_SECONDS, pause * 2)
        if pause != MERGE_SECONDS:
            log.info("rate_limits_shared_again")
        return MERGE_SECONDS


def _shared_place(name: str) -> str:
    """Name the counter of one who came when there were too many: strangers share some."""
    return f"shared:{crc32(name.encode()) % _SHARED_BUCKETS}"


@lru_cache(maxsize=4096)
def network_of(client: str) -> str:
    """Name the network a client counts for: of IPv6 the /64, which is what one subscriber gets."""
    if ":" not in client:
        return client
    try:
        address = IPv6Address(client)
    except ValueError:
        return client
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))


@dataclass(frozen=True)
class IntentLimits:
    """How many posts of intents a minute takes from one client, for one address, for one shop."""

    limiter: RateLimiter
    client: int
    address: int
    shop: int

    def count_post(self, client: str, domain: str | None) -> Allowance:
        """Count any post, faulty ones too, for the client's network address and the shop it names."""
        wanted = [(f"client:{network_of(client)}", self.client)]
        if domain and (shop := clean_shop_domain(domain)) is not None:  # however it is spelled, it is one shop
            wanted.append((f"shop:{shop}", self.shop))
        return self.limiter.take(wanted)

    def count_address(self, address_hash: bytes) -> Allowance:
        """Count a faultless post for the address it names, whatever the shop."""
        return self.limiter.take([(f"address:{address_hash.hex()}", self.address)])
