"""`restock bench latency`: from a shop's signed webhook to the first message at the mail server, on a whole instance.

Small shops' restocks begin at random moments, one person each: first by themselves, then while another shop's fan-out
to a crowd is under way. Web server, workers, sweeper, Valkey, PostgreSQL and the mail server's connections are real.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import random
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles

from restock.local.lifeline import StartError, start_tied, stop
from restock.local.sockets import free_port
from tests.benchmarks.bodies import SECRET
from tests.benchmarks.machine import Meter, on_app_core, wait_for_calm
from tests.benchmarks.planning_peer import MailPeer, open_mail_peer
from tests.benchmarks.planning_town import SMALL_DOMAIN, SMALL_SHOPS, Town, open_town
from tests.benchmarks.report import Goal, machine_facts
from tests.benchmarks.stage import Stage, open_stage

PARTS = ("worker stock", "worker deliveries", "worker deliveries", "sweep")
WEB = "web"
_WARM_UP = 5  # the first of everything is slow, and is left out
_HEAD_START = 2.0  # seconds the fan-out goes on before the first small restock
_LONGEST_WAIT = 30.0
_CALM_CORES = 0.2
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Phase:
    """Small restocks of one phase. Seconds each took; `lost` never came. `crowd_*`: what the fan-out did meanwhile."""

    name: str
    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    own_p99: float | None = None  # what the instance says of itself
    crowd_count: int = 0
    crowd_seconds: float = 0.0
    crowd_left: int = 0
    foreign_cores: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    def share(self, percent: int) -> float:
        """Give the percentile; of too few, the worst."""
        ordered = sorted(self.seconds) or [float("nan")]
        return quantiles(ordered, n=100, method="inclusive")[percent - 1] if len(ordered) > 1 else ordered[0]

    def line(self) -> str:
        own = f"{self.own_p99:>13.2f}" if self.own_p99 is not None else f"{'–':>13}"
        figures = "".join(f"{value:>8.2f}" for value in (self.share(50), self.share(95), self.share(99)))
        worst = max(self.seconds, default=float("nan"))
        return (
            f"{self.name:<34}{len(self.seconds):>9}{self.lost:>6}{figures}{worst:>8.2f}{own}{self.foreign_cores:>9.2f}"
        )


_HEAD = (
    f"{'':<34}{'restocks':>9}{'lost':>6}{'p50 s':>8}{'p95 s':>8}{'p99 s':>8}{'worst s':>8}"
    f"{'/status p99':>13}{'foreign':>9}"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0 when every goal is met."""
    options = _parser().parse_args(argv)
    try:
        with open_stage() as stage:
            alone = _play(stage, "latency_alone", 0, options)
            beside = _play(stage, "latency_beside", options.n, options)
    except StartError as missing:
        print(missing, file=sys.stderr)
        return 1
    goals = _goals(alone, beside)
    rate = beside.crowd_count / beside.crowd_seconds if beside.crowd_seconds else 0.0
    remark = (
        f"  the fan-out: {beside.crowd_count:,} of {options.n:,} messages in the {beside.crowd_seconds:.0f} s of the"
        f" sample, {rate:,.0f}/s; {beside.crowd_left:,} were still to go at its end"
    )
    costs = ", ".join(
        f"{part} {1000 * spent / max(1, len(alone.seconds)):.0f}" for part, spent in alone.cpu_seconds.items()
    )
    remarks = [remark, f"  CPU of a restock under normal load, ms: {costs}"]
    print(
        "\n".join(["latency", "", _HEAD, alone.line(), beside.line(), "", *(goal.line() for goal in goals), *remarks])
    )
    print("\n  " + " · ".join(f"{fact} {value}" for fact, value in machine_facts().items()))
    if options.json is not None:
        result = {"machine": machine_facts(), "phases": [asdict(alone), asdict(beside)]}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if all(goal.met for goal in goals) else 1


def _goals(alone: Phase, beside: Phase) -> list[Goal]:
    return [
        Goal("webhook to first message, p99, s", alone.share(99), 1, at_most=True),
        Goal("the same while a crowd is told, p99, s", beside.share(99), 3, at_most=True),
        Goal("messages that never came", alone.lost + beside.lost, 0, at_most=True),
    ]


def _play(stage: Stage, name: str, crowd: int, options: argparse.Namespace) -> Phase:
    """Play one phase on a database and an instance of its own."""
    _say(f"{name}: filling the tables, starting the instance …")
    with ExitStack() as stack:
        town = stack.enter_context(open_town(stage, name, crowd))
        peer = stack.enter_context(open_mail_peer(SMALL_DOMAIN))
        port, pids = stack.enter_context(_instance(stage, name, peer))
        shoppers = _Restocks(town, peer, port)
        for _ in range(_WARM_UP):
            shoppers.begin()
            shoppers.wait()
        shoppers.forget()
        wait_for_calm(_CALM_CORES, options.patience)
        if crowd:
            town.tell(town.big_id, None)
            _await_first_of_crowd(peer)
            time.sleep(_HEAD_START)
        _say(f"{name}: {options.rate:g} restocks a second for {options.seconds:g} s …")
        meter = Meter(**pids, PostgreSQL=stage.postgres.process.pid)
        taken, began = peer.taken_count, time.monotonic()
        shoppers.keep_beginning(options.rate, options.seconds)
        told = peer.taken_count - taken - len(shoppers.finished())
        spent = time.monotonic() - began
        shoppers.wait()
        usage = meter.stop()
        title = f"while {crowd:,} people are told" if crowd else "normal load"
        return Phase(
            title,
            [at - shoppers.began[who] for who, at in shoppers.finished().items()],
            len(shoppers.began) - len(shoppers.finished()),
            shoppers.own_p99(),
            told if crowd else 0,
            spent if crowd else 0.0,
            max(0, crowd - peer.taken_count + len(shoppers.finished())) if crowd else 0,
            usage.foreign_cores,
            _by_part(usage.cpu),
        )


