"""The door for Twilio's reports and people's answers: signed forms in, and nothing else believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from restock.channels.sms.segments import cost_of
from restock.channels.tongues import LANGUAGES
from restock.channels.values import Blame, Receipt, ReceiptStatus
from restock.channels.wording import phrases_for
from restock.config import Settings
from restock.links import Links
from restock.subscriptions.values import AddressHolder
from restock.web.errors import register_error_handlers
from restock.web.receipts import MAX_BODY_BYTES, receipts_blueprint

PATH, INBOUND = "/webhooks/twilio/status", "/webhooks/twilio/inbound"
APP_URL = "https://alerts.example"
TOKEN = "12345"
KEY = "a-signing-secret-for-tests-only-0001"
SID = "SM" + "0" * 32
FORM = {"AccountSid": "AC" + "0" * 32, "MessageSid": SID, "MessageStatus": "delivered", "To": "+14155550007", "New": ""}
D7 = Links([KEY], APP_URL).receipt_token(7)


@dataclass
class FakeDeliveries:
    """Keep what is recorded; only the first of its kind is news."""

    receipts: list[Receipt] = field(default_factory=list)

    def record_receipt(self, receipt: Receipt) -> bool:
        self.receipts.append(receipt)
        return self.receipts.count(receipt) == 1


@dataclass
class FakeAnswers:
    """One shop, which writes to one number; remembers what was asked of it."""

    locale: str = "en"
    shop_name: str = "North & Pine"
    done: list[tuple[str, str]] = field(default_factory=list)

    def stop(self, number: str) -> AddressHolder | None:
        return self._once("stop", number)

    def start(self, number: str) -> AddressHolder | None:
        return self._once("start", number)

    def holder_of(self, number: str) -> AddressHolder | None:
        return AddressHolder(1, 1, None, self.shop_name, self.locale) if number == "+14155550007" else None

    def _once(self, act: str, number: str) -> AddressHolder | None:
        is_news = (act, number) not in self.done
        self.done.append((act, number))
        return self.holder_of(number) if is_news else None


@pytest.fixture
def answers() -> FakeAnswers:
    return FakeAnswers()


@pytest.fixture
def deliveries() -> FakeDeliveries:
    return FakeDeliveries()


@pytest.fixture
def open_door(
    make_settings: Callable[..., Settings], deliveries: FakeDeliveries, answers: FakeAnswers
) -> Callable[..., FlaskClient]:
    """Open the door with these settings besides APP_URL."""

    def open_with(**extra: object) -> FlaskClient:
        settings = make_settings(app_url=APP_URL, **extra)
        services: Any = SimpleNamespace(
            settings=settings,
            deliveries=deliveries,
            links=Links(settings.secret_keys, settings.public_url),
            answers=answers,
        )
        app = Flask("test")
        register_error_handlers(app)
        app.register_blueprint(receipts_blueprint(services))
        return app.test_client()

    return open_with


@pytest.fixture
def client(open_door: Callable[..., FlaskClient]) -> FlaskClient:
    return open_door(twilio_auth_token=TOKEN)


def sign(url: str, form: dict[str, str], token: str = TOKEN, method: str = "sha1") -> str:
    """Sign as Twilio's page says: the address, then every name and value in the order of the names."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), method)).decode()


def post(
    client: FlaskClient, form: dict[str, str] | None = None, query: str = f"?d={D7}", **headers: str
) -> TestResponse:
    """Post a report; without another `signature`, the right one."""
    form = FORM if form is None else form
    named = {"X-Twilio-Signature": headers.pop("signature", None) or sign(f"{APP_URL}{PATH}{query}", form)}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    # Behind a proxy the program sees another host: what counts is APP_URL.
    return client.post(PATH + query, data=form, headers=named, base_url="http://10.0.0.3:8000")


def test_the_signature_is_the_one_twilio_documents() -> None:
    """A vector worked out by hand, so that the signing in this file is not its own judge."""
    url = "https://example.com/myapp.php?foo=1&bar=2"
    form = {"Digits": "1234", "CallSid": "CA1", "From": "+1415"}
    by_hand = b"https://example.com/myapp.php?foo=1&bar=2CallSidCA1Digits1234From+1415"
    assert sign(url, form) == base64.b64encode(hmac.new(b"12345", by_hand, hashlib.sha1).digest()).decode()
    assert sign(url, form) == "FuHe8najIt06eDHZi6U8T6fIOt0="


