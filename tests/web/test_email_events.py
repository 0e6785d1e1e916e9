"""The door for what is told of e-mail: each provider's own signature, one shop's messages, nothing believed besides."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from restock.channels.email.providers.catalogue import ProviderName
from restock.channels.email.reports.amazon import AmazonSns
from restock.channels.values import Blame, Receipt, ReceiptStatus
from restock.config import Settings
from restock.links import REPORTS_USER, Links
from restock.web.email_events import MAX_BODY_BYTES, email_events_blueprint
from restock.web.errors import register_error_handlers
from tests.spent import at_most
from tests.web.sns_topic import TOPIC, FakeAmazon, delivered

KEY = "a-signing-secret-for-tests-only-0001"
LINKS = Links([KEY], "https://alerts.example")
MARK = LINKS.report_mark(7)
SHOP, OTHER = 42, 43
NOW = 1_790_000_000
BOUNCE_KEY = "a-key-for-returned-mail-of-32-letters"

_PRIVATE = ec.generate_private_key(ec.SECP256R1())
_OTHER_PRIVATE = ec.generate_private_key(ec.SECP256R1())


def _public(key: ec.EllipticCurvePrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


SECRETS = {
    ProviderName.sendgrid: _public(_PRIVATE),
    ProviderName.mailgun: "mailgun-signing-key",
    ProviderName.ses: TOPIC,
    ProviderName.resend: "whsec_" + base64.b64encode(b"resend-secret-of-24-byte").decode(),
}


@dataclass
class FakeMailings:
    """Two shops with the same provider, and keys of their own."""

    provider: ProviderName
    has_topic: bool = True

    def sends_by(self, shop_id: int, provider: ProviderName) -> bool:
        return shop_id in (SHOP, OTHER) and provider is self.provider

    def hook_secret(self, shop_id: int, provider: ProviderName) -> str | None:
        if shop_id == OTHER and provider is ProviderName.sendgrid:
            return _public(_OTHER_PRIVATE)
        if provider is ProviderName.ses and not self.has_topic:
            return None
        return SECRETS[provider] if shop_id == SHOP else SECRETS[provider][:-4] + "AAA="


@dataclass
class FakeDeliveries:
    told: list[tuple[Receipt, int | None]] = field(default_factory=list)

    def record_receipt(self, receipt: Receipt, shop_id: int | None = None) -> bool:
        self.told.append((receipt, shop_id))
        return True

    def named(self, name: str, shop_id: int) -> int | None:
        """Find the message of the first shop, whose identity reads like its mark here."""
        return 7 if (name, shop_id) == (MARK, SHOP) else None

    def sent_as(self, message_id: str, shop_id: int) -> int | None:
        return 7 if (message_id, shop_id) == ("given", SHOP) else None


@dataclass
class Sent:
    """One report, ready to post; a test may spoil any part of it."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def event(provider: ProviderName, mark: str = MARK) -> Any:
    """A dead mailbox, as each provider reports it."""
    match provider:
        case ProviderName.postmark:
            return {
                "RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1, "MessageID": "m-1",
                "Metadata": {"restock": mark}, "Email": "ada@mail.example",
            }  # fmt: skip
        case ProviderName.sendgrid:
            return [
                {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user",
                 "sg_message_id": "m-1.recvd-5f54-1-67.0", "restock": mark, "email": "ada@mail.example"}
            ]  # fmt: skip
        case ProviderName.mailgun:
            return {
                "event": "failed", "severity": "permanent", "reason": "bounce",
                "delivery-status": {"code": 550, "enhanced-code": "5.1.1", "message": "5.1.1 no such user"},
                "message": {"headers": {"message-id": "m-1"}}, "user-variables": {"restock": mark},
            }  # fmt: skip
        case ProviderName.ses:
            return {
                "notificationType": "Bounce",
                "bounce": {"bounceType": "Permanent", "bounceSubType": "General",
                           "bouncedRecipients": [{"emailAddress": "ada@mail.example", "status": "5.1.1"}]},
                "mail": {"messageId": "m-1", "destination": ["ada@mail.example"], "headers": [
                    {"name": "From", "value": "a@shop.example"}, {"name": "Message-ID", "value": _message_id(mark)}]},
            }  # fmt: skip
        case _:
            return {
                "type": "email.bounced",
                "data": {"email_id": "m-1", "bounce": {"type": "Permanent", "subType": "General"},
                         "tags": {"restock": mark}},
            }  # fmt: skip


def _message_id(mark: Any) -> Any:
    return f"<{mark}@shop.example>" if isinstance(mark, str) else mark


