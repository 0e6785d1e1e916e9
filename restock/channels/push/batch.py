"""One batch on its way: a line for each push service, served in turn, so that one that is slow holds up no other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from restock.channels.port import HELD_BACK, ChannelError
from restock.channels.push.http.connection import Failure, Result
from restock.channels.push.http.engine import Engine
from restock.channels.push.http.sites import Origin
from restock.channels.push.replies import no_answer, outcome_of
from restock.channels.push.sealing import Sealer
from restock.channels.values import Blame, Envelope, Outcome, Verdict

# Requests of one service before another's, and before answers are looked at. Encrypting many and then sending them
# costs less than taking turns: neither finds its part of the processor's caches used by the other.
_AT_A_TIME = 32
_HOPELESS = 10  # failures in a row, and nothing accepted
_NOT_REACHED = "batch_time_over"
_PROOF_SECONDS = 15 * 60
_BUSY_SECONDS = 1.0  # for a service that asks for patience and does not say how long


@dataclass
class Services:
    """What is remembered of push services from batch to batch: who has accepted us, who asked for patience."""

    timer: Callable[[], float] = time.monotonic
    clock: Callable[[], float] = time.time
    _proven: dict[str, tuple[str, float]] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)

    def is_proven(self, service: str, signature: str) -> bool:
        """Say whether this very signature was accepted lately: what is wrong now is not the signature."""
        proof = self._proven.get(service)
        return proof is not None and proof[0] == signature and self.timer() - proof[1] < _PROOF_SECONDS

    def prove(self, service: str, signature: str) -> None:
        """Remember that a service has accepted a signature."""
        self._proven[service] = (signature, self.timer())

    def slow_down(self, service: str, seconds: float) -> None:
        """Leave a service alone for a while."""
        self._until[service] = max(self._until.get(service, 0.0), self.timer() + seconds)

    def held_seconds(self, service: str) -> float:
        """Say for how much longer a service wants to be left alone."""
        return max(0.0, self._until[service] - self.timer()) if service in self._until else 0.0


@dataclass
class _Line:
    """Those of one service, first come, first served."""

    origin: Origin
    service: str
    signature: str
    head: bytes
    waiting: deque[tuple[Envelope, str]] = field(default_factory=deque)
    failure_count: int = 0


class Batch:
    """Send envelopes; `add` them all, then `run` it once."""

    def __init__(self, engine: Engine, sealer: Sealer, services: Services, deadline: float) -> None:
        self._engine = engine
        self._sealer = sealer
        self._services = services
        self._deadline = deadline
        self._lines: dict[Origin, _Line] = {}
        self._under_way: dict[int, _Line] = {}

    def add(self, origin: Origin, path: str, envelope: Envelope) -> None:
        """Put one into the line of its service."""
        line = self._lines.get(origin)
        if line is None:
            signature = self._sealer.signature(origin)
            head = self._sealer.head(origin, signature)
            line = self._lines[origin] = _Line(origin, origin.authority, signature, head)
        line.waiting.append((envelope, path))

    def run(self) -> Iterator[Outcome]:
        """Send all, and yield what becomes of each as soon as it is known."""
        open_lines = list(self._lines.values())
        while open_lines or self._under_way:
            has_started = False
            for line in open_lines:
                before = len(line.waiting)
                yield from self._serve(line)
                has_started = has_started or len(line.waiting) < before
            open_lines = [line for line in open_lines if line.waiting]
            for key, result in self._engine.poll(0.0 if has_started else 1.0):
                yield self._judge(key, result)

    def _serve(self, line: _Line) -> Iterator[Outcome]:
        """Start the next few of a line; yield of those that are not to be started why."""
        if (why := self._why_not_now(line)) is not None:
            reason, seconds = why
            while line.waiting:
                envelope, _ = line.waiting.popleft()
                yield Outcome(
                    envelope.delivery_id,
                    Verdict.deferred,
                    reason,
                    retry_after_seconds=seconds or None,
                    service=line.service,
                )
            return
        sealed: list[tuple[int, bytes]] = []
        for _ in range(min(_AT_A_TIME, len(line.waiting), self._engine.room(line.origin))):
            envelope, path = line.waiting.popleft()
            try:
                sealed.append((envelope.delivery_id, self._sealer.seal(path, line.head, envelope)))
            except ChannelError as error:
                yield error.outcome(envelope.delivery_id)
        for delivery_id, data in sealed:
            self._under_way[delivery_id] = line
            self._engine.start(line.origin, delivery_id, data)

    def _why_not_now(self, line: _Line) -> tuple[str, float] | None:
        if (seconds := self._services.held_seconds(line.service)) > 0:
            return HELD_BACK, seconds
        if self._services.timer() > self._deadline or line.failure_count >= _HOPELESS:
            return _NOT_REACHED, 0.0
        return None

    def _judge(self, delivery_id: int, result: Result) -> Outcome:
        line = self._under_way.pop(delivery_id)
        if isinstance(result, Failure):
            line.failure_count += 1
            return no_answer(delivery_id, result, line.service)
        outcome = outcome_of(
            delivery_id,
            result.status,
            result.retry_after,
            proven=self._services.is_proven(line.service, line.signature),
            now=self._services.clock(),
            service=line.service,
            body=result.body,
        )
        self._learn(line, outcome)
        return outcome

    def _learn(self, line: _Line, outcome: Outcome) -> None:
        if outcome.verdict is Verdict.accepted:
            line.failure_count = 0
            self._services.prove(line.service, line.signature)
        elif outcome.reason == "rate_limited":
            self._services.slow_down(line.service, outcome.retry_after_seconds or _BUSY_SECONDS)
        elif outcome.verdict is Verdict.deferred or outcome.blame is Blame.provider:
            line.failure_count += 1