def test_a_signed_report_is_recorded(client: FlaskClient, deliveries: FakeDeliveries) -> None:
    answer = post(client)
    assert (answer.status_code, answer.data) == (204, b"")
    assert deliveries.receipts == [Receipt(7, ReceiptStatus.delivered, provider_message_id=SID)]


def test_a_report_of_failure_says_where_the_fault_lies(client: FlaskClient, deliveries: FakeDeliveries) -> None:
    assert post(client, FORM | {"MessageStatus": "undelivered", "ErrorCode": "30005"}).status_code == 204
    assert deliveries.receipts == [Receipt(7, ReceiptStatus.bounced, "unknown_handset", Blame.address, SID)]


def test_a_duplicate_is_accepted(client: FlaskClient) -> None:
    assert [post(client).status_code for _ in range(3)] == [204] * 3


@pytest.mark.parametrize(
    ("form", "query"),
    [
        (FORM | {"MessageStatus": "teleported"}, f"?d={D7}"),
        ({"New": ""}, f"?d={D7}"),
        (FORM, ""),
        (FORM, "?d="),
        (FORM, "?d=forged"),
        (FORM, f"?d={Links(['another-instances-signing-secret-01'], APP_URL).receipt_token(7)}"),
        (FORM, f"?d={Links([KEY], APP_URL).click(7).rsplit('/', 1)[1]}"),
        (FORM, f"?d={'7' * 5000}"),
        (FORM, "?d=%C3%A9"),
    ],
    ids=["unknown status", "no status", "no token", "empty token", "forged", "foreign", "click", "long", "not ASCII"],
)
def test_what_says_nothing_about_a_delivery_of_ours_is_accepted_without_effect(
    client: FlaskClient, deliveries: FakeDeliveries, form: dict[str, str], query: str
) -> None:
    assert post(client, form, query).status_code == 204
    assert deliveries.receipts == []


URL = f"{APP_URL}{PATH}?d={D7}"
REFUSED = {
    "another token": sign(URL, FORM, "other"),
    "an empty token": sign(URL, FORM, ""),
    "another host": sign(URL.replace("alerts", "evil"), FORM),
    "without the query": sign(f"{APP_URL}{PATH}", FORM),
    "a parameter left out": sign(URL, {name: value for name, value in FORM.items() if name != "New"} | {"To": ""}),
    "another status": sign(URL, FORM | {"MessageStatus": "failed"}),
    "another delivery": sign(f"{APP_URL}{PATH}?d={Links([KEY], APP_URL).receipt_token(8)}", FORM),
    "nonsense": "nonsense",
    "not ASCII": "é" * 28,
}


@pytest.mark.parametrize("signature", REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_signature_is_refused(client: FlaskClient, deliveries: FakeDeliveries, signature: str) -> None:
    answer = post(client, signature=signature)
    assert answer.status_code == 403
    assert answer.get_json()["error"]["code"] == "FORBIDDEN"
    assert deliveries.receipts == []


def test_a_report_without_a_signature_is_refused(client: FlaskClient, deliveries: FakeDeliveries) -> None:
    assert client.post(f"{PATH}?d={D7}", data=FORM).status_code == 403
    assert deliveries.receipts == []


def test_a_parameter_said_twice_is_signed_with_both_its_values(client: FlaskClient, deliveries: FakeDeliveries) -> None:
    text = URL + "MessageStatusdelivered" + "XaXb"
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), text.encode(), "sha1")).decode()
    body = "X=b&MessageStatus=delivered&X=a"
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    for signed, status in ((signature, 204), (sign(URL, {"MessageStatus": "delivered", "X": "a"}), 403)):
        headers = {"X-Twilio-Signature": signed}
        assert client.post(f"{PATH}?d={D7}", data=body, headers=headers, content_type=kind).status_code == status
    assert len(deliveries.receipts) == 1


def test_a_signature_with_sha256_is_understood_when_the_report_names_it(client: FlaskClient) -> None:
    signature = sign(URL, FORM, method="sha256")
    named = "key=k,algorithm=HMAC_SHA256"
    assert post(client, signature=signature, X_Twilio_Webhooks_Signature_Settings=named).status_code == 204
    assert post(client, signature=signature).status_code == 403
    assert post(client, X_Twilio_Webhooks_Signature_Settings="key=k,algorithm=NONE").status_code == 403


@pytest.mark.parametrize("token", [None, ""])
def test_without_twilio_every_report_is_refused(
    open_door: Callable[..., FlaskClient], deliveries: FakeDeliveries, token: str | None
) -> None:
    assert post(open_door(twilio_auth_token=token), signature=sign(URL, FORM, "")).status_code == 403
    assert deliveries.receipts == []


