"""The embedded Valkey: private, durable, and gone with its owner."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import redis

from restock.local.valkey import Valkey, start_valkey
from tests.local.processes import is_alive, wait_until


def client(server: Valkey) -> redis.Redis:
    return redis.Redis.from_url(server.url())


def test_it_starts_in_a_path_with_spaces_and_listens_on_no_network_port(open_folder: Path) -> None:
    server = start_valkey(open_folder / "valkey")
    try:
        with client(server) as talk:
            assert talk.client_info(), "a space in the socket's path would break this reply, and with it every worker"
            assert talk.config_get("port") == {"port": "0"} or talk.config_get("port") == {b"port": b"0"}
        assert (open_folder / "valkey").stat().st_mode & 0o077 == 0
    finally:
        server.stop()


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(open_folder: Path) -> None:
    server = start_valkey(open_folder / ("a" * 60) / ("b" * 60) / "valkey", durable=False)
    try:
        with client(server) as talk:
            assert talk.ping()
        assert server.socket.parent.stat().st_mode & 0o077 == 0
    finally:
        server.stop()
    assert not server.socket.parent.exists(), "the short folder goes with the server"


def test_after_kill_9_what_was_written_is_still_there(open_folder: Path) -> None:
    server = start_valkey(open_folder / "valkey")
    with client(server) as talk:
        talk.set("kept", "1")
        time.sleep(0.01)  # written at the end of the command's turn
    server.process.kill()
    server.process.wait()
    again = start_valkey(open_folder / "valkey")
    try:
        with client(again) as talk:
            assert talk.get("kept") in (b"1", "1")
    finally:
        again.stop()


def test_it_ends_when_its_owner_is_killed_and_the_next_start_waits_for_that(open_folder: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom restock.local.valkey import start_valkey\n"
        "print(start_valkey(Path(sys.argv[1])).process.pid, flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(open_folder / "valkey")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        owner.kill()
    start_valkey(open_folder / "valkey").stop()
    wait_until(lambda: not is_alive(pid), what="the end of the first server")