def signed(provider: ProviderName, said: Any, at: int = NOW, token: str = "token-1") -> Sent:
    """Sign a report as its provider does."""
    body = json.dumps(said).encode()
    match provider:
        case ProviderName.postmark:
            login = base64.b64encode(f"{REPORTS_USER}:{LINKS.reports_password(SHOP)}".encode()).decode()
            return Sent(body, {"Authorization": f"Basic {login}"})
        case ProviderName.sendgrid:
            signature = _PRIVATE.sign(str(at).encode() + body, ec.ECDSA(SHA256()))
            return Sent(
                body,
                {
                    "X-Twilio-Email-Event-Webhook-Timestamp": str(at),
                    "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
                },
            )
        case ProviderName.mailgun:
            digest_hex = hmac.new(b"mailgun-signing-key", f"{at}{token}".encode(), hashlib.sha256).hexdigest()
            stamp = {"timestamp": str(at), "token": token, "signature": digest_hex}
            return Sent(json.dumps({"signature": stamp, "event-data": said}).encode())
        case ProviderName.ses:
            return Sent(json.dumps(delivered(said, at)).encode())
        case _:
            text = f"msg_1.{at}.".encode() + body
            digest = hmac.new(b"resend-secret-of-24-byte", text, hashlib.sha256).digest()
            offered = f"v1,{base64.b64encode(b'x' * 32).decode()} v1,{base64.b64encode(digest).decode()}"
            return Sent(body, {"svix-id": "msg_1", "svix-timestamp": str(at), "svix-signature": offered})


@dataclass
class Door:
    provider: ProviderName
    client: FlaskClient
    deliveries: FakeDeliveries
    mailings: FakeMailings
    amazon: FakeAmazon

    def post(self, sent: Sent, shop_id: int = SHOP, provider: str = "") -> TestResponse:
        address = f"/webhooks/email/{provider or self.provider}/{LINKS.reports_key(shop_id)}"
        return self.client.post(address, data=sent.body, headers=sent.headers, content_type="application/json")


@pytest.fixture(params=list(ProviderName))
def door(request: pytest.FixtureRequest, make_settings: Callable[..., Settings]) -> Door:
    """Every provider's door in turn."""
    return opened(request.param, make_settings)


def opened(provider: ProviderName, make_settings: Callable[..., Settings], **more: object) -> Door:
    deliveries, mailings, amazon = FakeDeliveries(), FakeMailings(provider), FakeAmazon(NOW)
    services: Any = SimpleNamespace(
        settings=make_settings(app_url="https://alerts.example", **more),
        links=LINKS,
        shops=SimpleNamespace(mailings=mailings),
        deliveries=deliveries,
    )
    app = Flask("test")
    register_error_handlers(app)
    sns = AmazonSns(amazon.get, lambda: float(NOW))
    app.register_blueprint(email_events_blueprint(services, lambda: float(NOW), sns))
    return Door(provider, app.test_client(), deliveries, mailings, amazon)


def test_a_genuine_report_of_a_dead_mailbox_is_recorded_for_its_shop_alone(door: Door) -> None:
    assert door.post(signed(door.provider, event(door.provider))).status_code == 200
    [(receipt, shop_id)] = door.deliveries.told
    assert (receipt.delivery_id, receipt.status, receipt.blame) == (7, ReceiptStatus.bounced, Blame.address)
    assert (receipt.reason, receipt.provider_message_id, shop_id) == ("mailbox_unknown", "m-1", SHOP)


def test_one_changed_byte_of_what_is_signed_is_refused(door: Door) -> None:
    sent = signed(door.provider, event(door.provider))
    if door.provider is ProviderName.postmark:
        sent.headers = {name: value[:-3] + "AA=" for name, value in sent.headers.items()}
    elif door.provider is ProviderName.mailgun:  # its signature covers the time and the token alone
        sent.body = sent.body.replace(b"token-1", b"token-2")
    else:
        sent.body = sent.body.replace(b"ounce", b"ounCe", 1)
    assert door.post(sent).status_code == 401
    assert door.deliveries.told == []


def test_a_report_without_a_signature_is_refused(door: Door) -> None:
    assert door.post(Sent(json.dumps(event(door.provider)).encode())).status_code == 401
    assert door.deliveries.told == []


def test_a_report_older_than_any_honest_one_is_refused_and_so_is_one_of_the_future(door: Door) -> None:
    if door.provider is ProviderName.postmark:
        pytest.skip("Postmark signs no time: its password is what it has")
    for at in (NOW - 25 * 3600, NOW + 3600):
        assert door.post(signed(door.provider, event(door.provider), at=at)).status_code == 401
    assert door.deliveries.told == []


def test_another_shops_key_opens_nothing(door: Door) -> None:
    assert door.post(signed(door.provider, event(door.provider)), shop_id=OTHER).status_code == 401
    assert door.deliveries.told == []


def test_a_repeat_is_accepted_and_what_it_says_is_the_same(door: Door) -> None:
    sent = signed(door.provider, event(door.provider))
    assert [door.post(sent).status_code for _ in range(3)] == [200] * 3
    assert len({receipt for receipt, _ in door.deliveries.told}) == 1


