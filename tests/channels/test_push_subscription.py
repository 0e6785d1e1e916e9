"""What a browser's push subscription may look like, and which endpoints are never posted to."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.push.endpoints import EndpointError, check_endpoint, origin_of
from restock.channels.push.subscription import PushSubscription, is_public_key, parse_push_subscription

KEY = ec.derive_private_key(20_261_122, ec.SECP256R1())  # always the same: it stands in the tests' names
POINT = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
P256DH = base64.urlsafe_b64encode(POINT).rstrip(b"=").decode()
AUTH = base64.urlsafe_b64encode(b"0123456789abcdef").rstrip(b"=").decode()
ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc:def-_123"
GOOD: dict[str, Any] = {"endpoint": ENDPOINT, "expirationTime": None, "keys": {"p256dh": P256DH, "auth": AUTH}}


def parsed(value: object, **options: Any) -> PushSubscription:
    result = parse_push_subscription(value, **options)
    assert isinstance(result, PushSubscription), result
    return result


def faults_of(value: object, **options: Any) -> list[str]:
    result = parse_push_subscription(value, **options)
    assert isinstance(result, tuple), "expected faults"
    return [fault.field for fault in result]


@pytest.mark.parametrize(
    "form",
    [
        GOOD,
        json.dumps(GOOD),
        f"  {json.dumps(GOOD)}\n",
        base64.urlsafe_b64encode(json.dumps(GOOD).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps(GOOD).encode()).decode().rstrip("="),
    ],
    ids=["object", "text", "text with spaces", "base64url", "base64url without padding"],
)
def test_every_usual_form_of_a_subscription_is_read(form: object) -> None:
    found = parsed(form)
    assert (found.endpoint, found.keys.p256dh, found.keys.auth) == (ENDPOINT, P256DH, AUTH)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_keys_in_either_alphabet_padded_or_not_become_one_form(encode: Any, padded: bool) -> None:
    p256dh, auth = (encode(raw).decode() if padded else encode(raw).decode().rstrip("=") for raw in (POINT, b"a" * 16))
    found = parsed({"endpoint": ENDPOINT, "keys": {"p256dh": p256dh, "auth": auth}})
    assert found.keys.p256dh == P256DH
    assert "=" not in found.keys.auth


@pytest.mark.parametrize(
    "value",
    [
        None, 7, [], "", "{", "[]", "null", "fMEQ7xC-TOKEN:APA91bF", "6392d91a-b206-4b7b-a620-cd68e32c3a76",
        "{" * 5000, "[" * 8000, "x" * 10_000, '{"a":' * 1500 + "1" + "}" * 1500, "\ud800", "🛒",
    ],
)  # fmt: skip
def test_anything_else_is_one_clear_fault(value: object) -> None:
    assert faults_of(value) == ["customer.push"]


def test_all_faults_of_a_subscription_are_told_at_once() -> None:
    bad = {"endpoint": "http://evil.example/", "expirationTime": 1, "keys": {"p256dh": "xx", "auth": None}}
    assert faults_of(bad, name="push", now=datetime(2026, 1, 1, tzinfo=UTC)) == [
        "push.endpoint",
        "push.keys.p256dh",
        "push.keys.auth",
        "push.expirationTime",
    ]


def test_a_fault_never_repeats_the_endpoint_or_a_key() -> None:
    canary = "https://evil.example/CANARY"
    found = parse_push_subscription({"endpoint": canary, "keys": {"p256dh": "CANARY", "auth": "CANARY"}})
    assert "CANARY" not in repr(found)
    assert "abc:def" not in repr(parsed(GOOD))


@pytest.mark.parametrize(
    "p256dh",
    [
        "",
        "A" * 87,
        base64.urlsafe_b64encode(POINT[:64]).decode(),
        base64.urlsafe_b64encode(b"\x04" + b"\x01" * 64).decode(),  # well-formed, but not on the curve
        base64.urlsafe_b64encode(b"\x02" + POINT[1:]).decode(),
        "é" + P256DH[1:],
        7,
        ["x"],
        {"a": 1},
    ],
)
def test_a_public_key_must_be_a_point_on_the_curve(p256dh: object) -> None:
    assert faults_of({"endpoint": ENDPOINT, "keys": {"p256dh": p256dh, "auth": AUTH}}) == ["customer.push.keys.p256dh"]


@pytest.mark.parametrize("auth", ["", "AAAA", base64.b64encode(b"a" * 17).decode(), None, 1, b"a" * 16])
def test_an_auth_secret_has_sixteen_bytes(auth: object) -> None:
    assert faults_of({"endpoint": ENDPOINT, "keys": {"p256dh": P256DH, "auth": auth}}) == ["customer.push.keys.auth"]


def test_an_expired_subscription_is_refused_and_a_lasting_one_kept() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert faults_of(GOOD | {"expirationTime": now.timestamp() * 1000}, now=now) == ["customer.push.expirationTime"]
    parsed(GOOD | {"expirationTime": now.timestamp() * 1000 + 1000}, now=now)
    parsed(GOOD | {"expirationTime": True}, now=now)
    parsed(GOOD | {"expirationTime": 10**400}, now=now)


@pytest.mark.parametrize(
    ("endpoint", "normal"),
    [
        (ENDPOINT, ENDPOINT),
        ("https://android.googleapis.com/gcm/send/x", "https://android.googleapis.com/gcm/send/x"),
        ("https://updates.push.services.mozilla.com/wpush/v2/gA", "https://updates.push.services.mozilla.com/wpush/v2/gA"),
        ("https://eu.push.services.mozilla.com/w", "https://eu.push.services.mozilla.com/w"),
        ("https://web.push.apple.com/QA", "https://web.push.apple.com/QA"),
        ("https://wns2-par02p.notify.windows.com/w/?token=B%3d", "https://wns2-par02p.notify.windows.com/w/?token=B%3d"),
        ("HTTPS://FCM.googleapis.com:443/Send", "https://fcm.googleapis.com/Send"),
    ],
)  # fmt: skip
def test_the_known_push_services_are_allowed_in_one_normal_form(endpoint: str, normal: str) -> None:
    assert check_endpoint(endpoint) == normal
    assert check_endpoint(normal) == normal
    assert origin_of(normal).count("/") == 2


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x", "https://fcm.googleapis.com:8443/x", "https://fcm.googleapis.com./x",
        "https://user@fcm.googleapis.com/x", "https://fcm.googleapis.com@evil.example/x", "https://fcm.googleapis.com",
        "https://fcm.googleapis.com.evil.example/x", "https://evilfcm.googleapis.com/x", "https://push.apple.com/x",
        "https://xpush.apple.com/x", "https://127.0.0.1/x", "https://[::1]/x", "https://2130706433/x",
        "https://169.254.169.254/latest", "https://localhost/x", "https://fcm.googleapis.com/x#y",
        "https://fcm.googleapis.com\\@evil.example/x", "https://fcm.googleapis.com/\\x", "//fcm.googleapis.com/x",
        "https:fcm.googleapis.com/x", "https://fcm.googleapis.com/a b", "https://fcm.googleapis.com/a\r\nHost: evil",
        "https://fcm.goog\tleapis.com/x", "https://fcm。googleapis。com/x", "https://ﬁcm.googleapis.com/x", "", "x",
        "ftp://fcm.googleapis.com/x", "https://fcm.googleapis.com/" + "a" * 2048, "https://web.push.apple.com\n/x",
        "https://127.0.0.1:9010/x", " https://fcm.googleapis.com/x", "https://fcm.googleapis.com/x\n",
    ],
)  # fmt: skip
def test_every_other_address_is_refused(endpoint: str) -> None:
    with pytest.raises(EndpointError):
        check_endpoint(endpoint)


def test_an_extra_host_is_reachable_only_by_its_exact_port() -> None:
    assert check_endpoint("http://127.0.0.1:9010/push/1", ["127.0.0.1:9010"]) == "http://127.0.0.1:9010/push/1"
    for other in ("http://127.0.0.1:9011/x", "http://127.0.0.1/x", "http://127.0.0.1:9010@evil.example/x"):
        with pytest.raises(EndpointError):
            check_endpoint(other, ["127.0.0.1:9010"])


@given(value=st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.dictionaries(st.sampled_from(["endpoint", "keys", "p256dh", "auth", "expirationTime"]), inner),
    max_leaves=8,
))  # fmt: skip
def test_no_shape_of_input_breaks_the_reader(value: object) -> None:
    parse_push_subscription(value, now=datetime(2026, 1, 1, tzinfo=UTC))
    parse_push_subscription(json.dumps(value), now=datetime(2026, 1, 1, tzinfo=UTC))


@given(host=st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_no_host_but_a_known_one_passes(host: str) -> None:
    try:
        check_endpoint(f"https://{host}.example/x")
    except EndpointError:
        return
    raise AssertionError("a stranger's host passed")


def _library_says(raw: bytes) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        return False
    return True


_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
_LAST_TERM = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_COORDINATES = st.one_of(st.binary(min_size=32, max_size=32), st.integers(-3, 3).map(lambda by: (_PRIME + by) % 2**256))


@given(st.integers(1, 2**250), st.integers(0, 64), st.sampled_from([0, 0, 1, 128]))
def test_a_key_is_a_point_on_the_curve_exactly_where_the_library_says_so(secret: int, place: int, flip: int) -> None:
    public = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
    raw = bytearray(public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    raw[place] ^= flip
    assert is_public_key(bytes(raw)) is _library_says(bytes(raw)) is (flip == 0)


@given(_COORDINATES, _COORDINATES)
def test_coordinates_beyond_the_prime_are_no_point(x: bytes | int, y: bytes | int) -> None:
    wide = [part if isinstance(part, bytes) else part.to_bytes(32) for part in (x, y)]
    raw = b"\x04" + b"".join(wide)
    assert is_public_key(raw) is _library_says(raw)


def test_a_point_written_beyond_the_prime_is_refused() -> None:
    """x = 5 is on the curve; x + p names the same point in a second spelling."""
    y = pow(5**3 - 3 * 5 + _LAST_TERM, (_PRIME + 1) // 4, _PRIME)
    assert is_public_key(b"\x04" + (5).to_bytes(32) + y.to_bytes(32))
    assert not is_public_key(b"\x04" + (5 + _PRIME).to_bytes(32) + y.to_bytes(32))
