"""The words between a policy and the model of a shop. A policy sees queue and shelf, never what people will do."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from tests.benchmarks.policies.people import Person


@dataclass(frozen=True, slots=True)
class Place:
    """One person's place in the queue; the order is (`queued_at`, person's id)."""

    queued_at: float
    person: Person


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody is to be told. `room`: the units the policy still had to give just then; None: without limit.

    `leaves_at`: the person sleeps, and the message waits until then; None: it leaves now.
    """

    person_id: int
    room: int | None
    leaves_at: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What comes of one look at queue and shelf. `next_at` None: only when something changes."""

    told: tuple[Told, ...]
    next_at: float | None


class Run(Protocol):
    """One story under a policy."""

    def look(self, now: float, units: int, queue: Sequence[Place], *, is_restock: bool) -> Look:
        """Decide who is told now; `queue` is in its order."""
        ...

    def may_leave(self, person_id: int, units: int) -> bool:
        """Say whether a message that waited is still true."""
        ...

    def bought(self, person_id: int) -> None:
        """Hear that somebody has bought."""
        ...

    def declined(self, person_id: int) -> bool:
        """Take a "not now"; False: there is no such button, or the turn is over."""
        ...

    def came_back(self) -> Sequence[int]:
        """Hand over, once, who has the old place again."""
        ...

    def stands_back(self) -> Set[int]:
        """Name who let others go first by a "not now", and is not to be told at present."""
        ...


class Policy(Protocol):
    """A way to share restocks out. `settle_minutes`: from a change of stock to the look at it."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def settle_minutes(self) -> float: ...

    def begin(self) -> Run: ...
