"""What the state machine of deliveries stands on: a provider that remembers, workers that stop, a log of every arrow.

A worker runs the real drain (or the real resolver) in a thread of its own, but only ever while the test waits for it:
it stops where a machine may stand still or die, and goes on, or does not, when it is told. So every interleaving can be
told again.
"""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from typing import Any, LiteralString, NamedTuple, ParamSpec, TypeVar

from psycopg.rows import namedtuple_row
from sqlalchemy import text

from restock.batches.pipeline import Flight
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict
from restock.database import Database
from restock.deliveries.service.claiming import Claiming
from restock.deliveries.service.recording import Recording
from restock.deliveries.values import Batch

P = ParamSpec("P")
T = TypeVar("T")

# What a provider may do with one message: does it take it, and what does it say?
REACTIONS: dict[str, tuple[bool, Callable[[int, str], Outcome]]] = {
    "accepts": (True, lambda n, mid: Outcome(n, Verdict.accepted, provider_message_id=mid)),
    "accepts, and its answer is lost": (True, lambda n, _: Outcome(n, Verdict.unanswered, "timeout")),
    "is lost on the way": (False, lambda n, _: Outcome(n, Verdict.unanswered, "timeout")),
    "refuses": (False, lambda n, _: Outcome(n, Verdict.refused, "too_large")),
    "knows no such address": (False, lambda n, _: Outcome(n, Verdict.refused, "gone", Blame.address)),
    "is busy": (False, lambda n, _: Outcome(n, Verdict.deferred, "busy")),
    "is down": (False, lambda n, _: Outcome(n, Verdict.deferred, "refused_connection", Blame.provider)),
    "was not reached": (False, lambda n, _: Outcome(n, Verdict.deferred, "batch_time_over")),
}


class Killed(BaseException):
    """A worker dies here; nothing of it happens any more."""


class Handover(NamedTuple):
    """One message a provider has taken."""

    delivery_id: int
    identity: str
    message_id: str


@dataclass
class Provider:
    """Takes messages as it is told to; accepts when it is told nothing. `knows`: it can say what it has taken."""

    name: ChannelName
    doubt: Doubt
    knows: bool
    plan: list[str] = field(default_factory=list)
    taken: list[Handover] = field(default_factory=list)
    before: Callable[[Envelope], None] = lambda _: None

    def take(self, envelope: Envelope) -> Outcome:
        self.before(envelope)
        takes, answer = REACTIONS[self.plan.pop(0) if self.plan else "accepts"]
        message_id = f"m{len(self.taken)}"
        if takes:
            self.taken.append(Handover(envelope.delivery_id, envelope.identity, message_id))
        return answer(envelope.delivery_id, message_id)

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        yield from map(self.take, envelopes)

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:
        known = {one.delivery_id for one in self.taken}
        return {one.delivery_id: one.delivery_id in known for one in envelopes} if self.knows else {}

    def close(self) -> None: ...


class Worker:
    """One process, and what it does. `at`: where it stands still; None: it has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.at: str | None = "its beginning"
        self.killed = False
        self.tokens: set[uuid.UUID] = set()
        self.seen_doubts: dict[int, int] = {}
        self.lease_over = False
        self._error: BaseException | None = None
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)

    def start(self, work: Callable[[], object]) -> None:
        threading.Thread(target=self._run, args=(work,), daemon=True).start()
        self.step()

    def step(self) -> None:
        """Go on to the next place to stand still at; raises what the work raised."""
        self._go.release()
        assert self._stopped.acquire(timeout=30), f"{self.name} hangs behind {self.at}"
        if self._error is not None and not isinstance(self._error, Killed):
            raise self._error

    def kill(self) -> None:
        self.killed = True
        if self.at is not None:
            self.step()

    def stand_still(self, at: str) -> None:
        """Called by the work itself."""
        self.at = at
        self._stopped.release()
        self._go.acquire()
        self.live()

    def live(self) -> None:
        if self.killed:
            raise Killed

    def _run(self, work: Callable[[], object]) -> None:
        self._go.acquire()
        try:
            self.live()
            work()
        except BaseException as error:  # noqa: BLE001 (the test raises it)
            self._error = error
        self.at = None
        self._stopped.release()


@dataclass
class StandingChannel:
    """A worker's way to a provider: the message is taken at once, and the worker may stand still before it hears so."""

    provider: Provider
    worker: Worker

    @property
    def name(self) -> ChannelName:
        return self.provider.name

    @property
    def doubt(self) -> Doubt:
        return self.provider.doubt

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        for envelope in envelopes:
            outcome = self.provider.take(envelope)
            self.worker.stand_still("an answer")
            yield outcome
        self.worker.stand_still("the end of a batch")

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:
        known = self.provider.lookup(envelopes)
        self.worker.stand_still("a look-up")
        return known

    def close(self) -> None: ...


@dataclass
class StandingStream(StandingChannel):
    """The same, which has two messages in hand and draws the next before it hears of the first."""

    in_hand: int = 2
    batch_seconds: float = 14.0  # of a lease of 30

    def stream(self, envelopes: Iterator[Envelope], count: int) -> Iterator[Outcome]:
        answers: deque[Outcome] = deque()
        for envelope in envelopes:
            answers.append(self.provider.take(envelope))
            self.worker.stand_still("an answer")
            if len(answers) == self.in_hand:
                yield answers.popleft()
        yield from answers
        self.worker.stand_still("the end of a batch")


