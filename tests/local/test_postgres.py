"""The embedded PostgreSQL: starts from nothing, on what it finds, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from restock.local.account import Account, _reachable_programs, find_lodging
from restock.local.lifeline import StartError
from restock.local.postgres import Postgres, start_postgres
from tests.local.processes import descendants, is_alive, wait_until

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@contextmanager
def running(folder: Path, **options: object) -> Iterator[Postgres]:
    server = start_postgres(folder, durable=False, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def made(data_folder: Path) -> Path:
    """Where a first start has made everything already, for those who ask about something else."""
    return data_folder / "postgres"


def connect(server: Postgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True)


def test_it_starts_from_nothing_in_a_path_with_spaces_and_keeps_its_rows(open_folder: Path) -> None:
    with running(open_folder / "postgres") as server, connect(server) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
        assert connection.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone() == (18,)
    with running(open_folder / "postgres") as server, connect(server) as connection:
        assert connection.execute("SELECT id FROM kept").fetchone() == (1,)


def test_it_listens_on_no_network_port_and_only_its_owner_can_enter_the_socket_folder(made: Path) -> None:
    with running(made) as server, connect(server) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert server.sockets.stat().st_mode & 0o077 == 0


def test_it_is_durable_unless_told_otherwise(made: Path) -> None:
    server = start_postgres(made)
    try:
        with connect(server) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
    finally:
        server.stop()


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(open_folder: Path) -> None:
    deep = open_folder / ("a" * 60) / ("b" * 60)
    with running(deep / "postgres") as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert len(str(server.sockets)) < 60
        assert server.sockets.stat().st_mode & 0o077 == 0
    assert not server.sockets.exists(), "the short folder goes with the server"


def test_after_kill_9_the_next_start_recovers(made: Path) -> None:
    server = start_postgres(made)
    with connect(server) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
    server.process.kill()
    server.process.wait()
    with running(made) as again, connect(again) as connection:
        assert connection.execute("SELECT id FROM kept").fetchone() == (1,)


def test_a_stale_pid_file_with_somebody_elses_number_does_no_harm(made: Path) -> None:
    """A reused process number neither keeps us from starting nor is that process ever touched."""
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        data = find_lodging(made).data
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n0\n5432\n\n\n\n")
        with running(made) as server, connect(server) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_first_start_heals(open_folder: Path) -> None:
    half = open_folder / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with running(open_folder / "postgres") as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_data_of_another_major_version_is_named_and_left_alone(open_folder: Path) -> None:
    data = open_folder / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(StartError, match=r"written by PostgreSQL 15 and this is 18: dump it"):
        start_postgres(data)
    assert (data / "PG_VERSION").read_text() == "15\n"


def test_a_locale_this_machine_lacks_does_not_matter(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANG", "LC_ALL"):
        monkeypatch.setenv(name, "xx_XX.UTF-8")
    with running(open_folder / "postgres") as server, connect(server) as connection:
        assert connection.execute("SELECT lower('ÀÉ')").fetchone() == ("àé",)


def test_a_row_that_breaks_a_rule_is_not_quoted_in_the_log(made: Path) -> None:
    with running(made) as server, connect(server) as connection:
        connection.execute("CREATE TABLE people (email text PRIMARY KEY)")
        connection.execute("INSERT INTO people VALUES ('ada@example.com')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO people VALUES ('ada@example.com')")
    log = made.with_name("postgres.log").read_text()
    assert "duplicate key" in log
    assert "ada@example.com" not in log


def test_it_ends_when_its_owner_is_killed(made: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom restock.local.postgres import start_postgres\n"
        "server = start_postgres(Path(sys.argv[1]), durable=False)\n"
        "print(server.process.pid, flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(made)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        family = descendants(owner.pid)
        owner.kill()
    assert pid in family
    wait_until(lambda: not any(is_alive(one) for one in family), what="the end of every process")
    with running(made):
        pass


@AS_ROOT
def test_as_root_it_runs_as_somebody_else_and_no_folder_of_others_changes(open_folder: Path) -> None:
    before = {folder: folder.stat().st_mode for folder in (open_folder, *open_folder.parents)}
    data = open_folder / "data"
    with running(data / "postgres") as server:
        assert Path(f"/proc/{server.process.pid}").stat().st_uid != 0
    assert {folder: folder.stat().st_mode for folder in before} == before


@AS_ROOT
def test_as_root_what_an_ordinary_user_cannot_reach_lives_in_a_refuge(open_folder: Path) -> None:
    """A private home stays private: the data moves, a link stays, and the next start finds it again."""
    private, refuge = open_folder / "home", open_folder / "refuge"
    private.mkdir(mode=0o700)
    folder = private / "data" / "postgres"
    with running(folder, refuge=refuge) as server, connect(server) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
    assert folder.is_symlink()
    assert folder.resolve().parent == refuge
    assert private.stat().st_mode & 0o777 == 0o700
    with running(folder, refuge=refuge) as server, connect(server) as connection:
        assert connection.execute("SELECT id FROM kept").fetchone() == (1,)


@AS_ROOT
def test_as_root_without_any_refuge_one_sentence_says_why(open_folder: Path) -> None:
    private = open_folder / "home"
    private.mkdir(mode=0o700)
    with pytest.raises(StartError, match=r"PostgreSQL does not run as root, and .* set DATABASE_URL"):
        start_postgres(private / "data" / "postgres", refuge=private / "refuge")


@AS_ROOT
def test_programs_an_ordinary_user_cannot_reach_are_copied_whole(open_folder: Path) -> None:
    class Shut(Account):
        def reaches(self, folder: Path) -> bool:
            return "site-packages" not in str(folder) and super().reaches(folder)

    original = find_lodging(open_folder / "postgres").programs
    nobody = Shut(65534, 65534, "nobody")
    copied = _reachable_programs(original, nobody, open_folder / "refuge")
    assert copied.is_relative_to(open_folder / "refuge")
    for name in ("postgres", "initdb"):
        shown = subprocess.run([copied / name, "--version"], user=65534, capture_output=True, text=True, check=True)
        assert "PostgreSQL) 18" in shown.stdout
    assert _reachable_programs(original, nobody, open_folder / "refuge") == copied