def test_a_used_token_of_mailguns_brings_no_other_report(make_settings: Callable[..., Settings]) -> None:
    """Its signature does not cover what is reported."""
    door = opened(ProviderName.mailgun, make_settings)
    door.post(signed(ProviderName.mailgun, {"event": "delivered", "user-variables": {"restock": MARK}}))
    forged = signed(ProviderName.mailgun, event(ProviderName.mailgun))
    assert door.post(forged).status_code == 200
    assert [receipt.status for receipt, _ in door.deliveries.told] == [ReceiptStatus.delivered]


def test_a_report_that_could_not_be_recorded_may_be_told_again(make_settings: Callable[..., Settings]) -> None:
    door = opened(ProviderName.mailgun, make_settings)
    sent, record = signed(ProviderName.mailgun, event(ProviderName.mailgun)), door.deliveries.record_receipt

    def away(receipt: Receipt, shop_id: int | None = None) -> bool:
        raise psycopg.OperationalError

    door.deliveries.record_receipt = away  # type: ignore[method-assign]
    assert door.post(sent).status_code == 503
    door.deliveries.record_receipt = record  # type: ignore[method-assign]
    assert door.post(sent).status_code == 200
    assert len(door.deliveries.told) == 1


@pytest.mark.parametrize(
    "mark",
    ["", "7", "7-aaaaaaaaaaaaaaaa", MARK.replace("7-", "8-"), MARK[:-1], f"{MARK}a", "x" * 5000, "é", 7, None, [MARK]],
)
def test_a_report_of_no_message_of_ours_is_accepted_without_effect(door: Door, mark: Any) -> None:
    assert door.post(signed(door.provider, event(door.provider, mark))).status_code == 200
    assert door.deliveries.told == []


@pytest.mark.parametrize("said", [[], {}, None, 7, "x", [None], [[]], {"data": 7}, {"type": 7, "data": {}},
                                  {"RecordType": "Bounce"}, {"event": {}}, [{"event": ["bounce"]}]])  # fmt: skip
def test_a_genuine_report_of_another_form_is_accepted_without_effect(door: Door, said: Any) -> None:
    assert door.post(signed(door.provider, said)).status_code == 200
    assert door.deliveries.told == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000, 400),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400),
        (b"\xff\xfe", 400),
        (b"", 400),
        (b" " * (MAX_BODY_BYTES + 1), 413),
        (rb"\"" * 500_000, 400),
        (b'"' + b"\\" * 999_999, 400),
        (b'{"a":"' + b"[" * 100_000 + b'"', 400),
    ],
    ids=["deep", "deep objects", "no text", "empty", "large", "quotes", "backslashes", "no end"],
)
def test_what_is_no_report_at_all_is_refused_cheaply(
    make_settings: Callable[..., Settings], body: bytes, status: int
) -> None:
    door = opened(ProviderName.postmark, make_settings)
    with at_most(2.0):
        assert door.post(Sent(body, signed(ProviderName.postmark, {}).headers)).status_code == status


def test_nobody_learns_which_shops_there_are(door: Door) -> None:
    """A forged key, a shop that is not here and another provider's address are all the same nothing."""
    sent = signed(door.provider, event(door.provider))
    other = "resend" if door.provider is not ProviderName.resend else "postmark"
    answers = [door.post(sent, shop_id=99), door.post(sent, provider=other), door.post(sent, provider="pigeon")]
    answers.append(door.client.post(f"/webhooks/email/{door.provider}/forged", data=sent.body, headers=sent.headers))
    assert [answer.status_code for answer in answers] == [404] * 4
    assert len({answer.get_json()["error"]["message"] for answer in answers}) == 1


def returned(mark: str = MARK) -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example\r\nTo: bounces+" + mark + "@alerts.example\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        "Final-Recipient: rfc822; ada@mail.example\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n"
    ).encode()


def test_returned_mail_needs_the_instances_key(make_settings: Callable[..., Settings]) -> None:
    door = opened(ProviderName.postmark, make_settings, email_bounce_key=BOUNCE_KEY)
    path = "/webhooks/email/returned"
    for key in ("", "Bearer", "Bearer ", f"Bearer {BOUNCE_KEY}x", f"Basic {BOUNCE_KEY}", "Bearer é"):
        headers = [("Authorization", key.encode("utf-8").decode("latin-1"))]
        assert door.client.post(path, data=returned(), headers=headers).status_code == 401
    assert door.deliveries.told == []
    answer = door.client.post(path, data=returned(), headers={"Authorization": f"Bearer {BOUNCE_KEY}"})
    assert answer.status_code == 200
    [(receipt, shop_id)] = door.deliveries.told
    assert (receipt.delivery_id, receipt.reason, receipt.blame, shop_id) == (
        7, "mailbox_unknown", Blame.address, None,
    )  # fmt: skip


def test_without_a_key_no_returned_mail_is_taken(make_settings: Callable[..., Settings]) -> None:
    door = opened(ProviderName.postmark, make_settings)
    answer = door.client.post("/webhooks/email/returned", data=returned(), headers={"Authorization": "Bearer "})
    assert answer.status_code == 401