class LateDesk:
    """What is given to it is done when it cannot be put off: before the next thing, or when it is waited for."""

    def __init__(self) -> None:
        self._last: _Late[Any] | None = None

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.catch_up()
        self._last = late = _Late(lambda: work(*args, **kwargs))
        return late

    def catch_up(self) -> None:
        if self._last is not None:
            self._last.catch_up()


class _Late(Future[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__()
        self._work: Callable[[], T] | None = work

    def catch_up(self) -> None:
        work, self._work = self._work, None
        if work is None:
            return
        try:
            self.set_result(work())
        except Exception as error:  # noqa: BLE001 (told to who asks; a worker that is killed tells nobody)
            self.set_exception(error)

    def result(self, timeout: float | None = None) -> T:
        self.catch_up()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self.catch_up()
        return super().exception(timeout)


@dataclass(frozen=True)
class StandingClaiming(Claiming):
    """The real claim; its worker may stand still behind it."""

    worker: Worker = field(default_factory=lambda: Worker("nobody"))

    def claim(self, channel: ChannelName, limit: int, lease_seconds: float, *, own: bool = False) -> Batch | None:
        batch = super().claim(channel, limit, lease_seconds, own=own)
        if batch is not None and batch.envelopes:
            self.worker.tokens.add(batch.token)
            self.worker.stand_still("a claim")
        return batch


@dataclass(frozen=True)
class MortalRecording(Recording):
    """The real record; a worker that was killed records nothing."""

    worker: Worker = field(default_factory=lambda: Worker("nobody"))

    def record(self, *given: Any) -> None:
        self.worker.live()
        super().record(*given)

    def launch(self, group: Sequence[tuple[Batch, Sequence[Outcome]]]) -> Flight | None:
        self.worker.live()
        flight = super().launch(group)
        if flight is not None:
            flight.rows()  # so that it is known who was at work when the database saw it
        return flight


def of(part: Any, kind: type[Any], worker: Worker) -> Any:
    """Make a worker's own kind of a part of the service."""
    return kind(**{one.name: getattr(part, one.name) for one in fields(part)}, worker=worker)


class Arrow(NamedTuple):
    """One change of one delivery, as the database saw it. `was` None: it is new."""

    id: int
    was: str | None
    now: str
    was_token: uuid.UUID | None
    token: uuid.UUID | None
    lease_was_over: bool | None
    was_due: bool | None
    was_finished: bool | None
    was_doubts: int | None


# In a schema of its own, so that nobody who looks at the tables finds more than there are.
_LOG = """
    CREATE SCHEMA watched;
    CREATE TABLE watched.arrows (n bigserial, id bigint, was text, now text, was_token uuid, token uuid,
        lease_was_over bool, was_due bool, was_finished bool, was_doubts int);
    CREATE FUNCTION watched.log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO watched.arrows (id, was, now, was_token, token, lease_was_over, was_due, was_finished, was_doubts)
        VALUES (NEW.id, OLD.state, NEW.state, OLD.token, NEW.token, OLD.lease_until <= now(), OLD.next_at <= now(),
            OLD.finished_at IS NOT NULL, OLD.doubts);
        RETURN NULL;
    END $$;
    CREATE TRIGGER watched AFTER INSERT OR UPDATE ON deliveries FOR EACH ROW EXECUTE FUNCTION watched.log()
"""


class ArrowLog:
    """Every arrow every delivery has gone since this was last asked."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.connection = database.hot()  # this thread's: whoever else uses it does so while this thread waits

    def begin(self) -> None:
        self.end()
        self._run(_LOG)

    def end(self) -> None:
        self._run("DROP SCHEMA IF EXISTS watched CASCADE")

    def take(self) -> list[Arrow]:
        found = self.connection.execute("DELETE FROM watched.arrows RETURNING *").fetchall()
        return [Arrow(*row[1:]) for row in sorted(found, key=lambda row: int(row[0]))]

    def look(self, query: LiteralString) -> list[Any]:
        """Read rows as the database has them now."""
        with self.connection.cursor(row_factory=namedtuple_row) as cursor:
            return list(cursor.execute(query).fetchall())

    def _run(self, statements: LiteralString) -> None:
        with self.database.listen_connection() as connection:
            connection.execute(statements)


@dataclass
class Hours:
    """A clock that goes on when it is told to: the workers' own and, by moving every date, the database's."""

    database: Database
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds

    def go_on(self, seconds: float) -> None:
        self.seconds += seconds
        moved: dict[str, list[str]] = defaultdict(list)
        for table, column in _DATES:
            moved[table].append(f"{column} = {column} - make_interval(secs => {seconds})")
        with self.database.transaction() as session:
            for table, changes in moved.items():
                session.execute(text(f"UPDATE {table} SET {', '.join(changes)}"))


_DATES = [
    ("deliveries", "claimed_at"),
    ("deliveries", "next_at"),
    ("deliveries", "lease_until"),
    ("delivery_lanes", "next_at"),
    ("offers", "accepted_at"),
    ("offers", "ends_at"),
    ("offers", "kept_until"),
    ("provider_states", "closed_at"),
    ("provider_states", "next_probe_at"),
    ("purchases", "close_at"),
    ("restock_events", "closed_at"),
    ("restock_events", "look_at"),
    ("restock_events", "plan_at"),
    ("restock_events", "rest_until"),
    ("restock_events", "settle_at"),
    ("stock_checks", "due_at"),
]
