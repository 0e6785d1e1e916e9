"""Runs a whole instance on this machine: databases, migrations, web, workers, sweeper, and stand-ins for the world.

One part that ends takes all others with it; nothing outlives the supervisor, however it ends.
"""

from __future__ import annotations

import contextlib
import gc
import http.client
import importlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from types import FrameType

from restock.config import Settings, load_settings
from restock.local.crew.console import Console
from restock.local.crew.parts import MIGRATE, Peers, needs_peers, peer_settings, working_parts
from restock.local.crew.processes import Crew, Ended, RunCommand
from restock.local.instance import Instance
from restock.local.lifeline import LINUX, StartError
from restock.local.sockets import free_port, port_is_taken

TO_OPEN = (("Playground store", "/playground"), ("Its merchant's pages", "/?shop=playground"))  # what the welcome names
_READY_SECONDS = 60.0
_NEWCOMERS_SETTLE_SECONDS = "1"  # in the playground nobody moves stock about in bursts, and somebody watches
_PAUSE_SECONDS = 0.05
_OPENING_TRIES = 30  # a second apart
_LOADED_ONCE = (
    "restock.web.app",
    "restock.worker.main",
    "restock.worker.sweeper",
    "restock.playground.peers",
    "granian",
)
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - how to reach a server that listens everywhere


class Stopped(BaseException):
    """Somebody asked us to stop."""


class PartEndedError(Exception):
    """A part ended that should have gone on."""

    def __init__(self, ended: Ended) -> None:
        self.code = 128 - ended.code if ended.code < 0 else ended.code or 1
        how = f"was ended by {signal.Signals(-ended.code).name}" if ended.code < 0 else f"ended with code {ended.code}"
        super().__init__(f"The part “{ended.part.name}” {how}; everything else was stopped.")


