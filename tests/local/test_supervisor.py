"""The supervisor with real databases and pretended parts: what starts also ends, whatever happens."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.local.processes import children, descendants, is_alive, wait_until
from tests.local.starts import Start


@pytest.fixture
def start(data_folder: Path) -> Iterator[Callable[..., Start]]:
    started: list[Start] = []

    def begin(**environment: str) -> Start:
        started.append(Start("tests.local.pretend", data_folder, **environment))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.ended()


def running(begun: Start) -> Start:
    """Wait for every part, and for the card that the supervisor leaves."""
    return begun.until("up: ", times=6).until("Ctrl-C stops everything.")


def test_everything_starts_is_published_privately_and_ends_on_ctrl_c(start: Callable[..., Start]) -> None:
    begun = running(start())
    family = descendants(begun.process.pid)
    card = begun.card()
    assert (begun.data / "runtime.json").stat().st_mode & 0o077 == 0
    assert {"DATABASE_URL", "REDIS_URL", "SMTP_URL", "TWILIO_API_URL", "PUSH_EXTRA_HOSTS", "SECRET_KEY"} <= set(card)
    assert len(family) > 10
    begun.process.send_signal(signal.SIGINT)
    assert begun.ended() == 0
    assert "Stopped. The data stays in" in begun.printed
    assert not any(is_alive(pid) for pid in family)
    assert not (begun.data / "runtime.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_in_good_order_on_other_signals_too(start: Callable[..., Start], number: signal.Signals) -> None:
    begun = running(start())
    family = descendants(begun.process.pid)
    begun.process.send_signal(number)
    assert begun.ended() == 0
    assert not any(is_alive(pid) for pid in family)


def test_kill_9_leaves_no_process_and_loses_no_row(start: Callable[..., Start]) -> None:
    begun = running(start())
    with psycopg.connect(begun.card()["DATABASE_URL"].replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
    family = descendants(begun.process.pid)
    begun.process.kill()
    begun.ended()
    wait_until(lambda: not any(is_alive(pid) for pid in family), what="the end of every process")
    again = running(start())
    with psycopg.connect(again.card()["DATABASE_URL"].replace("+psycopg", ""), autocommit=True) as connection:
        assert connection.execute("SELECT id FROM kept").fetchone() == (1,)


@pytest.mark.parametrize(
    ("trouble", "code", "sentence"),
    [
        ("sweep:ends", 7, "The part “sweep” ended with code 7; everything else was stopped."),
        ("web:crashes", 1, "ValueError: out of luck"),
    ],
)
def test_one_part_that_ends_takes_all_with_it(
    start: Callable[..., Start], trouble: str, code: int, sentence: str
) -> None:
    begun = start(PRETEND=trouble)
    assert begun.ended() == code
    assert sentence in begun.printed


def test_a_part_that_is_killed_is_named_with_its_signal(start: Callable[..., Start]) -> None:
    begun = running(start())
    family = descendants(begun.process.pid)
    own = _command_of(begun.process.pid)  # a part is a fork; PostgreSQL and Valkey are other programs
    victim = next(pid for pid in children(begun.process.pid) if _command_of(pid) == own)
    os.kill(victim, signal.SIGKILL)
    assert begun.ended() == 128 + signal.SIGKILL
    assert re.search(r"The part “.+” was ended by SIGKILL; everything else was stopped\.", begun.printed)
    assert not any(is_alive(pid) for pid in family)


def test_a_second_ctrl_c_does_not_wait_for_a_stubborn_part(start: Callable[..., Start]) -> None:
    begun = running(start(PRETEND="web:stubborn"))
    family = descendants(begun.process.pid)
    begun.process.send_signal(signal.SIGINT)
    wait_until(lambda: sum(is_alive(pid) for pid in family) < len(family), what="the stop")
    begun.process.send_signal(signal.SIGINT)
    assert begun.ended() == 0
    assert "ended by force" in begun.printed
    assert not any(is_alive(pid) for pid in family)


def test_a_second_start_on_the_same_data_says_so_and_harms_nothing(start: Callable[..., Start]) -> None:
    begun = running(start())
    second = start()
    assert second.ended() == 1
    assert f"already runs on {begun.data} (process {begun.process.pid})" in second.printed
    assert begun.process.poll() is None


def test_a_taken_port_is_named_before_any_database_starts(start: Callable[..., Start]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        begun = start(PORT=str(port))
        assert begun.ended() == 1
    assert f"Port {port} on 127.0.0.1 is taken" in begun.printed
    assert f"PORT={port + 1}" in begun.printed
    assert not (begun.data / "postgres.log").exists()


def test_the_keys_made_at_the_first_start_are_kept(start: Callable[..., Start]) -> None:
    kept = []
    for _ in range(2):
        begun = running(start())
        card = begun.card()
        kept.append([card[name] for name in ("SECRET_KEY", "SHOPIFY_API_SECRET", "VAPID_PRIVATE_KEY")])
        begun.process.terminate()
        begun.ended()
    assert kept[0] == kept[1]
    assert (begun.data / "keys.json").stat().st_mode & 0o077 == 0


def test_real_providers_are_left_alone(start: Callable[..., Start]) -> None:
    """A channel with settings of its own gets no local stand-in."""
    begun = start(SMTP_URL="smtp://mail.example.com:25")
    running(begun)
    card = begun.card()
    assert "SMTP_URL" not in card
    assert card["TWILIO_API_URL"].startswith("http://127.0.0.1:")
    shutil.rmtree(begun.data / "outbox", ignore_errors=True)


def _command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
