"""Load on one address: as much as 16 connections can carry (wrk), or a steady half of it (our own client).

A cycle is a list of whole HTTP requests; MARKER in one is replaced by a number never used before.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

MARKER = b"#########"
CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("cycle.lua")
_NUMBERS_A_SAMPLE = 2_000_000
_ANSWER_SECONDS = 10.0


class MissingToolError(Exception):
    """A program that the benchmarks need is not installed; the message is one sentence that says how to get it."""


@dataclass(frozen=True)
class Outcome:
    """What one stretch of load saw. Latencies in milliseconds; `refused`: answers of 400 and above.

    Of a steady load, what of the latencies is the client's own: `late_p99_ms` how late it woke up, for it shares a core
    with the database; `queued_p99_ms` how long a request waited for one of its connections, being late included.
    """

    requests: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float
    late_p99_ms: float = 0.0
    queued_p99_ms: float = 0.0

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Numbers:
    """Hands out ranges of numbers; no number comes twice in a run of the benchmarks."""

    def __init__(self) -> None:
        self._next = 1_000_000

    def take(self) -> int:
        first, self._next = self._next, self._next + _NUMBERS_A_SAMPLE
        return first


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Write one HTTP/1.1 POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: bench.localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def wrk_program() -> str:
    """Find wrk. Raises MissingToolError."""
    found = shutil.which("wrk")
    if found is None:
        raise MissingToolError("The benchmarks need the load generator wrk: apt-get install wrk")
    return found


def full_load(port: int, cycle: Path, first_number: int, seconds: float) -> Outcome:
    """Send as fast as CONNECTIONS connections are answered."""
    whole = math.ceil(seconds)  # wrk counts in whole seconds, and ends in good order when it is interrupted
    command = [wrk_program(), "-t1", f"-c{CONNECTIONS}", f"-d{whole}s", "--latency", "-s", str(_SCRIPT)]
    if seconds < whole:
        command = ["timeout", "--preserve-status", "--signal=INT", str(seconds), *command]
    command += [f"http://127.0.0.1:{port}/", "--", str(cycle), str(first_number)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    if ran.returncode != 0:
        raise RuntimeError(f"wrk ended with {ran.returncode}: {ran.stderr or ran.stdout}")
    seen = json.loads(ran.stdout.rstrip().rpartition("\n")[2])
    return Outcome(
        requests=seen["requests"],
        seconds=seen["microseconds"] / 1e6,
        refused=seen["refused"],
        broken=seen["broken"],
        p50_ms=seen["p50_us"] / 1000,
        p99_ms=seen["p99_us"] / 1000,
    )


def write_cycle(path: Path, requests: Sequence[bytes]) -> Path:
    """Keep a cycle where wrk reads it."""
    path.write_bytes(b"\0".join(requests))
    return path


def steady_load(port: int, requests: Sequence[bytes], first_number: int, seconds: float, rate: float) -> Outcome:
    """Send `rate` requests a second at random moments (Poisson), whether or not the earlier ones are answered.

    A latency counts from the moment the request was due, so waiting for a free connection is in it.
    """
    return asyncio.run(_steady(port, requests, first_number, seconds, rate))


async def _steady(port: int, requests: Sequence[bytes], number: int, seconds: float, rate: float) -> Outcome:
    gaps = random.Random(number)
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    seen = _Seen()
    clients = [asyncio.create_task(_client(port, due, seen)) for _ in range(CONNECTIONS)]
    begun = moment = monotonic()
    place = 0
    while moment < begun + seconds:
        moment += gaps.expovariate(rate)
        if (pause := moment - monotonic()) > 0:
            await asyncio.sleep(pause)
        number, place = number + 1, place + 1
        seen.late.append(monotonic() - moment)
        due.put_nowait((moment, requests[place % len(requests)].replace(MARKER, b"%09d" % number)))
    for _ in clients:
        due.put_nowait(None)
    await asyncio.gather(*clients)
    return seen.outcome(monotonic() - begun)


class _Seen:
    """What the clients of a steady load have seen so far."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.late: list[float] = []
        self.queued: list[float] = []
        self.refused = self.broken = 0

    def outcome(self, seconds: float) -> Outcome:
        p50, p99 = _milliseconds(self.latencies, 0.5), _milliseconds(self.latencies, 0.99)
        late, queued = _milliseconds(self.late, 0.99), _milliseconds(self.queued, 0.99)
        return Outcome(len(self.latencies), seconds, self.refused, self.broken, p50, p99, late, queued)


def _milliseconds(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds) or [math.nan]
    return ordered[int(len(ordered) * share)] * 1000


async def _client(port: int, due: asyncio.Queue[tuple[float, bytes] | None], seen: _Seen) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (job := await due.get()) is not None:
        moment, request = job
        seen.queued.append(monotonic() - moment)
        writer.write(request)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                status = await _answer(reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            seen.broken += 1
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        seen.latencies.append(monotonic() - moment)
        seen.refused += status >= 400
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
    await reader.readexactly(length)
    return int(head[9:12])
