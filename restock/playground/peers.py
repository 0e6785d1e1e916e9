"""The providers' stand-ins on this machine: a mail server, a Twilio and a push service that deliver to the outbox.

Development only, on 127.0.0.1 only. Messages travel to them over real SMTP and HTTP, just as to the real ones.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from restock.playground.mail_sink import open_mail_sink
from restock.playground.outbox import OutboxWriter


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = _parser().parse_args(argv)
    outbox = OutboxWriter(options.outbox)
    try:
        asyncio.run(_serve(options.smtp_port, outbox))
    except OSError as error:
        print(f"The local stand-ins cannot start: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="restock peers", description="Stand-ins for the mail server, Twilio and the push service (development)."
    )
    parser.add_argument("--smtp-port", type=int, required=True, metavar="PORT", help="where e-mail is received")
    parser.add_argument("--http-port", type=int, required=True, metavar="PORT", help="where SMS and push are received")
    parser.add_argument("--outbox", type=Path, required=True, metavar="DIR", help="folder that keeps what was received")
    return parser


async def _serve(smtp_port: int, outbox: OutboxWriter) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    mail = await open_mail_sink(smtp_port, lambda to, content: outbox.append("email", to, content))
    await stop.wait()
    mail.close()


if __name__ == "__main__":
    sys.exit(main())
