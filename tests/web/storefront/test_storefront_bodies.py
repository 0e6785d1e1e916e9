"""Bodies that are no well-formed JSON object, too large, of another type, or simply strange."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.storefront.conftest import Storefront, post_body

MALFORMED = {
    "nothing": b"",
    "no JSON": b"intent=1",
    "half an object": b'{"intent": {',
    "something after": b"{} {}",
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "NaN": b'{"intent": NaN}',
    "Infinity": b'{"intent": -Infinity}',
    "beyond a double": b'{"intent": 1e400}',
    "thousands of digits": b'{"intent": ' + b"9" * 5000 + b"}",
    "a field twice": b'{"intent": {"quantity": 1, "quantity": 2}}',
    "a field twice in disguise": b'{"intent": 1, "\\u0069ntent": 2}',
    "NUL in a text": b'{"customer": {"name": "\\u0000"}}',
    "NUL in a name": b'{"\\u0000": 1}',
    "half a surrogate pair": b'{"customer": {"name": "\\ud800"}}',
    "the other half": b'{"customer": ["\\udc00"]}',
    "raw NUL": b'{"customer": "\x00"}',
    "bad UTF-8": b'{"customer": "\xff"}',
    "a surrogate in UTF-8": b'{"customer": "\xed\xa0\x80"}',
    "UTF-16": '{"intent": 1}'.encode("utf-16"),
    "33 levels": b'{"a":' * 33 + b"1" + b"}" * 33,
    "30,000 levels": b"[" * 30_000 + b"]" * 30_000,
    "unclosed levels": b'{"a":' + b"[" * 60_000,
    "single quotes": b"{'intent': 1}",
    "a trailing comma": b'{"intent": 1,}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_well_formed_object_is_called_that(storefront: Storefront, body: bytes) -> None:
    answer = storefront.post(body)
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "MALFORMED_JSON"
    assert answer.get_json()["errors"] == [answer.get_json()["error"]["message"]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b" ", "The body is empty. The body must be one JSON object"),
        (b'{"intent": {"quantity": 1, "channel": "sms", "quantity": 2}}', 'names the field "quantity" twice'),
    ],
)
def test_the_answer_says_what_to_mend(storefront: Storefront, body: bytes, said: str) -> None:
    assert said in storefront.post(body).get_json()["error"]["message"]


def test_a_gid_is_told_from_a_number_that_is_too_large(storefront: Storefront) -> None:
    answer = storefront.post(post_body(intent__shopify_variant_id="gid://shopify/ProductVariant/45120000102"))
    [fault] = answer.get_json()["error"]["details"]
    assert fault["message"].endswith("of a gid, what stands at its end")


@pytest.mark.parametrize(
    "sent", ["shopifyVariantId", "ShopifyVariantId", "shopify-variant-id", "variant_id", "variantId"]
)
def test_a_required_field_under_another_spelling_is_named_with_its_own(storefront: Storefront, sent: str) -> None:
    body = {"intent": {sent: 770077, "shopifyProductId": 2, "Channel": "email", "shopifyvariantid": 4}}
    answer = storefront.post(json.dumps(body).encode())
    said = {fault["field"]: fault["message"] for fault in answer.get_json()["error"]["details"]}
    assert said["intent.shopify_variant_id"] == (
        f"is required: the id as Shopify gives it; you sent {sent}: write shopify_variant_id"
    )
    assert said["intent.shopify_product_id"].endswith("; you sent shopifyProductId: write shopify_product_id")
    assert said["intent.channel"].endswith("; you sent Channel: write channel")
    assert "770077" not in answer.get_data(as_text=True)


def test_names_nobody_knows_are_never_repeated(storefront: Storefront) -> None:
    answer = storefront.post(b'{"intent": {"<b>shopifyVariantId": 1, "shopifyVariantID": 2, "e_mail": 3}}')
    assert answer.status_code == 400
    assert "you sent" not in answer.get_data(as_text=True)


def test_harmless_peculiarities_are_forgiven(storefront: Storefront) -> None:
    body = post_body(customer__name="A\\u0000", extra__deep=json.loads("[" * 29 + "]" * 29))
    for text in (b"\xef\xbb\xbf" + json.dumps(body).encode(), b" \n" + json.dumps(body, ensure_ascii=False).encode()):
        assert storefront.post(text).status_code == 201
    emoji = json.dumps(post_body(customer__name="🫖"))  # a whole surrogate pair, escaped
    assert storefront.post(emoji.encode()).status_code == 201


def test_a_body_that_is_too_large_is_refused_unread(storefront: Storefront) -> None:
    assert storefront.post(b" " * (64 * 1024 + 1)).status_code == 413
    assert storefront.post(json.dumps(post_body()).encode().ljust(64 * 1024)).status_code == 201


def test_a_chunked_body_has_the_same_bound(storefront: Storefront) -> None:
    import io

    options: dict[str, Any] = {"environ_overrides": {"wsgi.input_terminated": True}, "content_length": None}
    good = json.dumps(post_body()).encode()
    for body, status in ((good, 201), (b" " * 70_000, 413)):
        stream = io.BytesIO(body)
        answer = storefront.client.post(
            "/api/v1/intents.json",
            input_stream=stream,
            headers={"Content-Type": "application/json", "X-Shopify-Shop-Domain": "kettle.myshopify.com"},
            **options,
        )
        assert answer.status_code == status


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_type_of_body_is_refused(storefront: Storefront, content_type: str) -> None:
    answer = storefront.post(json.dumps(post_body()), headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert answer.get_json()["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


def test_a_charset_and_capitals_in_the_type_are_fine(storefront: Storefront) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert storefront.post(json.dumps(post_body()), headers=headers).status_code == 201


def test_a_compressed_body_is_refused(storefront: Storefront) -> None:
    assert storefront.post(json.dumps(post_body()), headers={"Content-Encoding": "gzip"}).status_code == 415


FIELDS = "shopify_variant_id shopify_product_id shopify_market_id channel quantity source id email phone push country"
NAMES = st.sampled_from(f"{FIELDS} country_code locale name accepts_marketing title variant_count".split())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
    | st.sampled_from(["email", "sms", "push", "ada@example.com", "+918123676393", "91", "in", 111]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=15,
)  # fmt: skip
BODIES = st.dictionaries(
    st.sampled_from(["intent", "customer", "product", "other"]), VALUES, max_size=4
) | st.fixed_dictionaries({"intent": st.dictionaries(NAMES, VALUES), "customer": st.dictionaries(NAMES, VALUES)})


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES)
def test_no_object_brings_the_door_down(storefront: Storefront, body: dict[str, Any]) -> None:
    answer = storefront.post(body)
    assert answer.status_code in (200, 201, 400)
    assert answer.status_code != 400 or answer.get_json()["errors"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f'{{"intent": {text}}}'.encode("utf-8", "replace"))
)
def test_no_bytes_bring_the_door_down(storefront: Storefront, body: bytes) -> None:
    assert storefront.post(body).status_code == 400
