"""Benchmark `intents`: a shopper's post with everything on, beside an echo, the bare statement, the naive design."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.request import Request, urlopen

from restock.channels.values import ChannelName, PushKeys
from restock.ids import address_hash
from restock.shops.values import Shop, ShopSettings, ShopState
from restock.subscriptions.service import SubscriptionService
from restock.subscriptions.values import ContactFacts, Provenance, Signup
from tests.benchmarks import bodies, load, sampling
from tests.benchmarks.pgbench import CLIENTS, Script, run_pgbench
from tests.benchmarks.recorded import RecordingDatabase
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sampling import Contestant, Effort, Sample, Score
from tests.benchmarks.stage import NAIVE, OURS, Server, Stage

PATH, NAIVE_PATH = "/api/v1/intents.json", "/intents"
RESTOCK, ECHO, STATEMENT, PLAIN = "restock", "Flask JSON echo", "pgbench, same statement", "naive ORM route"
ECHO_BY_WSGI = "Flask JSON echo, WSGI"
ONE_VARIANT = "restock, all on one variant"
_CROWD_SECONDS = 4  # at the most; twice a sample where samples are short
_AT_ONCE = 8


@dataclass(frozen=True)
class _Run:
    """One run of this benchmark."""

    stage: Stage
    numbers: load.Numbers
    ours: Server
    naive: Server
    echo: Server
    echo_by_wsgi: Server

    def contestant(self, name: str, server: Server, requests: Iterable[bytes]) -> Contestant:
        cycle = load.write_cycle(self.stage.folder / f"{name}.cycle", list(requests))
        return Contestant(
            name,
            lambda seconds: load.full_load(server.port, cycle, self.numbers.take(), seconds),
            self.stage.postgres.process.pid,
            server.process.pid,
        )


def run(stage: Stage, effort: Effort, say: Callable[[str], None]) -> Report:
    """Run it: rounds in turns, then half load, then the crowd."""
    shop_id = stage.add_shop(bodies.SHOP)
    stage.know_sold_out(shop_id, bodies.SOLD_OUT)
    ours = stage.serve_restock()
    naive = stage.serve("tests.benchmarks.served:create_naive", NAIVE)
    echo = stage.serve("tests.benchmarks.served:create_baselines", "none")
    by_wsgi = stage.serve("tests.benchmarks.baselines:create_baselines", "none", by_wsgi=True)
    this = _Run(stage, load.Numbers(), ours, naive, echo, by_wsgi)
    our_ids, naive_ids = _known(ours.port, PATH), _known(naive.port, NAIVE_PATH)
    scores = sampling.take_turns(_contestants(this, shop_id, our_ids, naive_ids), effort, say)
    say("half load")
    half = _half_load(this, our_ids, scores[RESTOCK].rate / 2, effort)
    say("the crowd")
    seconds = min(_CROWD_SECONDS, 2 * effort.seconds)
    crowd, naive_crowd = _crowd(this, ours, PATH, seconds), _crowd(this, naive, NAIVE_PATH, seconds)
    goals = [*_goals(scores), *_race_goals(stage, crowd), Goal("p99 at half load, ms", half.p99_ms, 15, at_most=True)]
    remarks = (
        f"half load: {half.rate:,.0f} posts/s at random moments: p50 {half.p50_ms:.1f} ms, p99 {half.p99_ms:.1f} ms",
        half.clients_own,
        f"the crowd: {crowd.requests:,} posts on {bodies.CROWD} shoppers at once",
        f"the naive route failed {naive_crowd.refused + naive_crowd.broken:,} of {naive_crowd.requests:,} such posts",
    )
    baselines = {ECHO: "echo", STATEMENT: "pgbench", PLAIN: "naive"}
    return Report("Intents: POST /api/v1/intents.json", scores, baselines, goals, remarks)


def _contestants(this: _Run, shop_id: int, our_ids: list[str], naive_ids: list[str]) -> list[Contestant]:
    stage, postgres = this.stage, this.stage.postgres
    scripts = _scripts(shop_id)
    return [
        this.contestant(RESTOCK, this.ours, bodies.intent_mix(PATH, our_ids)),
        this.contestant(ECHO, this.echo, bodies.intent_mix("/echo", our_ids)),
        this.contestant(ECHO_BY_WSGI, this.echo_by_wsgi, bodies.intent_mix("/echo", our_ids)),
        Contestant(
            STATEMENT,
            lambda seconds: run_pgbench(postgres, OURS, scripts, stage.folder, seconds=seconds, clients=CLIENTS),
            postgres.process.pid,
        ),
        this.contestant(PLAIN, this.naive, bodies.intent_mix(NAIVE_PATH, naive_ids)),
        this.contestant(ONE_VARIANT, this.ours, bodies.intent_mix(PATH, our_ids, variants=1)),
    ]


def _known(port: int, path: str) -> list[str]:
    """Post the known shoppers, a few at a time, and keep the ids they are given."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(partial(_post_one, port, path), bodies.known_shoppers()))


def _post_one(port: int, path: str, body: bodies.Post) -> str:
    headers = {"Content-Type": "application/json", "X-Shopify-Shop-Domain": bodies.SHOP}
    with urlopen(Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers), timeout=60) as answer:
        return str(json.load(answer)["customer"]["id"])


