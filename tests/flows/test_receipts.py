"""What becomes of a text message after it left, reported back over real HTTP to a served instance."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.serving import make_server

from restock.playground.fake_twilio import FakeTwilio
from tests.flows.peers import closing_all
from tests.flows.story import Story

ACCOUNT, TOKEN = "AC" + "0" * 32, "local-token"


@contextmanager
def served(story: Story, port: int) -> Iterator[list[str]]:
    """Serve the story's instance where its APP_URL says; yield the statuses it answers with."""
    answers: list[str] = []
    instance = story.client.application

    def listening(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, *rest: Any) -> Any:
            answers.append(status)
            return start_response(status, *rest)

        return instance(environ, start)

    server = make_server("127.0.0.1", port, listening)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("report", "end"),
    [
        (("queued", "sent", "delivered", "delivered"), "delivered"),
        (("delivered", "sent"), "delivered"),
        (("sent", "undelivered", "delivered"), "bounced"),
    ],
    ids=["as usual", "out of order", "came back"],
)
def test_a_text_message_ends_as_twilio_reports(
    begin: Callable[..., Story], free_port: int, report: tuple[str, ...], end: str
) -> None:
    """The reports come to the address the message itself named, before or after our own record of it."""
    fake = FakeTwilio(ACCOUNT, TOKEN, report=report)
    fake.start()
    with closing_all(fake):
        story = begin(
            app_url=f"http://127.0.0.1:{free_port}",
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            twilio_from="+15005550006",
            twilio_api_url=fake.url,
        )
        with served(story, free_port) as answers:
            asked = story.intent("sms", {"phone": "918123676393", "country_code": "91", "country": "in"})
            assert asked.status_code == 201
            story.stock(1)
            story.settle()
            deadline = time.monotonic() + 60
            while len(answers) < len(report) and time.monotonic() < deadline:
                time.sleep(0.01)
        assert answers == ["204 NO CONTENT"] * len(report)
        with story.services.database.transaction() as session:
            states = session.execute(text("SELECT state FROM deliveries")).scalars().all()
        assert states == [end]
