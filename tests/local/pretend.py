"""A pretended program for the supervisor to run: quick parts that answer, fork, print, end or refuse to.

`python -m tests.local.pretend`; PRETEND names what goes wrong: `NAME:ends`, `NAME:crashes` or `NAME:stubborn`.
"""

from __future__ import annotations

import http.server
import os
import signal
import sys
import time
from collections.abc import Sequence

from restock.config import load_settings
from restock.local.crew.console import Console
from restock.local.lifeline import StartError, tie_forks
from restock.local.supervisor import Supervisor


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None: ...  # noqa: A002


def run(words: Sequence[str]) -> int:
    """Pretend to be one part."""
    if words[0] == "migrate":
        return 0
    print(f"up: {' '.join(words)}")
    trouble = os.environ.get("PRETEND", "").partition(":")
    if trouble[0] == words[0]:
        time.sleep(0.5)
        if trouble[2] == "ends":
            return 7
        if trouble[2] == "crashes":
            raise ValueError("out of luck")
    stubborn = trouble[::2] == (words[0], "stubborn")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: sys.exit(0))
    tie_forks()
    if words[0] == "worker" and os.fork() == 0:  # like a work-horse: a group of its own
        os.setpgrp()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if words[0] == "web":
        http.server.HTTPServer((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Answer).serve_forever()
    while True:
        time.sleep(1)


if __name__ == "__main__":
    try:
        sys.exit(Supervisor(load_settings(), Console(), run, lambda _: None).run())
    except StartError as error:
        sys.exit(str(error))