def _half_load(this: _Run, our_ids: list[str], rate: float, effort: Effort) -> Sample:
    requests = list(bodies.intent_mix(PATH, our_ids))
    steady = Contestant(
        "half load",
        lambda seconds: load.steady_load(this.ours.port, requests, this.numbers.take(), seconds, rate),
        this.stage.postgres.process.pid,
        this.ours.process.pid,
    )
    return sampling.sample_once(steady, effort)


def _crowd(this: _Run, server: Server, path: str, seconds: float) -> load.Outcome:
    ids = [_post_one(server.port, path, bodies.shopper(f"crowd-{place}", 999)) for place in range(bodies.CROWD)]
    cycle = load.write_cycle(this.stage.folder / "crowd.cycle", list(bodies.crowd(path, ids)))
    return load.full_load(server.port, cycle, this.numbers.take(), seconds)


def _goals(scores: dict[str, Score]) -> list[Goal]:
    ours = scores[RESTOCK].rate
    echo = max((ECHO, ECHO_BY_WSGI), key=lambda name: scores[name].rate)
    limits = ((echo, 0.5), (STATEMENT, 0.4), (PLAIN, 8.0))
    return [Goal(f"rate ÷ {name}", ours / scores[name].rate, limit) for name, limit in limits]


_DOUBLED = """
    SELECT (SELECT count(*) FROM (SELECT FROM contacts GROUP BY shop_id, address_hash HAVING count(*) > 1) AS twice)
         + (SELECT count(*) FROM (
                SELECT FROM subscriptions WHERE state IN ('pending', 'active')
                GROUP BY contact_id, variant_id, market_id HAVING count(*) > 1) AS twice)
         + (SELECT count(*) FROM (
                SELECT FROM intents WHERE closed_at IS NULL
                GROUP BY customer_id, variant_id, market_id, channel HAVING count(*) > 1) AS twice)
"""
_WITHOUT_SUPPORT = """
    SELECT count(*) FROM subscriptions WHERE state IN ('pending', 'active')
      AND NOT EXISTS (SELECT FROM intents WHERE subscription_id = subscriptions.id AND closed_at IS NULL)
"""
_CROWD_CONTACTS = "SELECT count(*) FROM contacts WHERE address LIKE 'shopper-crowd-%'"


def _race_goals(stage: Stage, crowd: load.Outcome) -> list[Goal]:
    """What must hold after the crowd, asked of the tables."""
    with stage.connect(OURS) as connection:
        doubled, unsupported, contacts = (
            float(str(connection.execute(query).fetchone()[0]))  # type: ignore[index]
            for query in (_DOUBLED, _WITHOUT_SUPPORT, _CROWD_CONTACTS)
        )
    return [
        Goal("crowd: answers of 400 and above", crowd.refused + crowd.broken, 0, at_most=True),
        Goal("crowd: contacts beyond one an address", contacts - bodies.CROWD, 0, at_most=True),
        Goal("crowd: doubled rows", doubled, 0, at_most=True),
        Goal("crowd: waiting rows no intent supports", unsupported, 0, at_most=True),
    ]


def _scripts(shop_id: int) -> list[Script]:
    """Write the mix of `bodies.intent_mix` for pgbench: what the service sends for each kind of post."""
    person = _Person(shop_id)
    return [
        person.script("email", weight=5),
        person.script("sms", weight=1),
        person.script("push", weight=1),
        person.script("email", weight=1, customer_id=uuid.uuid4()),
    ]


def _spellings(customer_id: uuid.UUID | None) -> tuple[str, ...]:
    return () if customer_id is None else (str(customer_id), customer_id.hex)


@dataclass(frozen=True)
class _Person:
    """One made-up shopper, of whom pgbench makes as many as it likes."""

    shop_id: int

    def script(self, channel: str, weight: int, customer_id: uuid.UUID | None = None) -> Script:
        contact = self._contact(ChannelName(channel))
        shop = Shop(self.shop_id, bodies.SHOP, ShopState.installed, "Bench", "en", None, ShopSettings())
        signup = Signup(
            variant_id=40_000_000_000_001,
            product_id=7_000_000_000_000,
            market_id=0,
            quantity=1,
            source="theme",
            contact=contact,
            customer_id=customer_id,
            accepts_marketing=False,
            locale="en",
            product={"title": "Shirt", "variant_title": "Green / M", "variant_count": 4, "vendor": "Bench"},
        )
        database = RecordingDatabase()
        service = SubscriptionService(database)  # type: ignore[arg-type]
        provenance = Provenance(ip_hash=b"\x01" * 32, user_agent="Mozilla/5.0", page_url=None)
        statement = database.catch(lambda: service.register(shop, signup, provenance))
        new = "m" if customer_id is None else "n"
        address = contact.address.replace("12345", f"' || :{new} || '")
        fresh = {
            contact.address: f"('{address}')",
            "\\x" + contact.address_hash.hex(): f"sha256(:{new}::text::bytea)",
            **dict.fromkeys(_spellings(customer_id), f"lpad(:{new}::text, 32, '0')"),
            str(signup.variant_id): f":variant{new}",
        }
        remembers = channel == "email" and customer_id is None
        return Script(statement, weight, fresh, {"variant": "40000000000000 + :m % 64"}, remembers)

    def _contact(self, channel: ChannelName) -> ContactFacts:
        addresses = {"email": "shopper-12345@example.com", "sms": "+91912345", "push": "https://fcm.example/12345"}
        address = addresses[channel.value]
        keys = PushKeys(bodies.P256DH, bodies.AUTH) if channel is ChannelName.push else None
        return ContactFacts(channel, address, address_hash(channel.value, address), keys)
