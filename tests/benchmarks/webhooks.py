"""Benchmark `webhooks`: a signed webhook kept durably and once, beside the signature alone, the statement, and RQ."""

from __future__ import annotations

from collections.abc import Callable

from restock.inbox.service import InboxService
from restock.inbox.values import InboxMessage
from tests.benchmarks import bodies, load, sampling
from tests.benchmarks.pgbench import CLIENTS, Script, run_pgbench
from tests.benchmarks.recorded import RecordingDatabase
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sampling import Contestant, Effort, Score
from tests.benchmarks.stage import NAIVE, OURS, Server, Stage

PATH, NAIVE_PATH = "/webhooks/shopify", "/webhooks"
RESTOCK, SIGNATURE, STATEMENT, PLAIN = (
    "restock",
    "signature only",
    "pgbench, same statement",
    "naive: row + Queue.enqueue",
)
SIGNATURE_BY_WSGI = "signature only, WSGI"
_SAMPLE_ID = "11111111-2222-3333-4444-555555555555"


def run(stage: Stage, effort: Effort, say: Callable[[str], None]) -> Report:
    """Run it: rounds in turns, then half load."""
    stage.add_shop(bodies.SHOP)
    numbers = load.Numbers()
    ours = stage.serve_restock()
    naive = stage.serve("tests.benchmarks.served:create_naive", NAIVE)
    signature = stage.serve("tests.benchmarks.served:create_baselines", "none")
    by_wsgi = stage.serve("tests.benchmarks.baselines:create_baselines", "none", by_wsgi=True)
    script = _script()

    def contestant(name: str, server: Server, path: str) -> Contestant:
        cycle = load.write_cycle(stage.folder / f"{server.port}.cycle", list(bodies.webhook_mix(path)))
        return Contestant(
            name,
            lambda seconds: load.full_load(server.port, cycle, numbers.take(), seconds),
            stage.postgres.process.pid,
            server.process.pid,
        )

    statement = Contestant(
        STATEMENT,
        lambda seconds: run_pgbench(stage.postgres, OURS, [script], stage.folder, seconds=seconds, clients=CLIENTS),
        stage.postgres.process.pid,
    )
    contestants = [
        contestant(RESTOCK, ours, PATH),
        contestant(SIGNATURE, signature, "/hmac"),
        contestant(SIGNATURE_BY_WSGI, by_wsgi, "/hmac"),
        statement,
        contestant(PLAIN, naive, NAIVE_PATH),
    ]
    scores = sampling.take_turns(contestants, effort, say)
    say("half load")
    rate = scores[RESTOCK].rate / 2
    requests = list(bodies.webhook_mix(PATH))
    steady = Contestant(
        "half load",
        lambda seconds: load.steady_load(ours.port, requests, numbers.take(), seconds, rate),
        stage.postgres.process.pid,
        ours.process.pid,
    )
    half = sampling.sample_once(steady, effort)
    remarks = (
        f"half load: {half.rate:,.0f} webhooks/s at random moments: p50 {half.p50_ms:.1f} ms, p99 {half.p99_ms:.1f} ms",
        half.clients_own,
    )
    baselines = {SIGNATURE: "signature", STATEMENT: "pgbench", PLAIN: "naive"}
    goals = [*_goals(scores), Goal("p99 at half load, ms", half.p99_ms, 15, at_most=True)]
    return Report("Webhooks: POST /webhooks/shopify", scores, baselines, goals, remarks)


def _goals(scores: dict[str, Score]) -> list[Goal]:
    ours = scores[RESTOCK]
    refused = sum(sample.refused + sample.broken for sample in ours.samples)
    signature = max((SIGNATURE, SIGNATURE_BY_WSGI), key=lambda name: scores[name].rate)
    return [
        Goal(f"rate ÷ {signature}", ours.rate / scores[signature].rate, 0.5),
        Goal(f"rate ÷ {PLAIN}", ours.rate / scores[PLAIN].rate, 3.0),
        Goal("answers of 400 and above", refused, 0, at_most=True),
    ]


def _script() -> Script:
    """Catch what the service sends for one webhook; its id is made new each time."""
    message = InboxMessage(
        shop_domain=bodies.SHOP,
        webhook_id=_SAMPLE_ID,
        topic="inventory_levels/update",
        body=bodies.stock_level(1),
        event_id="event",
        api_version="2026-10",
    )
    database = RecordingDatabase()
    service = InboxService(database, 10.0)  # type: ignore[arg-type]
    return Script(database.catch(lambda: service.receive(message)), 1, {_SAMPLE_ID: ":m::text"})
