"""Seeded chaos: work goes on, faults come one after the other, and at the end the oracle judges.

The same seed chooses the same faults in the same order; when exactly each meets the work is the machine's doing.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from restock.channels.values import ChannelName
from restock.failpoints import VARIABLE
from tests.faults.instance import Instance, fake_clock
from tests.faults.oracle import Judgement, Oracle
from tests.faults.town import Town
from tests.faults.witnesses import MOODS

ROLES = ("web", "stock-1", "deliveries-1", "deliveries-2", "sweeper-1", "sweeper-2")
_MAY_DELIVER = ("deliveries-1", "deliveries-2", "sweeper-1", "sweeper-2")  # sweepers while Valkey is away
_KILLED = ("stock-1", "deliveries-1", "deliveries-2", "sweeper-1", "sweeper-2")
_ARMED = {
    "stock-1": ("effects.before_commit", "check.claimed", "event.opened", "plan.mid_expansion", "plan.after_commit"),
    "deliveries-1": ("claim.after_commit", "send.answered:7", "record.before_commit", "record.after_commit:2"),
    "deliveries-2": ("claim.before_commit", "send.answered:40", "record.before_commit:2"),
    "sweeper-1": ("lease.before_commit", "doubt.before_lookup", "doubt.after_lookup", "ring.after:3"),
    "sweeper-2": ("lease.after_commit", "doubt.before_commit", "sweep.step:9"),
}
_SHARES = ((ChannelName.email, 0.6), (ChannelName.push, 0.25), (ChannelName.sms, 0.15))


@dataclass(frozen=True)
class Plan:
    """How large a run is. `round_size` people join each round; rounds follow until `deliveries` are due."""

    seed: int
    deliveries: int
    faults: int
    seconds: float
    round_size: int = 100
    orders: bool = True

    @property
    def pause_seconds(self) -> float:
        return self.seconds / max(1, self.faults)


@dataclass
class Chaos:
    """One run."""

    plan: Plan
    town: Town
    rng: random.Random = field(init=False)
    done: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    lost: int = 0  # processes killed, or dead at a failpoint
    crashes: int = 0  # those of them that may have been delivering; of a database, all of them
    _sign_ups: list[Future[str | None]] = field(default_factory=list)
    _valkey_back_at: float = 0.0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.plan.seed)

    @property
    def instance(self) -> Instance:
        return self.town.instance

    def run(self) -> Judgement:
        """Let work and faults happen, then calm down, then judge."""
        instance, plan = self.instance, self.plan
        instance.keep(ROLES)
        instance.wait_for_web()
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            while not self._is_over(began):
                self._let_work_happen(pool, began)
                if sum(self.done.values()) < min(plan.faults, (time.monotonic() - began) / plan.pause_seconds):
                    self._fault()
                self._mend()
                time.sleep(0.05)
            self._calm_down()
            for sign_up in self._sign_ups:
                self._look_after_everything_until(sign_up.done)
        oracle = Oracle(self.town, self.crashes)
        return oracle.judge(meanwhile=self._keep)

    def _is_over(self, began: float) -> bool:
        enough = len(self.town.due) >= self.plan.deliveries and sum(self.done.values()) >= self.plan.faults
        return enough or time.monotonic() - began > self.plan.seconds * 1.5

    def _let_work_happen(self, pool: ThreadPoolExecutor, began: float) -> None:
        """Keep pace: as large a part of the people has joined as of the time has passed."""
        wanted = self.plan.deliveries * min(1.0, (time.monotonic() - began) / self.plan.seconds)
        if len(self.town.due) > wanted or len(self.town.due) >= self.plan.deliveries:
            return
        town, size = self.town, self.plan.round_size
        variant = town.new_variant()
        for channel, share in _SHARES:
            town.join(variant, channel, max(1, round(size * share)))
        if len(self._sign_ups) < 50:
            self._sign_ups.append(pool.submit(town.sign_up, variant))
        town.restock(variant, size * 2)
        if self.plan.orders and self.rng.random() < 0.3:
            town.buy_something()

    def _fault(self) -> None:
        kinds: Mapping[str, tuple[int, Callable[[], None]]] = {
            "kill -9 of a worker or sweeper": (6, self._kill),
            "kill -9 at a failpoint": (4, self._arm),
            "kill -9 of the web": (1, self._kill_web),
            "provider trouble": (6, self._trouble),
            "FLUSHALL": (2, self.instance.flush_valkey),
            "Valkey killed": (1, self._kill_valkey),
            "PostgreSQL immediate restart": (1, self._restart_postgres),
            "clock + 3 h on one worker": (1, self._shift_clock),
        }
        if self.instance.postgres is None:
            kinds = {name: kind for name, kind in kinds.items() if "PostgreSQL" not in name}
        if fake_clock() is None:
            kinds = {name: kind for name, kind in kinds.items() if "clock" not in name}
            self.skipped["clock + 3 h on one worker"] = "libfaketime is not installed"
        name = self.rng.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
        kinds[name][1]()
        self.done[name] += 1

    def _kill(self) -> None:
        self._crash(self.rng.choice(_KILLED))

    def _kill_web(self) -> None:
        self._crash("web")

    def _arm(self) -> None:
        """Put a process that will die at a failpoint in the place of another."""
        role = self.rng.choice(list(_ARMED))
        self._crash(role)
        self.instance.start(role, **{VARIABLE: self.rng.choice(_ARMED[role])})
        self._count([role])

    def _trouble(self) -> None:
        temper = self.rng.choice(list(self.instance.witnesses.tempers().values()))
        temper.take(self.rng.choice(MOODS), self.rng.uniform(0.5, 2.0), self.rng.choice((0.2, 1.0)))

    def _kill_valkey(self) -> None:
        self.instance.kill_valkey()
        self._valkey_back_at = time.monotonic() + self.rng.uniform(0.2, 2.0)

    def _restart_postgres(self) -> None:
        self.instance.restart_postgres()
        self.crashes += len(_MAY_DELIVER)

    def _shift_clock(self) -> None:
        self._crash("deliveries-2")
        self.instance.start_with_clock("deliveries-2", "+3h")
        self._count(["deliveries-2"])

    def _crash(self, role: str) -> None:
        if self.instance.roles[role].poll() is None:
            self.instance.kill(role)

    def _mend(self) -> None:
        """Bring back what faults have ended."""
        if self.instance.valkey is None and time.monotonic() > self._valkey_back_at:
            self.instance.start_valkey()
        self._keep()

    def _keep(self) -> None:
        self._count(self.instance.keep(ROLES))

    def _count(self, roles: Sequence[str]) -> None:
        self.lost += len(roles)
        self.crashes += sum(role in _MAY_DELIVER for role in roles)

    def _calm_down(self) -> None:
        self.instance.witnesses.calm_down()
        if self.instance.valkey is None:
            self.instance.start_valkey()
        for role in (*_ARMED, "deliveries-2"):
            self.instance.kill(role)
        self._keep()

    def _look_after_everything_until(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            self._mend()
            time.sleep(0.05)