def test_only_small_forms_are_read(client: FlaskClient, deliveries: FakeDeliveries) -> None:
    assert post(client, {"MessageStatus": "x" * MAX_BODY_BYTES}).status_code == 413
    for kind in ("application/json", "multipart/form-data; boundary=b", "text/plain", ""):
        headers = {"X-Twilio-Signature": sign(URL, {})}
        answer = client.post(f"{PATH}?d={D7}", data=urlencode(FORM), headers=headers, content_type=kind)
        assert answer.status_code == 415
    assert client.get(f"{PATH}?d={D7}").status_code == 405
    assert deliveries.receipts == []


def text_in(client: FlaskClient, body: str, number: str = "+14155550007", **more: str) -> TestResponse:
    """Bring a person's text, signed as Twilio does."""
    form = {"From": number, "To": "+15005550006", "Body": body, "MessageSid": SID, **more}
    signature = {"X-Twilio-Signature": sign(f"{APP_URL}{INBOUND}", form)}
    return client.post(INBOUND, data=form, headers=signature, base_url="http://10.0.0.3:8000")


def said_in(answer: TestResponse) -> str:
    assert (answer.status_code, answer.mimetype) == (200, "text/xml")
    return "".join(ElementTree.fromstring(answer.text).itertext())


def test_a_stop_in_ones_own_words_is_done_and_answered_once(client: FlaskClient, answers: FakeAnswers) -> None:
    assert said_in(text_in(client, "please stop texting me")).startswith("North & Pine: you will get no more messages")
    assert said_in(text_in(client, "please stop texting me")) == "", "the same text brought again"
    assert answers.done == [("stop", "+14155550007")] * 2


@pytest.mark.parametrize(("body", "done"), [("STOP", "stop"), ("START", "start"), ("HELP", None)])
def test_what_twilio_answers_itself_is_done_and_not_answered_again(
    client: FlaskClient, answers: FakeAnswers, body: str, done: str | None
) -> None:
    assert said_in(text_in(client, body)) == ""
    assert [word for word, _ in answers.done] == ([done] if done else [])
    assert said_in(text_in(client, "anything", OptOutType=body)) == ""


def test_a_call_for_help_in_another_language_is_answered(client: FlaskClient) -> None:
    assert "Reply STOP to opt out" in said_in(text_in(client, "Hilfe"))
    assert said_in(text_in(client, "Hilfe", number="+14155559999")) == "", "a stranger learns nothing"


@pytest.mark.parametrize("locale", [*LANGUAGES, "fr-CA", "xx"])
def test_an_answer_is_in_the_persons_language_and_costs_two_segments_at_most(
    client: FlaskClient, answers: FakeAnswers, locale: str
) -> None:
    answers.locale = locale
    phrases = phrases_for(locale)
    shop = "\u2068North & Pine\u2069" if phrases.direction == "rtl" else "North & Pine"
    for body, sentence, word in (
        ("please stop texting me", "sms.stopped", "START"),
        ("reprendre", "sms.started", "STOP"),
        ("hilfe", "sms.help", "STOP"),
    ):
        answer = said_in(text_in(client, body))
        assert answer == phrases.say(sentence, shop=shop)
        assert word in answer, "what is to be typed is typed alike everywhere"
        assert cost_of(answer).segment_count <= 2


def test_a_shops_endless_name_does_not_fill_the_answer(client: FlaskClient, answers: FakeAnswers) -> None:
    answers.shop_name = "N" * 500
    assert len(said_in(text_in(client, "hilfe"))) < 160


@pytest.mark.parametrize("number", ["", "12345", "whatsapp:+14155550007", "+1415555000x"])
def test_a_sender_that_is_no_number_changes_nothing(client: FlaskClient, answers: FakeAnswers, number: str) -> None:
    assert said_in(text_in(client, "please stop", number=number)) == ""
    assert answers.done == []


def test_other_words_change_nothing(client: FlaskClient, answers: FakeAnswers) -> None:
    assert said_in(text_in(client, "is it back yet?")) == ""
    assert answers.done == []


def test_a_text_without_twilios_signature_is_nobodys(client: FlaskClient, answers: FakeAnswers) -> None:
    form = {"From": "+14155550007", "Body": "STOP"}
    assert client.post(INBOUND, data=form, headers={"X-Twilio-Signature": "x"}).status_code == 403
    status_signature = {"X-Twilio-Signature": sign(f"{APP_URL}{PATH}", form)}
    assert client.post(INBOUND, data=form, headers=status_signature).status_code == 403
    assert client.post(INBOUND, json=form).status_code == 415
    assert answers.done == []
