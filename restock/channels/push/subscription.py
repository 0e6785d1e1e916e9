"""Read a browser's push subscription as shops and themes send it: JSON text, an object, or base64url of that JSON.

Pure. Everything a hostile sender can vary is checked here, so that later one row never ends a batch. Neither the
endpoint nor a key is ever repeated in a message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from restock.channels.push.endpoints import EndpointError, check_endpoint
from restock.channels.values import PushKeys
from restock.errors import Fault

LONGEST_TEXT = 8192
# P-256 (SP 800-186): y² = x³ - 3x + b over the integers modulo p. Its cofactor is 1, so every point on it will do.
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_BASE64 = re.compile(r"[A-Za-z0-9_+/-]+={0,2}")
_UNREADABLE = (
    "must be a browser's PushSubscription: the text of JSON.stringify(subscription), or that object itself, "
    "with endpoint, keys.p256dh and keys.auth"
)


@dataclass(frozen=True, slots=True)
class PushSubscription:
    """A subscription fit to be kept: the endpoint in normal form, the keys base64url without padding."""

    endpoint: str = field(repr=False)
    keys: PushKeys = field(repr=False)


def parse_push_subscription(
    value: object,
    *,
    name: str = "customer.push",
    now: datetime | None = None,
    extra_hosts: Collection[str] = (),
    our_key: str | None = None,
) -> PushSubscription | tuple[Fault, ...]:
    """Read and check a subscription; return it, or every fault found.

    `name` is the field the faults name. Without `now` the optional `expirationTime` is not judged. `extra_hosts` as
    in `check_endpoint`. `our_key` is the public key browsers are given: a subscription that says it was made with
    another can never be reached.
    """
    fields = _fields(value)
    if fields is None:
        return (Fault(name, "INVALID_PUSH", _UNREADABLE),)
    faults: list[Fault] = []
    endpoint = _endpoint(fields.get("endpoint"), name, extra_hosts, faults)
    keys = fields.get("keys")
    keys = keys if isinstance(keys, Mapping) else {}
    p256dh = _public_key(keys.get("p256dh"), name, faults)
    auth = _auth_secret(keys.get("auth"), name, faults)
    _check_maker(fields.get("applicationServerKey"), our_key, name, faults)
    if now is not None and _is_over(fields.get("expirationTime"), now):
        faults.append(Fault(f"{name}.expirationTime", "EXPIRED_PUSH", "has passed: subscribe the browser again"))
    if faults:
        return tuple(faults)
    return PushSubscription(endpoint, PushKeys(p256dh, auth, key_name(our_key) if our_key else None))


@cache
def key_name(public_key: str) -> str:
    """Name one of our public keys (base64url) shortly: what is kept with each subscription made with it."""
    return encode_key(hashlib.sha256(decode_key(public_key) or b"").digest()[:9])


def decode_key(text: object) -> bytes | None:
    """Decode base64 in either alphabet, padded or not; None when it is not that."""
    if not isinstance(text, str) or len(text) > 256 or not _BASE64.fullmatch(text):
        return None
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except binascii.Error:
        return None


def encode_key(raw: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def is_public_key(raw: bytes | None) -> bool:
    """Say whether the bytes are an uncompressed point on P-256 (RFC 8291).

    By the curve's equation: nothing here is secret, and a library that makes a key of it takes twenty times as long.
    """
    if raw is None or len(raw) != 65 or raw[0] != 4:
        return False
    x, y = int.from_bytes(raw[1:33]), int.from_bytes(raw[33:])
    return x < _P and y < _P and (y * y - x * x * x + 3 * x - _B) % _P == 0


def _fields(value: object) -> Mapping[str, object] | None:
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return None
    text = value.strip()
    if not text.startswith("{"):
        text = _from_base64(text)
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _from_base64(text: str) -> str:
    plain = text.rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        return ""


def _endpoint(value: object, name: str, extra_hosts: Collection[str], faults: list[Fault]) -> str:
    field_name = f"{name}.endpoint"
    if not isinstance(value, str) or not value:
        faults.append(Fault(field_name, "INVALID_PUSH_ENDPOINT", "is missing: send the subscription's endpoint"))
        return ""
    try:
        return check_endpoint(value, extra_hosts)
    except EndpointError as error:
        faults.append(Fault(field_name, "INVALID_PUSH_ENDPOINT", str(error)))
        return ""


def _public_key(value: object, name: str, faults: list[Fault]) -> str:
    raw = decode_key(value)
    if raw is not None and is_public_key(raw):
        return encode_key(raw)
    message = "must be the browser's public key: base64url of 65 bytes, a point on the curve P-256"
    faults.append(Fault(f"{name}.keys.p256dh", "INVALID_PUSH_KEYS", message))
    return ""


def _auth_secret(value: object, name: str, faults: list[Fault]) -> str:
    raw = decode_key(value)
    if raw is not None and len(raw) == 16:
        return encode_key(raw)
    message = "must be the browser's auth secret: base64url of 16 bytes"
    faults.append(Fault(f"{name}.keys.auth", "INVALID_PUSH_KEYS", message))
    return ""


def _check_maker(value: object, our_key: str | None, name: str, faults: list[Fault]) -> None:
    """Compare the optional `applicationServerKey` with ours; scripts of others do not send it."""
    if value is None or our_key is None or decode_key(value) == decode_key(our_key):
        return
    message = "is not this app's key: unsubscribe the browser and subscribe it again with the key of config.json"
    faults.append(Fault(f"{name}.applicationServerKey", "OTHER_VAPID_KEY", message))


def _is_over(expiration: object, now: datetime) -> bool:
    """Judge `expirationTime`, milliseconds since the epoch; anything that is no number counts as absent."""
    if isinstance(expiration, bool) or not isinstance(expiration, int | float):
        return False
    return expiration <= now.timestamp() * 1000
