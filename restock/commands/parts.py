"""The commands that run the program, whole or in parts."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from restock.commands.surroundings import surroundings
from restock.local.connections import room_for_connections
from restock.local.crew.processes import TIED
from restock.local.lifeline import StartError, tie_forks, tie_this_process
from restock.local.sockets import free_port, port_is_taken

STOP_SECONDS = 5


def run(_options: argparse.Namespace) -> int:
    """Run everything on this machine."""
    from restock.bootstrap.ground import check_providers
    from restock.cli import main
    from restock.config import load_settings
    from restock.local.supervisor import run_everything
    from restock.sentry import report_errors

    settings = load_settings()
    check_providers(settings)
    report_errors(settings)  # each part would refuse to start, one after the other
    return run_everything(settings, main)


def web(_options: argparse.Namespace) -> int:
    """Serve HTTP."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels

    _tie()
    logging.getLogger("_granian").addFilter(lambda record: "allows spawning up to" not in record.getMessage())
    with surroundings() as settings:
        port = settings.port or free_port(settings.host)
        if port_is_taken(settings.host, port):
            raise StartError(f"Port {port} on {settings.host} is taken: choose another, for example PORT={port + 1}.")
        server = Granian(
            "restock.web.app:create_adapter",
            address=settings.host,
            port=port,
            interface=Interfaces.RSGI,
            workers=1,
            http=HTTPModes.http1,  # asked for both, it waits for ever for whoever says nothing at all
            backpressure=room_for_connections(),  # how many connections: it keeps the others waiting outside
            websockets=False,
            log_access=False,
            workers_kill_timeout=STOP_SECONDS,  # asked to stop while still starting, its worker would never hear
            log_level=LogLevels.warning,
        )
        server.serve(target_loader=load_web, wrap_loader=False)
    return 0


def load_web() -> Any:
    """Make what is served inside granian's own worker process."""
    from restock.web.app import create_adapter

    if TIED in os.environ:
        tie_this_process()
    return create_adapter()


def worker(options: argparse.Namespace) -> int:
    """Work on one queue."""
    _tie()
    with surroundings() as settings:
        from restock.worker.main import run_worker

        return run_worker(options.queue, settings) or 0


def sweep(_options: argparse.Namespace) -> int:
    """Keep time for everything that is due."""
    _tie()
    with surroundings() as settings:
        from restock.worker.sweeper import run_sweeper

        return run_sweeper(settings) or 0


def migrate(options: argparse.Namespace) -> int:
    """Bring the database to the newest migration."""
    with surroundings() as settings:
        from restock.bootstrap import build_services

        services = build_services(settings)
        if not services.database.at_head():
            services.database.upgrade()
        services.close()
    if not options.quiet:
        print("The database is at the newest migration.")
    return 0


def peers(words: Sequence[str]) -> int:
    """Stand in for the mail server, Twilio and the push service."""
    from restock.playground.peers import main

    return main(words)


def demo(words: Sequence[str]) -> int:
    """Tell the whole story on a throw-away instance."""
    from restock.playground.demo import main

    return main(words)


def bench(words: Sequence[str]) -> int:
    """Run the benchmarks; they live in the checkout, beside the tests."""
    from restock.database import MIGRATIONS

    checkout = MIGRATIONS.parent
    if not (checkout / "tests" / "benchmarks" / "__main__.py").exists():
        raise StartError("The benchmarks are not part of an installed package: run this in a checkout of Restock.")
    return subprocess.run([sys.executable, "-m", "tests.benchmarks", *words], cwd=checkout, check=False).returncode


def _tie() -> None:
    if TIED in os.environ:
        tie_forks()
