"""An instance with all three channels on providers of its own, and a person who leaves marks everywhere."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from restock.channels.push.vapid import public_key_of
from restock.config import Settings
from restock.playground.fake_push import FakePush
from restock.playground.fake_twilio import FakeTwilio
from restock.playground.mail_sink import open_mail_sink
from tests.conftest import VAPID_PRIVATE_KEY
from tests.flows.peers import closing_all
from tests.flows.story import Story
from tests.flows.test_receipts import served

ACCOUNT, TOKEN = "AC" + "0" * 32, "local-token"
Mails = list[tuple[str, dict[str, Any]]]


@contextmanager
def mail_server(port: int, mails: Mails) -> Iterator[None]:
    """Take mails on a thread of its own."""
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        server = await open_mail_sink(port, lambda address, content: mails.append((address, content)))
        async with server:
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield
    finally:
        stop.set()
        thread.join(5)


class Stage:
    """A story with a person in it. `marks` are what must not be found once the person was erased."""

    def __init__(self, story: Story, browser: dict[str, Any], mails: Mails, twilio: FakeTwilio) -> None:
        self.story, self.browser, self.mails, self.twilio = story, browser, mails, twilio

    def post(
        self, channel: str, customer: dict[str, Any], intent: dict[str, Any], product: dict[str, Any], **headers: str
    ) -> dict[str, Any]:
        """Post an intent as a storefront does; return the answer."""
        body = {
            "intent": {"shopify_product_id": 632910392, "channel": channel, "source": "widget"} | intent,
            "customer": customer,
            "product": product,
        }
        found = {"X-Shopify-Shop-Domain": "north-pine.myshopify.com"}
        found |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.story.client.post(
            "/api/v1/intents.json", json=body, headers=found, environ_base={"REMOTE_ADDR": "203.0.113.177"}
        )
        assert answer.status_code in {200, 201}, answer.text
        return answer.get_json()

    @property
    def push(self) -> str:
        """The browser's PushSubscription, as a storefront sends it."""
        return json.dumps(self.browser)


@pytest.fixture
def story(make_settings: Callable[..., Settings], clean_database: str, redis_url: str) -> Iterator[Story]:
    """An instance whose mail server is away."""
    servers = {"database_url": clean_database, "redis_url": redis_url, "smtp_url": "smtp://127.0.0.1:9"}
    told = Story.begin(make_settings(settle_seconds=0, **servers))
    yield told
    told.end()


@pytest.fixture
def stage(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str, free_port: int
) -> Iterator[Stage]:
    """An instance with a mail server, a Twilio that reports back, a push service, and itself behind its APP_URL."""
    from restock.local.sockets import free_port as another_port

    twilio, push, mails = FakeTwilio(ACCOUNT, TOKEN, report=("delivered",)), FakePush(), []
    mail_port = another_port()
    twilio.start()
    push.start()
    with closing_all(twilio, push), mail_server(mail_port, mails):
        settings = make_settings(
            database_url=clean_database,
            redis_url=redis_url,
            settle_seconds=0,
            app_url=f"http://127.0.0.1:{free_port}",
            smtp_url=f"smtp://127.0.0.1:{mail_port}",
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            twilio_from="+15005550006",
            twilio_api_url=twilio.url,
            vapid_private_key=VAPID_PRIVATE_KEY,
            push_extra_hosts=push.url.removeprefix("http://"),
        )
        story = Story.begin(settings)
        with served(story, free_port):
            yield Stage(story, push.subscribe(public_key_of(VAPID_PRIVATE_KEY)), mails, twilio)
        story.end()