def _by_part(cpu: dict[str, float]) -> dict[str, float]:
    """Add up what processes of one kind used."""
    found: dict[str, float] = {}
    for name, seconds in cpu.items():
        part = name.rstrip(" 0123456789")
        found[part] = found.get(part, 0.0) + seconds
    return found


def _await_first_of_crowd(peer: MailPeer) -> None:
    before, deadline = peer.taken_count, time.monotonic() + _LONGEST_WAIT
    while peer.taken_count == before:
        if time.monotonic() > deadline:
            raise StartError("nobody of the crowd was told")
        time.sleep(0.05)


@dataclass
class _Restocks:
    """Restocks of small shops: when each webhook was posted, and when its message came. One clock for both."""

    town: Town
    peer: MailPeer
    port: int
    began: dict[str, float] = field(default_factory=dict)
    _place: int = 0

    def begin(self) -> None:
        """Post the webhook of the next shop that has not had its restock."""
        number, self._place = self._place + 1, self._place + 1
        who = f"ada-{self.town.small_ids[number - 1]}@{SMALL_DOMAIN}"
        body = {"inventory_item_id": 1, "location_id": 1, "available": 1, "updated_at": datetime.now(UTC).isoformat()}
        self.began[who] = time.monotonic()
        self._post(f"small-{number}.myshopify.com", json.dumps(body).encode())

    def keep_beginning(self, rate: float, seconds: float) -> None:
        """Begin `rate` restocks a second at random moments (Poisson), whether or not the earlier ones are over."""
        gaps, moment, end = random.Random(7), time.monotonic(), time.monotonic() + seconds
        with ThreadPoolExecutor(4) as posting:
            while (moment := moment + gaps.expovariate(rate)) < end and self._place + 4 < SMALL_SHOPS:
                time.sleep(max(0.0, moment - time.monotonic()))
                posting.submit(self.begin).result()

    def finished(self) -> dict[str, float]:
        """Give the moments of the messages that came."""
        return {who: self.peer.taken_at[who] for who in self.began if who in self.peer.taken_at}

    def wait(self) -> None:
        """Wait for the messages still to come."""
        deadline = time.monotonic() + _LONGEST_WAIT
        while len(self.finished()) < len(self.began) and time.monotonic() < deadline:
            time.sleep(0.02)

    def forget(self) -> None:
        """Leave out what was so far."""
        self.began.clear()

    def own_p99(self) -> float | None:
        """Ask the instance what it says of the last hour."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/status", headers={"Accept": "application/json"})
        told = json.loads(connection.getresponse().read())
        connection.close()
        p99: float | None = told["restock_to_first_sent_seconds"]["p99"]
        return p99

    def _post(self, shop: str, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": "inventory_levels/update",
            "X-Shopify-Shop-Domain": shop,
            "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode(),
            "X-Shopify-Webhook-Id": secrets.token_hex(16),
            "X-Shopify-Triggered-At": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "X-Shopify-API-Version": "2026-10",
        }
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/webhooks/shopify", body, headers)
        status = connection.getresponse().status
        connection.close()
        if status != 200:
            raise StartError(f"a webhook was answered with {status}")


@contextmanager
def _instance(stage: Stage, database: str, peer: MailPeer) -> Iterator[tuple[int, dict[str, int]]]:
    """Run every part of the program; give the web server's port, and the processes by what they do."""
    port = free_port()
    more = {"SMTP_URL": f"smtp://127.0.0.1:{peer.port}", "SETTLE_SECONDS": "0", "PORT": str(port), "WORKERS": "2"}
    pids: dict[str, int] = {}
    with ExitStack() as stack:
        for number, part in enumerate((*PARTS, WEB)):
            log = stack.enter_context((stage.folder / f"{database}-{number}.log").open("wb"))
            command = [sys.executable, "-m", "restock.cli", *part.split()]
            with on_app_core():
                process = start_tied(
                    command, last_signal=signal.SIGTERM, output=log, environment=stage.environment(database) | more
                )
            stack.callback(stop, process, signal.SIGTERM)
            pids[f"{part} {number}"] = process.pid
        _await_ready(port)
        yield port, pids


def _await_ready(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise StartError("the instance did not start")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="restock bench latency", description=__doc__)
    parser.add_argument("--n", type=int, default=100_000, help="people of the other shop's crowd (100000)")
    parser.add_argument("--rate", type=float, default=5.0, help="small restocks a second (5)")
    parser.add_argument("--seconds", type=float, default=25.0, help="length of each sample (25)")
    parser.add_argument("--patience", type=float, default=15.0, help="seconds to wait for a quiet machine (15)")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
