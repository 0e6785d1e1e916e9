"""A push service and the browsers behind it, on this machine: makes subscriptions, checks and decrypts what arrives.

It checks what the real services check (RFC 8030, 8291, 8292) and decrypts with its own few lines, not with the library
that encrypts, so that a message it shows is one a browser would have shown.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from restock.playground.fake_http import Answer, FakePeer, Request

_LARGEST_MESSAGE = 4096
_LONGEST_LIFE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class PushMessage:
    """One notification as the browser received it."""

    subscription_id: str
    payload: bytes
    topic: str
    urgency: str
    ttl_seconds: int


class _RejectedError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass
class _Browser:
    private_key: ec.EllipticCurvePrivateKey
    auth: bytes
    application_server_key: str | None
    expired: bool = False
    messages: list[PushMessage] = field(default_factory=list)

    @property
    def public_point(self) -> bytes:
        return self.private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


class FakePush(FakePeer):
    """`POST /subscribe` makes a browser, `POST /push/ID` reaches it, `GET /messages/ID` reads what it has shown.

    `on_message` is called with each decrypted message, in the server's thread.
    """

    def __init__(self, port: int = 0, on_message: Callable[[PushMessage], None] | None = None) -> None:
        super().__init__(port)
        self._on_message = on_message
        self._browsers: dict[str, _Browser] = {}
        self._lock = threading.Lock()

    def subscribe(self, application_server_key: str | None = None) -> dict[str, object]:
        """Make a browser's PushSubscription, as `JSON.stringify(subscription)` has it.

        With a key only messages signed with it are taken, as in a real browser.
        """
        browser = _Browser(ec.generate_private_key(ec.SECP256R1()), os.urandom(16), application_server_key)
        name = secrets.token_urlsafe(24)
        with self._lock:
            self._browsers[name] = browser
        return {
            "endpoint": f"{self.url}/push/{name}",
            "expirationTime": None,
            "keys": {"p256dh": _encode(browser.public_point), "auth": _encode(browser.auth)},
        }

    def expire(self, subscription: dict[str, object]) -> None:
        """Let the browser unsubscribe: its endpoint answers 410 from now on."""
        self._browsers[str(subscription["endpoint"]).rpartition("/")[2]].expired = True

    def messages(self, subscription: dict[str, object] | None = None) -> list[PushMessage]:
        """Return what one browser, or all, have been shown."""
        with self._lock:
            if subscription is not None:
                return list(self._browsers[str(subscription["endpoint"]).rpartition("/")[2]].messages)
            return [message for browser in self._browsers.values() for message in browser.messages]

    def respond(self, request: Request) -> Answer:
        route, _, name = request.path.strip("/").partition("/")
        if request.method == "POST" and route == "subscribe":
            return Answer(201, self.subscribe(_wanted_key(request.body)))
        browser = self._browsers.get(name)
        if route not in ("push", "messages") or browser is None:
            return Answer(404, {"reason": "no such subscription"})
        if route == "messages":
            return Answer(200, [json.loads(message.payload) for message in browser.messages])
        try:
            return self._deliver(name, browser, request)
        except _RejectedError as reject:
            return Answer(reject.status, {"reason": reject.reason})

    def _deliver(self, name: str, browser: _Browser, request: Request) -> Answer:
        if browser.expired:
            raise _RejectedError(410, "the browser has unsubscribed")
        _check_headers(request)
        _check_vapid(request.headers.get("authorization", ""), self.url, browser.application_server_key)
        message = PushMessage(
            name,
            _decrypt(request.body, browser),
            request.headers.get("topic", ""),
            request.headers.get("urgency", "normal"),
            int(request.headers["ttl"]),
        )
        with self._lock:
            browser.messages.append(message)
        if self._on_message is not None:
            self._on_message(message)
        return Answer(201, None, {"Location": f"{self.url}/message/{secrets.token_urlsafe(12)}"})


def _wanted_key(body: bytes) -> str | None:
    try:
        wanted = json.loads(body or b"{}")
    except ValueError:
        return None
    key = wanted.get("applicationServerKey") if isinstance(wanted, dict) else None
    return key if isinstance(key, str) else None


def _check_headers(request: Request) -> None:
    if not request.headers.get("ttl", "").isdigit():
        raise _RejectedError(400, "TTL is missing (RFC 8030 section 5.2)")
    if request.headers.get("content-encoding") != "aes128gcm":
        raise _RejectedError(400, "Content-Encoding must be aes128gcm")
    if request.headers.get("content-type") != "application/octet-stream":
        raise _RejectedError(400, "Content-Type must be application/octet-stream")
    topic = request.headers.get("topic", "")
    if len(topic) > 32 or not all(c.isascii() and (c.isalnum() or c in "-_") for c in topic):
        raise _RejectedError(400, "Topic must be 32 base64url characters or fewer")
    if len(request.body) > _LARGEST_MESSAGE:
        raise _RejectedError(413, "the message is larger than 4096 bytes")


def _check_vapid(authorization: str, audience: str, expected_key: str | None) -> None:
    scheme, _, rest = authorization.partition(" ")
    parts = dict(parse_qsl(rest.replace(",", "&").replace("+", "%2B")))
    if scheme.lower() != "vapid" or "t" not in parts or "k" not in parts:
        raise _RejectedError(401, "Authorization must be vapid t=…,k=…")
    if expected_key is not None and parts["k"] != expected_key.rstrip("="):
        raise _RejectedError(403, "signed with another key than the subscription was made with")
    claims = _verified_claims(parts["t"], parts["k"])
    if claims.get("aud") != audience:
        raise _RejectedError(403, "aud is not this push service")
    expires = claims.get("exp")
    if not isinstance(expires, int) or not time.time() < expires <= time.time() + _LONGEST_LIFE_SECONDS:
        raise _RejectedError(403, "exp must lie within the next 24 hours")
    if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
        raise _RejectedError(403, "sub must be mailto: or https:")


def _verified_claims(token: str, key: str) -> dict[str, object]:
    try:
        signed, _, signature = token.rpartition(".")
        raw = _decode(signature)
        pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _decode(key))
        public.verify(pair, signed.encode(), ec.ECDSA(SHA256()))
        claims = json.loads(_decode(signed.partition(".")[2]))
    except (ValueError, InvalidSignature):
        raise _RejectedError(403, "the signature does not verify") from None
    return claims if isinstance(claims, dict) else {}


def _decrypt(body: bytes, browser: _Browser) -> bytes:
    """Decrypt one aes128gcm record as a browser does (RFC 8188 section 2, RFC 8291 section 3.4)."""
    try:
        salt, key_length = body[:16], body[20]
        sender = body[21 : 21 + key_length]
        shared = browser.private_key.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        )
        info = b"WebPush: info\x00" + browser.public_point + sender
        key_material = _hkdf(browser.auth, shared, info, 32)
        key = _hkdf(salt, key_material, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = _hkdf(salt, key_material, b"Content-Encoding: nonce\x00", 12)
        padded = AESGCM(key).decrypt(nonce, body[21 + key_length :], None)
    except (ValueError, IndexError, InvalidTag):
        raise _RejectedError(400, "the message does not decrypt") from None
    payload = padded.rstrip(b"\x00")
    if not payload.endswith(b"\x02"):
        raise _RejectedError(400, "the message is not one last record")
    return payload[:-1]


def _hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    pseudo_random = hmac.digest(salt, material, "sha256")
    return hmac.digest(pseudo_random, info + b"\x01", "sha256")[:length]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
