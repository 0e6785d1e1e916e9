"""Browser notifications: `webpush()` for each message, our channel, and what the cryptography alone costs.

`python -m tests.benchmarks.fanout.push` compares them without the pipeline, with replies at once and after 20 ms.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pywebpush import webpush

from restock.channels.push.channel import PushChannel
from restock.channels.push.subscription import encode_key
from restock.channels.push.vapid import VapidSigner, generate_private_key
from restock.channels.values import (
    Envelope,
    PushKeys,
    Recipient,
)
from restock.deliveries.service.sending import LARGEST_CLAIM
from restock.local.sockets import free_port
from tests.benchmarks.fanout.contestant import Limit, Peer, Told
from tests.benchmarks.fanout.http_peer import open_http_peer
from tests.benchmarks.fanout.messages import envelopes_for, sample, send_all
from tests.benchmarks.machine import APP_CORE
from tests.benchmarks.report import Goal
from tests.benchmarks.stage import Stage

CONTACT = "mailto:alerts@alerts.example"
CONNECTIONS = 128
OF_LIMIT = 0.4
TIMES_NAIVE = 6.0
_REPLY_MS = 20.0
_LONG = 4000
_PAYLOAD = b"x" * 340  # as long as what our channel says
_POINT = (
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
_KEYS = PushKeys(encode_key(_POINT), encode_key(os.urandom(16)))
_VAPID = generate_private_key()


@contextmanager
def open_service(reply_ms: float, port: int) -> Iterator[Peer]:
    """Run the stand-in on the second core until the block ends."""
    settings = {
        "VAPID_PRIVATE_KEY": _VAPID,
        "VAPID_SUBJECT": CONTACT,
        "PUSH_EXTRA_HOSTS": f"127.0.0.1:{port}",
    }
    with open_http_peer("tests.benchmarks.fanout.push_peer", port, reply_ms, settings) as peer:
        yield peer


def send_naively(delivery_id: int) -> None:
    """Load, write, encrypt, sign, connect, send, update, commit: one job for each person."""
    with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")) as connection:
        row = connection.execute(
            "SELECT c.address, c.push_keys FROM deliveries d JOIN contacts c ON c.id = d.contact_id WHERE d.id = %s",
            [delivery_id],
        ).fetchone()
        if row is None:
            return
        _webpush(row[0], row[1])
        connection.execute("UPDATE deliveries SET state = 'sent', sent_at = now() WHERE id = %s", [delivery_id])


def _webpush(endpoint: str, keys: Mapping[str, str]) -> None:
    """Send as pywebpush's documentation does."""
    subscription: dict[str, str | bytes | dict[str, str | bytes]] = {"endpoint": endpoint, "keys": {**keys}}
    key = os.environ.get("VAPID_PRIVATE_KEY", _VAPID)
    webpush(subscription, data=_PAYLOAD, vapid_private_key=key, vapid_claims={"sub": CONTACT}, timeout=10, ttl=14_400)


@dataclass(frozen=True)
class Push:
    """The contestant."""

    channel: str = "push"
    keys: str = f"""'{{"p256dh": "{_KEYS.p256dh}", "auth": "{_KEYS.auth}"}}'::jsonb"""
    naive_job: str | None = "tests.benchmarks.fanout.push:send_naively"

    @cached_property
    def port(self) -> int:
        """Where the stand-in is: each person's endpoint names it."""
        return free_port()

    @property
    def address(self) -> str:
        return f"'http://127.0.0.1:{self.port}/push/' || n"

    @contextmanager
    def open_peer(self, stage: Stage, reply_ms: float) -> Iterator[Peer]:
        with open_service(reply_ms, self.port) as peer:
            yield peer

    def limit(self, stage: Stage, count: int, reply_ms: float) -> Limit | None:
        """What the cryptography alone comes to, on one core: key, agreement, encryption."""
        cost = median(crypto_us(min(count, 500)) for _ in range(7))
        return Limit("key, ECDH, AES-GCM", 1e6 / cost, cost)

    def goals(self, ours: Told, naive: Told | None, limit: Limit | None, reply_ms: float) -> Sequence[Goal]:
        """Nobody set one for the whole pipeline; what was set is held against the channel alone, by `main`."""
        return []


