"""A webhook's signature: ours and Shopify's own library give the same verdict."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_app import ShopifyApp

from restock.shopify.signatures import WebhookSignature, sign_webhook

BODY = '{"foo": "bar"}'
VECTOR = ("test_secret_key", BODY, "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=")


def _library_says(body: str, signature: str, secret: str, old_secret: str | None = None) -> bool:
    judge = ShopifyApp(client_id="app", client_secret=secret, old_client_secret=old_secret)
    headers = {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Shop-Domain": "demo.myshopify.com"}
    request = {"method": "POST", "url": "https://app.example/webhooks/shopify", "headers": headers, "body": body}
    try:
        return judge.verify_webhook_req(request).ok
    except TypeError:  # its way of refusing a signature that is not ASCII
        return False


def _we_say(body: str, signature: str | None, *secrets: str) -> bool:
    return WebhookSignature([secret.encode() for secret in secrets]).is_genuine(body.encode(), signature)


def test_the_documented_example_is_genuine() -> None:
    secret, body, signature = VECTOR
    assert sign_webhook(secret, body.encode()) == signature
    assert _we_say(body, signature, secret)
    assert _library_says(body, signature, secret)


GOOD = VECTOR[2]
CASES = [
    ("as signed", BODY, GOOD, True),
    ("written again by a JSON library", '{"foo":"bar"}', GOOD, False),
    ("one byte flipped", BODY.replace("bar", "baz"), GOOD, False),
    ("cut short", BODY[:-1], GOOD, False),
    ("nothing signed", "", GOOD, False),
    ("one letter of the signature flipped", BODY, "C" + GOOD[1:], False),
    ("signature cut short", BODY, GOOD[:-1], False),
    ("signature in capitals", BODY, GOOD.upper(), False),
    ("signature twice", BODY, f"{GOOD}, {GOOD}", False),
    ("hexadecimal", BODY, base64.b64decode(GOOD).hex(), False),
    ("not ASCII", BODY, "é" + GOOD[1:], False),
    ("no signature", BODY, "", False),
]


@pytest.mark.parametrize(("body", "signature", "genuine"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_signature_is_judged_as_shopifys_library_does(body: str, signature: str, genuine: bool) -> None:
    assert _we_say(body, signature, VECTOR[0]) is genuine
    assert _library_says(body, signature, VECTOR[0]) is genuine


def test_a_missing_signature_is_not_genuine() -> None:
    assert not _we_say(BODY, None, "hush")


@pytest.mark.parametrize("used", ["current", "old"])
def test_after_a_rotation_both_secrets_are_good_for_a_while(used: str) -> None:
    signature = sign_webhook(used, BODY.encode())
    assert _we_say(BODY, signature, "current", "old")
    assert _library_says(BODY, signature, "current", "old")
    assert not _we_say(BODY, signature, "third")


def test_an_empty_secret_is_refused_and_none_at_all_means_nothing_is_genuine() -> None:
    with pytest.raises(ValueError, match="empty"):
        WebhookSignature([b"hush", b""])
    assert not WebhookSignature([]).is_genuine(BODY.encode(), sign_webhook("", BODY.encode()))


def test_no_secret_is_printed() -> None:
    assert "hush" not in repr(WebhookSignature([b"hush"]))


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(body=TEXT, secret=st.text("abc123", min_size=1), other=st.text("abc123", min_size=1), flips=st.booleans())
def test_for_any_body_and_secrets_the_two_agree(body: str, secret: str, other: str, flips: bool) -> None:
    signature = sign_webhook(other if flips else secret, body.encode())
    genuine = _we_say(body, signature, secret)
    assert genuine == _library_says(body, signature, secret)
    assert genuine == (secret == other or not flips)


@given(TEXT)
def test_no_text_passes_for_a_signature(signature: str) -> None:
    assert _we_say(BODY, signature, "hush") == (signature == sign_webhook("hush", BODY.encode()))
