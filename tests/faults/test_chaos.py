"""A minute of faults in seeded order, on every channel: nobody is forgotten, nobody is told twice.

`restock bench faults` is the same for longer; `--seed N` repeats a run.
"""

from __future__ import annotations

from pathlib import Path

from tests.faults.chaos import Chaos, Plan
from tests.faults.instance import Instance
from tests.faults.town import Town

SEED = 20_261_101
A_MINUTE = Plan(seed=SEED, deliveries=600, faults=30, seconds=25, round_size=40)


def test_a_minute_of_chaos_loses_nobody_and_tells_nobody_twice(tmp_path: Path) -> None:
    """kill -9 of every process, FLUSHALL, Valkey and PostgreSQL restarted, providers silent, breaking and failing."""
    instance = Instance(tmp_path, lease_seconds=3.0, wrong_clocks=True)
    town = Town(instance)
    chaos = Chaos(A_MINUTE, town)
    try:
        judgement = chaos.run()
        replay = f"restock bench faults --seed {SEED} --deliveries {A_MINUTE.deliveries} --faults {A_MINUTE.faults}"
        assert judgement.faults() == [], f"{dict(chaos.done)}\nagain: {replay}\n{judgement}\n{instance.log()}"
        assert sum(chaos.done.values()) == A_MINUTE.faults
        assert judgement.due >= A_MINUTE.deliveries
    finally:
        town.close()
        instance.close()
