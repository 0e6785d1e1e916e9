"""The stand-ins on this machine: a mail server, a Twilio and a push service that deliver to the outbox, and a Shopify.

Development only, on 127.0.0.1 only. Messages travel to them over real SMTP and HTTP, just as to the real ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from restock.config import load_settings
from restock.playground.fake_http import Answer, FakePeer, Request
from restock.playground.fake_push import FakePush, PushMessage
from restock.playground.fake_twilio import FakeTwilio, TextMessage
from restock.playground.mail_sink import open_mail_sink
from restock.playground.outbox import OutboxWriter
from restock.playground.shopify.server import App, FakeShopify, open_playground

_TWILIO_PATHS = "/2010-04-01/"
_REPORT = ("sent", "delivered")  # what becomes of every text message, told to the address the message names


class LocalProviders(FakePush):
    """Twilio and a push service on one port; what they take goes to the outbox."""

    def __init__(self, port: int, outbox: OutboxWriter, account_sid: str, auth_token: str) -> None:
        super().__init__(port, self._keep_push)
        self._outbox = outbox
        self._twilio = FakeTwilio(account_sid, auth_token, on_message=self._keep_text, report=_REPORT)

    def respond(self, request: Request) -> Answer:
        """Answer as the provider whose path it is."""
        self.requests.clear()  # a record for tests; this one runs for days
        return self._twilio.respond(request) if request.path.startswith(_TWILIO_PATHS) else super().respond(request)

    def close(self) -> None:
        """Stop both."""
        super().close()
        self._twilio.close()

    def _keep_text(self, message: TextMessage) -> None:
        self._outbox.append("sms", message.to, {"from": message.sender or message.service, "body": message.body})

    def _keep_push(self, message: PushMessage) -> None:
        payload = json.loads(message.payload)
        self._outbox.append("push", message.subscription_id, {"payload": payload, "topic": message.topic})


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = _parser().parse_args(argv)
    outbox = OutboxWriter(options.outbox)
    credentials = os.environ.get("TWILIO_ACCOUNT_SID", ""), os.environ.get("TWILIO_AUTH_TOKEN", "")
    port = options.http_port
    try:
        with ExitStack() as stack:
            stack.enter_context(_served(LocalProviders(port, outbox, *credentials)))
            if port := options.shopify_port:
                stack.enter_context(_served(_shopify(options)))
            port = options.smtp_port
            asyncio.run(_serve(port, outbox))
    except OSError as error:
        print(
            f"The local stand-ins cannot listen on 127.0.0.1:{port}: {os.strerror(error.errno or 0)}.", file=sys.stderr
        )
        return 1
    return 0


def _shopify(options: argparse.Namespace) -> FakeShopify:
    """Open the playground's Shopify; what it remembers is kept beside the outbox."""
    settings = load_settings()  # an app's own secret may stand in .env
    secret = settings.shopify_api_secret.get_secret_value() if settings.shopify_api_secret else ""
    return open_playground(App(options.app_url, settings.shopify_api_key, secret), options.shopify_port, options.outbox)


@contextmanager
def _served(peer: FakePeer) -> Iterator[None]:
    peer.start()
    try:
        yield
    finally:
        peer.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="restock peers",
        description="Stand-ins for the mail server, Twilio, the push service and Shopify (development).",
        epilog="TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are the credentials the stand-in for Twilio asks for; "
        "SHOPIFY_API_KEY and SHOPIFY_API_SECRET are the app that the stand-in for Shopify knows.",
    )
    parser.add_argument("--smtp-port", type=int, required=True, metavar="PORT", help="where e-mail is received")
    parser.add_argument("--http-port", type=int, required=True, metavar="PORT", help="where SMS and push are received")
    parser.add_argument("--shopify-port", type=int, metavar="PORT", help="where Shopify answers; none without it")
    parser.add_argument("--app-url", default="http://127.0.0.1:8000", metavar="URL", help="where webhooks are sent")
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