CONTESTANT = Push()


def main() -> int:
    """Print the comparison; 1 when a goal is missed."""
    os.sched_setaffinity(0, {APP_CORE})
    goals = [*_cpu_goals(), *_flight_goals()]
    print("\n".join(goal.line() for goal in goals))
    return 0 if all(goal.met for goal in goals) else 1


def _cpu_goals(rounds: int = 40, count: int = 200) -> list[Goal]:
    """Take turns, so that all meet the same machine; of many short rounds the middle one counts."""
    bare, naive, ours = [], [], []
    port = free_port()
    with open_service(0, port), open_channel(port) as channel:
        people = envelopes(port, count)
        send_all(channel, people)
        for _ in range(rounds):
            bare.append(crypto_us(count))
            naive.append(sample(lambda: _naively(port, count // 20), count // 20).cpu_us)
            ours.append(sample(lambda: send_all(channel, people), count).cpu_us)
    shown = ", ".join(
        f"{name} {median(found):,.0f} (best {min(found):,.0f})"
        for name, found in (("cryptography alone", bare), ("webpush()", naive), ("ours", ours))
    )
    print(f"CPU a message, replies at once, in µs: {shown}")
    return [
        Goal("cryptography alone / ours, CPU", median(bare) / median(ours), OF_LIMIT),
        Goal("webpush() / ours, CPU", median(naive) / median(ours), TIMES_NAIVE),
    ]


def _flight_goals(rounds: int = 5) -> list[Goal]:
    """Count messages a second with replies that take their time, in one go and in batches as workers claim them."""
    whole, claims, costs, ours = [], [], [], []
    port, claim = free_port(), LARGEST_CLAIM
    with open_service(_REPLY_MS, port), open_channel(port) as channel:
        people = envelopes(port, _LONG)
        send_all(channel, people[:CONNECTIONS])
        for _ in range(rounds):
            costs.append(crypto_us(1000))
            began = time.process_time()
            whole.append(sample(lambda: send_all(channel, people), _LONG).rate)
            ours.append((time.process_time() - began) / _LONG * 1e6)
            batches = [people[at : at + claim] for at in range(0, _LONG, claim)]
            claims.append(sample(lambda: send_all(channel, *batches), _LONG).rate)  # noqa: B023 (run at once)
    limit = 1e6 / median(costs)
    print(
        f"{CONNECTIONS} connections, replies after {_REPLY_MS:g} ms, messages a second: {median(whole):,.0f} in one "
        f"go, {median(claims):,.0f} in batches of {claim}; cryptography alone {limit:,.0f}; "
        f"CPU a message {median(ours):,.0f} µs"
    )
    return [
        Goal(f"cryptography alone / ours, CPU, {_REPLY_MS:g} ms replies", median(costs) / median(ours), OF_LIMIT),
        Goal(f"ours / cryptography alone, a second, {_REPLY_MS:g} ms replies", median(whole) / limit, OF_LIMIT),
    ]


@contextmanager
def open_channel(port: int) -> Iterator[PushChannel]:
    """Open ours."""
    channel = PushChannel(VapidSigner(_VAPID, CONTACT), extra_hosts=[f"127.0.0.1:{port}"], connections=CONNECTIONS)
    yield channel
    channel.close()


def envelopes(port: int, count: int) -> list[Envelope]:
    """Write as many, to as many browsers."""
    return envelopes_for(Recipient(f"http://127.0.0.1:{port}/push/{n}", _KEYS) for n in range(1, count + 1))


def crypto_us(count: int) -> float:
    """Measure what no sender can do without: a key, its point, the browser's point, the agreement, the encryption."""

    def work() -> None:
        for _ in range(count):
            own = ec.generate_private_key(ec.SECP256R1())
            own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _POINT))
            AESGCM(shared[:16]).encrypt(shared[:12], _PAYLOAD, None)

    return sample(work, count).cpu_us


def _naively(port: int, count: int) -> None:
    for number in range(count):
        _webpush(f"http://127.0.0.1:{port}/push/{number}", {"p256dh": _KEYS.p256dh, "auth": _KEYS.auth})


if __name__ == "__main__":
    raise SystemExit(main())
