"""The model of a shop: a shelf, a queue, people with their messages, and one policy. A seeded story, event by event.

Must decide nothing by chance (that is in the world) and nothing by policy (that is in the run).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.benchmarks.policies.people import DAY, Person, World
from tests.benchmarks.policies.sharing import Place, Policy, Run, Told


@dataclass(slots=True)
class Books:
    """What is written down of a story. `lost_units`: unsold after 24 h though willing people would have bought them."""

    arrived_units: int = 0
    bought_units: int = 0  # by people who waited
    outside_units: int = 0
    shelf_units: int = 0
    messages: int = 0
    told: set[int] = field(default_factory=set)
    disappointed: set[int] = field(default_factory=set)  # were told, came, wanted it, and could not buy it
    served: set[int] = field(default_factory=set)
    inversions: int = 0
    lost_units: int = 0
    first_seconds: list[float] = field(default_factory=list)  # from each restock to its first message


class Shop:
    """One story. `tell` it once; its books are complete then, or as far as it was told."""

    def __init__(self, world: World, policy: Policy) -> None:
        self.world, self.policy, self.books = world, policy, Books()
        self._run: Run = policy.begin()
        self._people = {person.id: person for person in world.people}
        self._queue: dict[int, Place] = {}
        self._places: dict[int, Place] = {}  # the last place of each, to come back to
        self._messages: dict[int, int] = {}
        self._gone: set[int] = set()  # do not want it any more
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = count()
        self._next_look: float | None = None
        self._unannounced: float | None = None  # the restock nobody has been told of yet
        self._write_agenda()

    def tell(self) -> Books:
        """Let the whole story happen."""
        return self.tell_until(self.world.scenario.ends_at)

    def tell_until(self, end: float) -> Books:
        """Let happen what happens up to a moment."""
        while self._agenda and self._agenda[0][0] <= end:
            now, _, happen = heapq.heappop(self._agenda)
            happen(now)
        return self.books

    def _write_agenda(self) -> None:
        for person in self.world.people:
            self._at(person.joined_at, lambda now, who=person: self._join(now, who))  # type: ignore[misc]
        for restock in self.world.scenario.restocks:
            self._at(restock.at, lambda now, units=restock.units: self._restock(now, units))  # type: ignore[misc]
            self._at(restock.at + DAY, self._count_lost)
        for moment in self.world.outside:
            self._at(moment, self._buy_unasked)

    def _at(self, moment: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._agenda, (moment, next(self._numbers), happen))

    def _join(self, now: float, person: Person) -> None:
        self._queue[person.id] = self._places[person.id] = Place(now, person)
        if self.books.shelf_units:
            self._look_soon(now)

    def _restock(self, now: float, units: int) -> None:
        self.books.arrived_units += units
        self.books.shelf_units += units
        self._unannounced = now if self._queue else None
        self._at(now + self.policy.settle_minutes, lambda then: self._look(then, is_restock=True))

    def _look_soon(self, now: float) -> None:
        self._at(now + self.policy.settle_minutes, self._look)

    def _look(self, now: float, *, is_restock: bool = False) -> None:
        """Have the policy look, send what it says, and come back when it wants to."""
        queue = sorted(self._queue.values(), key=lambda place: (place.queued_at, place.person.id))
        look = self._run.look(now, self.books.shelf_units, queue, is_restock=is_restock)
        self._take_back()
        for told in look.told:
            self._queue.pop(told.person_id)
        self._count_inversions(look.told)
        for told in look.told:
            person = self._people[told.person_id]
            if told.leaves_at is None:
                self._send(now, person)
            else:
                self._at(told.leaves_at, lambda then, who=person: self._leave(then, who))  # type: ignore[misc]
        if look.next_at is not None and look.next_at != self._next_look:
            self._next_look = look.next_at
            self._at(look.next_at, self._look)

    def _leave(self, now: float, person: Person) -> None:
        """Send a message that waited for somebody to wake, if it is still true."""
        if self._run.may_leave(person.id, self.books.shelf_units):
            self._send(now, person)
        else:
            self._take_back()
            self._look_soon(now)

    def _send(self, now: float, person: Person) -> None:
        sent = self._messages.get(person.id, 0)
        self._messages[person.id] = sent + 1
        self.books.messages += 1
        self.books.told.add(person.id)
        if self._unannounced is not None:
            self.books.first_seconds.append((now - self._unannounced) * 60)
            self._unannounced = None
        self._at(self.world.opens_at(person, now, sent), lambda then: self._open(then, person))

    def _open(self, now: float, person: Person) -> None:
        if person.is_willing and person.id not in self.books.served:
            self._at(now + person.decides_minutes, lambda then: self._buy(then, person))
        elif person.declines and self._run.declined(person.id):
            self._take_back()
            self._look_soon(now)

    def _buy(self, now: float, person: Person) -> None:
        if person.id in self.books.served:
            return
        if person.quantity <= self.books.shelf_units:
            self.books.shelf_units -= person.quantity
            self.books.bought_units += person.quantity
            self.books.served.add(person.id)
            self._queue.pop(person.id, None)
            self._run.bought(person.id)
            self._look_soon(now)
        else:
            self._find_it_sold_out(now, person)

    def _find_it_sold_out(self, now: float, person: Person) -> None:
        self.books.disappointed.add(person.id)
        if not person.keeps_wanting:
            self._gone.add(person.id)
        elif person.asks_again and person.id not in self._queue:
            self._join(now, person)

    def _buy_unasked(self, now: float) -> None:
        if self.books.shelf_units:
            self.books.shelf_units -= 1
            self.books.outside_units += 1
            self._look_soon(now)

    def _take_back(self) -> None:
        """Let those in again whose place was kept."""
        for person_id in self._run.came_back():
            if person_id not in self.books.served:
                self._queue.setdefault(person_id, self._places[person_id])

    def _count_inversions(self, told: Sequence[Told]) -> None:
        """Count pairs: somebody told, and somebody who asked earlier, would fit just as well, and waits on."""
        back = self._run.stands_back()
        waiting = [place.person for place in self._queue.values() if place.person.id not in back]
        for one in told:
            room = self.books.shelf_units if one.room is None else min(one.room, self.books.shelf_units)
            joined = self._people[one.person_id].joined_at
            self.books.inversions += sum(p.joined_at < joined and p.quantity <= room for p in waiting)

    def _count_lost(self, now: float) -> None:
        """A day after a restock: how many units on the shelf would the willing who joined before have taken?"""
        wanted = [
            person.quantity
            for person in self.world.people
            if person.is_willing and person.joined_at <= now - DAY and person.id not in self.books.served | self._gone
        ]
        self.books.lost_units += _most_within(wanted, self.books.shelf_units)


def _most_within(quantities: Sequence[int], units: int) -> int:
    """Give the largest sum of some of the quantities that is at most `units`."""
    sums = 1
    for quantity in quantities:
        sums |= sums << quantity
    sums &= (1 << (units + 1)) - 1
    return sums.bit_length() - 1
