"""E-mail: postfix's own programs are the mail server and the limit; the naive design is what documentations show."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from restock.local.lifeline import StartError
from restock.local.sockets import free_port
from tests.benchmarks.fanout.contestant import Limit, Peer, Told
from tests.benchmarks.machine import tree_seconds
from tests.benchmarks.report import Goal
from tests.benchmarks.stage import Stage

SESSIONS = 16
MESSAGE_BYTES = 7000  # about what one of our mails has
_FIND = "apt-get install postfix has it (nothing needs to be configured)"
# The instance sends e-mail and nothing else: a worker then carries no other channel.
_ALONE = dict.fromkeys(
    ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM", "VAPID_PRIVATE_KEY", "VAPID_SUBJECT"), ""
)


@dataclass(frozen=True)
class Email:
    """The contestant. `connections`: to the mail server, of all workers together, where its replies take time."""

    channel: str = "email"
    address: str = "'ada' || n || '@example.com'"
    keys: str = "NULL"
    naive_job: str | None = "tests.benchmarks.fanout.naive_app:send_back_in_stock"
    connections: int = 64
    workers: int = 1

    @contextmanager
    def open_peer(self, stage: Stage, reply_ms: float) -> Iterator[Peer]:
        """Run smtp-sink, or the mail server that is some milliseconds away."""
        port = free_port()
        slow = [sys.executable, "-m", "tests.benchmarks.fanout.smtp_peer", str(port), f"{reply_ms:g}"]
        command = slow if reply_ms else _sink(port)
        with _running(command, port) as pid:
            each = self.connections // self.workers
            url = f"smtp://127.0.0.1:{port}" + (f"?connections={each}" if reply_ms else "")
            yield Peer({"SMTP_URL": url, "EMAIL_FROM": "Restock <alerts@restock.example.com>"} | _ALONE, pid)

    def limit(self, stage: Stage, count: int, reply_ms: float) -> Limit | None:
        """Time smtp-source over sessions it keeps; or, with slow replies, divide the connections by them."""
        if reply_ms:
            return Limit(f"{self.connections} connections / {reply_ms:g} ms", self.connections / reply_ms * 1000)
        port = free_port()
        with _running(_sink(port), port):
            command = [_program("smtp-source"), "-s", str(SESSIONS), "-d", "-m", str(count), "-l", str(MESSAGE_BYTES)]
            spent, began = tree_seconds(os.getpid()), time.monotonic()
            subprocess.run([*command, f"127.0.0.1:{port}"], check=True, timeout=600)
            seconds = time.monotonic() - began
            cpu = (tree_seconds(os.getpid()) - spent) / count * 1e6
        return Limit(f"smtp-source -s {SESSIONS} -d -l {MESSAGE_BYTES}", count / seconds, cpu)

    def goals(self, ours: Told, naive: Told | None, limit: Limit | None, reply_ms: float) -> Sequence[Goal]:
        """Hold the rate against the limit, and against a job for each person."""
        share = ours.rate / limit.rate if limit else None
        goals = [Goal(f"e-mail: ours / {limit.name if limit else 'limit'}", share, 0.7 if reply_ms else 0.6)]
        if naive is not None and not reply_ms:
            goals.append(Goal("e-mail: ours / one RQ job per subscriber", ours.rate / naive.rate, 500))
        return goals


CONTESTANT = Email()


def _sink(port: int) -> list[str]:
    who = ["-u", "nobody"] if os.geteuid() == 0 else []
    return [_program("smtp-sink"), *who, f"127.0.0.1:{port}", "1000"]


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/lib/postfix/sbin")
    if found is None:
        raise StartError(f"{name} is not on this machine: {_FIND}")
    return found


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            if time.monotonic() > until:
                raise StartError("the mail server does not answer") from None
            time.sleep(0.05)
        else:
            return
