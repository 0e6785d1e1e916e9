"""The embedded PostgreSQL: the programs of a wheel, started by us in the foreground, on a unix socket alone.

For development and tests. It must never listen on the network, and never write what a row holds into its log.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from restock.local.account import REFUGE, Account, Lodging, find_lodging
from restock.local.lifeline import StartError, start_tied, stop
from restock.local.sockets import leave_socket_folder, socket_folder

DATABASE = "restock"
SUPERUSER = "postgres"
MAJOR_VERSION = "18"
_PORT = 5432  # names the socket; nothing listens on TCP
_SOCKET = f".s.PGSQL.{_PORT}"
_READY_SECONDS = 60.0  # a crash may leave much to replay
_ORPHAN_SECONDS = 5.0
_PAUSE_SECONDS = 0.02
_QUIET = {  # an error message may quote the row that broke a rule; terse logs leave that out
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}
_CARELESS = {  # for tests: nothing to keep, and one server for many processes that each keep a pool
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "500",
}


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    process: subprocess.Popen[bytes]
    sockets: Path

    def url(self, database: str = DATABASE) -> str:
        """Say where a database of this server is, as `DATABASE_URL` wants it."""
        return f"postgresql+psycopg://{SUPERUSER}@/{database}?host={quote(str(self.sockets))}&port={_PORT}"

    def stop(self) -> None:
        """End the server: running statements are cut off, committed rows are safe."""
        stop(self.process, signal.SIGINT, signal.SIGQUIT)
        leave_socket_folder(self.sockets)


def start_postgres(folder: Path, *, durable: bool = True, refuge: Path = REFUGE) -> Postgres:
    """Start the server on the data in `folder`, made if absent, and wait until it answers.

    The caller makes sure that nobody else starts one on the same folder. Raises StartError.
    """
    lodging = find_lodging(folder.absolute(), refuge)
    log = folder.absolute().with_name(f"{folder.name}.log")
    if not (lodging.data / "PG_VERSION").exists():
        _initialise(lodging, log, durable)
    _check_version(lodging.data)
    sockets = socket_folder(lodging.data, _SOCKET, lodging.account.uid if lodging.account else None)
    _clear_stale_locks(lodging.data, sockets)
    server = Postgres(_launch(lodging, sockets, log, durable), sockets)
    try:
        _wait_until_ready(server, log)
        _create_database(server)
    except BaseException:
        server.stop()
        raise
    return server


def _initialise(lodging: Lodging, log: Path, durable: bool) -> None:
    """Make a new cluster beside its place and move it there whole, so that an interrupted start leaves no half."""
    new = lodging.data.with_name(f"{lodging.data.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if lodging.account:
        os.chown(new, lodging.account.uid, lodging.account.gid)
    command: list[str | Path] = [
        lodging.programs / "initdb",
        "-D",
        new,
        "-U",
        SUPERUSER,
        "--auth=trust",
        "--encoding=UTF8",
    ]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    command += [] if durable else ["--no-sync"]
    if _run(command, log, lodging.account) != 0:
        raise StartError(f"PostgreSQL could not make its data folder {lodging.data}: {_last_words(log)}")
    if lodging.data.is_dir():
        lodging.data.rmdir()  # empty: it has no PG_VERSION; rmdir refuses if that is not so
    new.rename(lodging.data)


def _run(command: list[str | Path], log: Path, account: Account | None) -> int:
    """Run a program to its end, and end it if we are interrupted."""
    with log.open("wb") as output:
        process = start_tied(
            command,
            last_signal=signal.SIGKILL,
            output=output,
            environment=_environment(),
            user=account.uid if account else None,
            group=account.gid if account else None,
        )
    try:
        return process.wait()
    finally:
        stop(process, signal.SIGTERM)


def _launch(lodging: Lodging, sockets: Path, log: Path, durable: bool) -> subprocess.Popen[bytes]:
    quoted = str(sockets).replace('"', '""')
    options = {
        "listen_addresses": "",
        "port": str(_PORT),
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **_QUIET,
        **({} if durable else _CARELESS),
    }
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with log.open("wb") as output:
        return start_tied(
            [lodging.programs / "postgres", "-D", lodging.data, *arguments],
            last_signal=signal.SIGINT,
            output=output,
            environment=_environment(),
            user=lodging.account.uid if lodging.account else None,
            group=lodging.account.gid if lodging.account else None,
        )


def _environment() -> dict[str, str]:
    """Keep our secrets to ourselves, and a locale this machine lacks out of its way."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != MAJOR_VERSION:
        raise StartError(
            f"The data in {data} was written by PostgreSQL {found} and this is {MAJOR_VERSION}: dump it with "
            f"PostgreSQL {found} and load it again, or move the folder away to start afresh."
        )


def _clear_stale_locks(data: Path, sockets: Path) -> None:
    """Remove what a killed server left behind; its number may belong to some other program by now."""
    for lock in (data / "postmaster.pid", sockets / f"{_SOCKET}.lock"):
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            continue
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while _serves(pid, data):  # an orphan on its way out
            if time.monotonic() > deadline:
                raise StartError(f"Another PostgreSQL (process {pid}) still uses {data}: stop it with `kill {pid}`.")
            time.sleep(_PAUSE_SECONDS)
        lock.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    """Say whether this process is a PostgreSQL on this very folder."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    except OSError:
        return False
    shown = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False)
    return "postgres" in shown.stdout and str(data) in shown.stdout


def _wait_until_ready(server: Postgres, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            _connect(server).close()
        except psycopg.OperationalError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"PostgreSQL did not start: {_last_words(log)}") from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _connect(server: Postgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(server.sockets), port=_PORT, user=SUPERUSER, dbname=SUPERUSER, connect_timeout=5, autocommit=True
    )


def _create_database(server: Postgres) -> None:
    with _connect(server) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _last_words(log: Path) -> str:
    """Quote the last telling line of a log, and say where the rest is."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()] or lines or ["it said nothing"]
    return f"{telling[-1]} (all of it: {log})"
