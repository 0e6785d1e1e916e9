"""Text messages: a new Twilio client for each message, our channel, and what the threads can do at best.

`python -m tests.benchmarks.fanout.sms` compares them without the pipeline, and looks whether the pace holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import psycopg
from twilio.rest import Client

from restock.channels.sms.channel import SmsChannel, TwilioAccount
from restock.channels.values import (
    Envelope,
    Recipient,
)
from restock.local.sockets import free_port
from tests.benchmarks.fanout.contestant import Limit, Peer, Told
from tests.benchmarks.fanout.http_peer import open_http_peer
from tests.benchmarks.fanout.messages import envelopes_for, sample, send_all
from tests.benchmarks.report import Goal
from tests.benchmarks.stage import Stage

ACCOUNT = "AC" + "0a" * 16
TOKEN = "a-token-for-benchmarks"
SENDER = "+15005550006"
IN_FLIGHT = 32
_ROUNDS = 7
_TEXT = (
    "North & Pine: it's back! Harbour Vase - Deep green, while stocks last: https://restock.example.com/c/{} STOP ends"
)


@contextmanager
def open_twilio(reply_ms: float) -> Iterator[Peer]:
    """Run the stand-in on the second core until the block ends."""
    port = free_port()
    settings = {
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": SENDER,
        "TWILIO_API_URL": f"http://127.0.0.1:{port}",
        "SMS_SEGMENTS_PER_SECOND": "0",
    }
    with open_http_peer("tests.benchmarks.fanout.sms_peer", port, reply_ms, settings) as peer:
        yield peer


def send_naively(delivery_id: int) -> None:
    """Load, render, make a client, send, update, commit: one job for each person."""
    with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")) as connection:
        row = connection.execute(
            "SELECT c.address FROM deliveries d JOIN contacts c ON c.id = d.contact_id WHERE d.id = %s", [delivery_id]
        ).fetchone()
        client = new_client(os.environ["TWILIO_API_URL"])
        message = client.messages.create(
            to=row[0] if row else "", from_=os.environ["TWILIO_FROM"], body=_TEXT.format(delivery_id)
        )
        connection.execute(
            "UPDATE deliveries SET state = 'sent', sent_at = now(), provider_message_id = %s WHERE id = %s",
            [message.sid, delivery_id],
        )


def new_client(url: str) -> Client:
    """Make a client as its documentation does."""
    client = Client(ACCOUNT, TOKEN)
    client.api.base_url = url
    return client


@dataclass(frozen=True)
class Sms:
    """The contestant."""

    channel: str = "sms"
    address: str = "'+49151' || lpad((n * 10007 %% 100000000)::text, 8, '0')"
    keys: str = "NULL"
    naive_job: str | None = "tests.benchmarks.fanout.sms:send_naively"

    @contextmanager
    def open_peer(self, stage: Stage, reply_ms: float) -> Iterator[Peer]:
        with open_twilio(reply_ms) as peer:
            yield peer

    def limit(self, stage: Stage, count: int, reply_ms: float) -> Limit | None:
        """What so many calls in flight come to when nothing but the replies takes time; None where those take none."""
        return Limit(f"{IN_FLIGHT} in flight / {reply_ms:g} ms", IN_FLIGHT / reply_ms * 1000) if reply_ms else None

    def goals(self, ours: Told, naive: Told | None, limit: Limit | None, reply_ms: float) -> Sequence[Goal]:
        """Nobody set one for the whole pipeline; what was set is held against the channel alone, by `main`."""
        return []


CONTESTANT = Sms()


def main() -> int:
    """Print the comparison; 1 when a goal is missed."""
    goals = [*_cpu_goals(), *_flight_goals(), *_pace_goals()]
    print("\n".join(goal.line() for goal in goals))
    return 0 if all(goal.met for goal in goals) else 1


def _cpu_goals(count: int = 200) -> list[Goal]:
    with open_twilio(0) as peer:
        url = peer.settings["TWILIO_API_URL"]
        channel = open_channel(url)
        ours, theirs = [], []
        for _ in range(_ROUNDS):  # in turns, so that both meet the same machine
            theirs.append(sample(lambda: _clients(url, count), count).cpu_us)
            ours.append(sample(lambda: send_all(channel, envelopes(count)), count).cpu_us)
        channel.close()
    print(f"CPU a message: new client {median(theirs):,.0f} µs, ours {median(ours):,.0f} µs, rendered and judged")
    return [Goal("CPU of a message / that of a new client", median(ours) / median(theirs), 0.65, at_most=True)]


def _flight_goals(count: int = 640, reply_ms: float = 50) -> list[Goal]:
    with open_twilio(reply_ms) as peer:
        channel = open_channel(peer.settings["TWILIO_API_URL"])
        send_all(channel, envelopes(IN_FLIGHT))
        rates = [sample(lambda: send_all(channel, envelopes(count)), count).rate for _ in range(3)]
        channel.close()
    most = IN_FLIGHT / reply_ms * 1000
    print(f"{IN_FLIGHT} in flight, replies after {reply_ms:g} ms: {median(rates):,.0f} a second of {most:,.0f}")
    return [Goal("messages a second / (in flight / reply time)", median(rates) / most, 0.8)]


def _pace_goals(rate: float = 50.0, seconds: float = 6.0, workers: int = 4) -> list[Goal]:
    """Let several processes ask for permits as workers do, and count what they were given in each second."""
    from tests.benchmarks.fanout.sms_pace import handed_over

    times, burst = handed_over(rate, seconds, workers)
    most = max(sum(start <= at < start + 1 for at in times) for start in times)
    print(f"{workers} processes at {rate:g} segments a second: {len(times)} in {seconds:g} s, at most {most} in one")
    return [
        Goal("segments in the fullest second / (rate + burst)", most / (rate + burst), 1.0, at_most=True),
        Goal("segments handed over / (rate × time)", len(times) / (rate * seconds), 0.9),
    ]


def open_channel(url: str) -> SmsChannel:
    """Open ours."""
    return SmsChannel(TwilioAccount(ACCOUNT, TOKEN, sender=SENDER, api_url=url), threads=IN_FLIGHT)


def envelopes(count: int) -> list[Envelope]:
    """Write as many."""
    return envelopes_for([Recipient("+4915112345678")] * count)


def _clients(url: str, count: int) -> None:
    for number in range(count):
        new_client(url).messages.create(to="+4915112345678", from_=SENDER, body=_TEXT.format(number))


if __name__ == "__main__":
    raise SystemExit(main())
