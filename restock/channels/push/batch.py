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
from restock.channels.push.replies import VAPID_REJECTED, no_answer, outcome_of, refused_alone, refused_last
from restock.channels.push.sealing import Sealer
from restock.channels.values import Blame, Envelope, Outcome, Recipient, Verdict

# Requests of one service before another's, and before answers are looked at. Encrypting many and then sending them
# costs less than taking turns: neither finds its part of the processor's caches used by the other.
_AT_A_TIME = 32
_HOPELESS = 10  # failures in a row, and nothing accepted
_NOT_REACHED = "batch_time_over"
_PROOF_SECONDS = 15 * 60
_FEW_REFUSED = 5  # signatures in a row: no longer a matter of single browsers
_MOST_REMEMBERED = 1000
_BUSY_SECONDS = 1.0  # for a service that asks for patience and does not say how long


@dataclass
class Services:
    """What is remembered of push services from batch to batch: who has accepted us, who asked for patience."""

    timer: Callable[[], float] = time.monotonic
    clock: Callable[[], float] = time.time
    _proven: dict[str, tuple[str, float]] = field(default_factory=dict)
    _refused: dict[str, set[int]] = field(default_factory=dict)  # browsers, since the last was accepted
    _before: dict[str, set[int]] = field(default_factory=dict)  # and before that
    _until: dict[str, float] = field(default_factory=dict)

    def is_proven(self, service: str, signature: str) -> bool:
        """Say whether this very signature was accepted lately, and hardly refused since: it may be well yet."""
        proof = self._proven.get(service)
        if proof is None or proof[0] != signature or len(self._refused.get(service, ())) >= _FEW_REFUSED:
            return False
        return self.timer() - proof[1] < _PROOF_SECONDS

    def prove(self, service: str, signature: str) -> None:
        """Remember that a service has accepted a signature."""
        self._proven[service] = (signature, self.timer())
        refused = self._refused.pop(service, set())
        if refused and len(refused) < _FEW_REFUSED:  # of more the service itself was the reason
            known = self._before.get(service, set())
            self._before[service] = refused | known if len(known) < _MOST_REMEMBERED else refused

    def disprove(self, service: str, browser: int) -> bool:
        """Remember that a service has refused our signature; a few in a row, from batch to batch, end the proof.

        True when it is this browser's alone: refused a second time, and others' were accepted meanwhile.
        """
        refused = self._refused.setdefault(service, set())
        stands_alone = not refused and browser in self._before.get(service, ())
        refused.add(browser)
        return stands_alone

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
    doubted: list[tuple[Outcome, bool]] = field(default_factory=list)  # refused signatures, and whether known as ours


class Batch:
    """Send envelopes; `add` them all, then `run` it once."""

    def __init__(self, engine: Engine, sealer: Sealer, services: Services, deadline: float) -> None:
        self._engine = engine
        self._sealer = sealer
        self._services = services
        self._deadline = deadline
        self._lines: dict[Origin, _Line] = {}
        self._under_way: dict[int, tuple[_Line, Envelope]] = {}

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
                yield from self._judge(key, result)
        for line in self._lines.values():
            yield from (refused_last(outcome) for outcome, _ in line.doubted)

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
        sealed: list[tuple[Envelope, bytes]] = []
        for _ in range(min(_AT_A_TIME, len(line.waiting), self._engine.room(line.origin))):
            envelope, path = line.waiting.popleft()
            try:
                sealed.append((envelope, self._sealer.seal(path, line.head, envelope)))
            except ChannelError as error:
                yield error.outcome(envelope.delivery_id)
        for envelope, data in sealed:
            self._under_way[envelope.delivery_id] = line, envelope
            self._engine.start(line.origin, envelope.delivery_id, data)

    def _why_not_now(self, line: _Line) -> tuple[str, float] | None:
        if (seconds := self._services.held_seconds(line.service)) > 0:
            return HELD_BACK, seconds
        if self._services.timer() > self._deadline or line.failure_count >= _HOPELESS:
            return _NOT_REACHED, 0.0
        return None

    def _judge(self, delivery_id: int, result: Result) -> Iterator[Outcome]:
        """Yield what is known now; a refused signature waits for what the service says to the next ones."""
        line, envelope = self._under_way.pop(delivery_id)
        if isinstance(result, Failure):
            line.failure_count += 1
            yield no_answer(delivery_id, result, line.service)
            return
        outcome = outcome_of(
            delivery_id,
            result.status,
            result.retry_after,
            now=self._services.clock(),
            service=line.service,
            body=result.body,
        )
        if outcome.reason == VAPID_REJECTED:
            yield from self._doubt(line, outcome, envelope.recipient)
            return
        self._learn(line, outcome)
        if outcome.verdict is Verdict.accepted:
            yield from (refused_alone(one, is_ours=ours) for one, ours in line.doubted)
            line.doubted.clear()
        yield outcome

    def _doubt(self, line: _Line, outcome: Outcome, browser: Recipient) -> Iterator[Outcome]:
        """Keep a refused signature until the next answer, and yield all that are kept when there are too many."""
        is_ours = browser.push_keys is not None and browser.push_keys.vapid is not None  # others' are never asked
        was_proven = self._services.is_proven(line.service, line.signature)
        if self._services.disprove(line.service, hash(browser.address)) and was_proven:
            yield refused_alone(outcome, is_ours=is_ours)
            return
        line.failure_count += 1
        line.doubted.append((outcome, is_ours))
        if not self._services.is_proven(line.service, line.signature):
            yield from (one for one, _ in line.doubted)
            line.doubted.clear()

    def _learn(self, line: _Line, outcome: Outcome) -> None:
        if outcome.verdict is Verdict.accepted:
            line.failure_count = 0
            self._services.prove(line.service, line.signature)
        elif outcome.reason == "rate_limited":
            self._services.slow_down(line.service, outcome.retry_after_seconds or _BUSY_SECONDS)
        elif outcome.verdict is Verdict.deferred or outcome.blame is Blame.provider:
            line.failure_count += 1
