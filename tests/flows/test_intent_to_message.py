"""From a shopper's HTTP post to the bytes a provider receives; the providers were not written here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from restock.channels.push.vapid import public_key_of
from restock.playground.fake_twilio import FakeTwilio
from tests.conftest import VAPID_PRIVATE_KEY
from tests.flows.peers import Prism, PushTestingService, SmtpSink, closing_all
from tests.flows.story import Story

ACCOUNT = "AC" + "0" * 32
TOKEN = "local-token"


def test_an_email_reaches_the_person_who_asked_once(begin: Callable[..., Story], tmp_path: Path) -> None:
    """Postfix receives one well-formed mail with product, price, link and a working one-click unsubscribe."""
    sink = SmtpSink(tmp_path / "mails")
    with closing_all(sink):
        story = begin(smtp_url=f"smtp://127.0.0.1:{sink.port}", email_from="North & Pine <alerts@north-pine.example>")
        assert story.intent("email", {"email": "Ada@Example.com"}).status_code == 201
        story.settle()
        assert sink.mails() == [], "nothing may be said while it is sold out"

        assert story.stock(3).status_code == 200
        story.settle()
        story.settle()

        (mail,) = sink.mails()
        assert mail["To"] == "Ada@example.com"
        assert "Enamel mug" in mail["Subject"]
        text, html = (mail.get_body([kind]).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
        for body in (text, html):
            assert "Large" in body
            assert "24.00" in body
        links = re.findall(r"https://alerts\.north-pine\.example(/c/[\w.-]+)", text)
        clicked = story.client.get(links[0])
        assert clicked.status_code == 302
        assert clicked.location == "https://north-pine.myshopify.com/products/enamel-mug?variant=808950810"

        one_click = re.findall(r"<https://alerts\.north-pine\.example(/unsubscribe/[^>]+)>", mail["List-Unsubscribe"])
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert story.client.get(one_click[0]).status_code == 200
        assert story.client.post(one_click[0], data={"List-Unsubscribe": "One-Click"}).status_code == 200


def test_a_text_message_reaches_the_person_as_twilio_describes_it(begin: Callable[..., Story], tmp_path: Path) -> None:
    """Prism lets our request and the fake's answer pass, judged by Twilio's own OpenAPI."""
    fake = FakeTwilio(ACCOUNT, TOKEN)
    fake.start()
    with closing_all(fake):
        prism = Prism(fake.url, tmp_path)
        with closing_all(prism):
            story = begin(
                twilio_account_sid=ACCOUNT,
                twilio_auth_token=TOKEN,
                twilio_from="+15005550006",
                twilio_api_url=prism.url,
            )
            posted = story.intent("sms", {"phone": "918123676393", "country_code": "91", "country": "in"})
            assert posted.status_code == 201
            story.stock(1)
            story.settle()
            story.settle()

            (message,) = fake.messages()
            assert message.to == "+918123676393"
            assert "Enamel mug" in message.body
            assert "/c/" in message.body


def test_a_push_reaches_the_browser_that_asked(begin: Callable[..., Story]) -> None:
    """The push service accepts our signature and the browser decrypts the message."""
    service = PushTestingService()
    with closing_all(service):
        story = begin(
            vapid_private_key=VAPID_PRIVATE_KEY, push_extra_hosts=f"127.0.0.1:{service.port},localhost:{service.port}"
        )
        subscription = service.subscribe(public_key_of(VAPID_PRIVATE_KEY))
        client_hash = subscription.pop("clientHash")
        posted = story.intent("push", {"push": json.dumps(subscription)})
        assert posted.status_code == 201, posted.text
        story.stock(2)
        story.settle()
        story.settle()

        (text,) = service.notifications(client_hash)
        shown = json.loads(text)
        assert "Enamel mug" in shown["title"] + shown["body"]
        assert shown["url"].startswith("https://alerts.north-pine.example/c/")
