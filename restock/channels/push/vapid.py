"""Sign who we are for the push services (VAPID, RFC 8292).

A browser's subscription is bound for life to the public key it was made with, so a key is never made silently: the one
place that makes a key is `generate_private_key`, called when an instance is set up. A private key is never logged.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from py_vapid import Vapid02, VapidException

from restock.channels.push.subscription import encode_key, key_name

_LIFETIME_SECONDS = 12 * 3600  # RFC 8292 allows 24 h
_MOST_ORIGINS = 256


def generate_private_key() -> str:
    """Make a new VAPID private key: base64url of 32 bytes."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return encode_key(number.to_bytes(32, "big"))


def public_key_of(private_key: str) -> str:
    """Return the public key as browsers want it (`applicationServerKey`); raise ValueError for a key that is none."""
    point = _load(private_key).public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return encode_key(point)


def check_subject(subject: str) -> None:
    """Raise ValueError unless the subject is a `mailto:` or `https:` address push services accept."""
    try:
        Vapid02(ec.generate_private_key(ec.SECP256R1())).sign({"aud": "https://a.example", "sub": subject})
    except VapidException:
        raise ValueError("must be mailto:you@your-domain or an https address") from None


class VapidSigner:
    """Make the Authorization header for each push service, signed once in six hours."""

    key_name: str  # what is kept with each subscription made with this key

    def __init__(self, private_key: str, subject: str, now: Callable[[], float] = time.time) -> None:
        check_subject(subject)
        self._vapid = _load(private_key)
        self.key_name = key_name(public_key_of(private_key))
        self._subject = subject
        self._now = now
        self._headers: dict[str, tuple[str, float]] = {}

    def header(self, origin: str) -> str:
        """Return the header for one origin; may be called by several threads."""
        cached = self._headers.get(origin)
        now = self._now()
        if cached is not None and now < cached[1]:
            return cached[0]
        claims = {"aud": origin, "sub": self._subject, "exp": int(now) + _LIFETIME_SECONDS}
        header: str = self._vapid.sign(claims)["Authorization"]
        if len(self._headers) >= _MOST_ORIGINS:
            self._headers.clear()
        self._headers[origin] = (header, now + _LIFETIME_SECONDS / 2)
        return header


def _load(private_key: str) -> Any:
    """Read a key as raw base64url, DER in base64, or PEM."""
    try:
        if "-----BEGIN" in private_key:
            return _from_pem(private_key)
        raw = private_key.strip().encode()
        base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
        return Vapid02.from_string(private_key.strip())
    except (ValueError, TypeError):
        raise ValueError("is no VAPID private key: base64url of 32 bytes, or PEM") from None


def _from_pem(text: str) -> Any:
    key = load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an elliptic curve key")
    return Vapid02(key)