class StopSignals:
    """SIGINT, SIGTERM and SIGHUP: the first stops us wherever we are, the next ones hurry the stop."""

    def __init__(self) -> None:
        self.stopping = False
        self.in_a_hurry = False

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        heeded = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup a closed terminal is not a wish to stop
            heeded.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._heed) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _heed(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            self.in_a_hurry = True
        else:
            self.stopping = True
            raise Stopped


class Supervisor:
    """One run of one instance."""

    def __init__(
        self,
        settings: Settings,
        console: Console,
        run_command: RunCommand,
        load_program: Callable[[Mapping[str, str]], None],
    ) -> None:
        self.settings = settings
        self.load_program = load_program
        self.console = console
        self.instance = Instance(settings)
        self.crew = Crew(console, run_command)
        self.signals = StopSignals()
        self.port = settings.port
        self.peers: Peers | None = None

    def run(self) -> int:
        """Run until somebody stops us (0) or a part ends (its code). Raises StartError."""
        with self.signals.heeded():
            try:
                with ExitStack() as stack:
                    self._run(stack)
            except Stopped:
                self.console.say(f"\nStopped. The data stays in {self.settings.restock_data_dir}.")
            except PartEndedError as error:
                self.console.say(f"\n{error}")
                return error.code
        return 0

    def _run(self, stack: ExitStack) -> None:
        started = time.monotonic()
        stack.enter_context(self.instance.claimed())
        self._choose_port()
        self.console.say(self.console.dim("Starting …"))
        urls = stack.enter_context(self.instance.servers())
        environment = {**urls, **self._environment()}
        if LINUX:
            self.load_program(environment)
        stack.callback(self._end_parts)
        parts = ([self.peers.part()] if self.peers else []) + working_parts(self.settings)
        self.console.introduce([part.name for part in (*parts, MIGRATE)])
        self._migrate(environment)
        for part in parts:
            self.crew.start(part, environment)
        self._wait_for_web()
        if self.peers:
            at = self.settings.host, self.port
            threading.Thread(target=_open_playground, args=at, name="opening", daemon=True).start()
        self.instance.publish(environment)
        self._welcome(time.monotonic() - started)
        while True:
            self._turn(1.0)

    def _choose_port(self) -> None:
        self.port = self.settings.port or free_port(self.settings.host)
        if port_is_taken(self.settings.host, self.port):
            raise StartError(
                f"Port {self.port} on {self.settings.host} is taken: stop what listens there, "
                f"or choose another, for example PORT={self.port + 1}."
            )

    def _environment(self) -> dict[str, str]:
        """Collect what every part must know besides the addresses of the databases."""
        found = {"PORT": str(self.port), "RESTOCK_DATA_DIR": str(self.instance.folder), **self.instance.keys()}
        if not self.settings.is_production and "settle_seconds" not in self.settings.model_fields_set:
            found["SETTLE_SECONDS"] = _NEWCOMERS_SETTLE_SECONDS
        if needs_peers(self.settings):
            ports = free_port(), free_port(), free_port()
            self.peers = Peers(*ports, self._own_door(), self.instance.folder / "outbox")
            found |= peer_settings(self.settings, self.peers, self.instance.made_keys())
        return found

    def _own_door(self) -> str:
        """Give the address this machine reaches the web at: never APP_URL, which may be a tunnel."""
        host = _ANY_ADDRESS.get(self.settings.host, self.settings.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def _migrate(self, environment: dict[str, str]) -> None:
        code = self.crew.run_to_end(MIGRATE, environment)
        if code != 0:
            raise PartEndedError(Ended(MIGRATE, code))

    def _wait_for_web(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not _answers(self.settings.host, self.port):
            self._turn(_PAUSE_SECONDS)
            if time.monotonic() > deadline:
                raise StartError(f"The web server did not answer within {_READY_SECONDS:.0f} s; its output is above.")

    def _turn(self, seconds: float) -> None:
        if ended := self.crew.turn(seconds):
            raise PartEndedError(ended)

    def _end_parts(self) -> None:
        self.signals.stopping = True
        self.crew.end(lambda: self.signals.in_a_hurry)

    def _welcome(self, seconds: float) -> None:
        if self.settings.is_production:
            self.console.say(f"Restock is running, after {seconds:.1f} s.")
            return
        base = self.settings.app_url or f"http://{self.settings.host}:{self.port}"
        rows = [(name, self.console.bold(f"{base}{path}")) for name, path in TO_OPEN]
        if self.peers:
            rows.append(("Messages sent", f"{self.settings.restock_data_dir / 'outbox'}  (they stay on this machine)"))
        rows.append(("Data", str(self.settings.restock_data_dir)))
        if (moved := self.instance.folder / "postgres").is_symlink():
            rows.append(("Its database", f"{moved.resolve()}  (where PostgreSQL's own user can reach it)"))
        self.console.welcome(f"Restock is running, after {seconds:.1f} s.", rows, "Ctrl-C stops everything.")


def run_everything(settings: Settings, run_command: RunCommand) -> int:
    """Run a whole instance in the foreground; return the exit code. Raises StartError."""
    as_json = (settings.log_format or ("json" if settings.is_production else "console")) == "json"
    return Supervisor(settings, Console(bare=as_json), run_command, load_program).run()


def load_program(environment: Mapping[str, str]) -> None:
    """Import the program once, before the parts fork off: six processes then start in the time of one.

    Wiring it imports what is imported at first use only; that connects to nothing, and what it makes is dropped.
    """
    for name in _LOADED_ONCE:
        importlib.import_module(name)
    settings = load_settings(**{name.lower(): value for name, value in environment.items()})
    services = importlib.import_module("restock.bootstrap").build_services(settings).make_all()
    dict(services.channels)
    gc.freeze()  # the forks share these objects; a collection would copy them


def _open_playground(host: str, port: int) -> None:
    """Be the playground's first visitor, who makes its shop: so that it takes intents before anybody has looked at it.

    Nothing waits for this; where it is in vain, the next visitor makes it.
    """
    for _ in range(_OPENING_TRIES):
        if _answers(host, port, "/playground/state"):
            return
        time.sleep(1.0)


def _answers(host: str, port: int, path: str = "/healthz") -> bool:
    connection = http.client.HTTPConnection(_ANY_ADDRESS.get(host, host), port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
