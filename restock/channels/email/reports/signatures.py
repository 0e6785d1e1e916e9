"""Is this report from whom it says? Each provider's own way to sign, over the very bytes that came. Pure.

Every comparison takes the same time however much of it is right. A report made anew from an old one's signature comes
too late; one repeated in time says nothing new, for a state only moves forward.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping

Header = Callable[[str], str | None]

CLOCKS_APART_SECONDS = 300.0
# How long each goes on trying to tell the same report: an honest one may be as old.
SENDGRID_SECONDS = 24 * 3600.0
MAILGUN_SECONDS = 8 * 3600.0
SVIX_SECONDS = 300.0  # signed anew at each attempt


def is_sendgrids(public_key: str, header: Header, body: bytes, now: float) -> bool:
    """Check ECDSA over the time and the raw body (the signed event webhook)."""
    stamp = header("X-Twilio-Email-Event-Webhook-Timestamp") or ""
    signature = _decoded(header("X-Twilio-Email-Event-Webhook-Signature"))
    if signature is None or not _is_timely(stamp, now, SENDGRID_SECONDS):
        return False
    from cryptography.exceptions import InvalidSignature  # here alone: the other providers sign with what Python has
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
        if not isinstance(key, EllipticCurvePublicKey):
            return False
        key.verify(signature, stamp.encode() + body, ECDSA(SHA256()))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def is_public_key(text: str) -> bool:
    """Say whether this could be a verification key of SendGrid's."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        return isinstance(load_der_public_key(base64.b64decode(text, validate=True)), EllipticCurvePublicKey)
    except (ValueError, TypeError):
        return False


def is_mailguns(key: str, said: object, now: float) -> str | None:
    """Check HMAC-SHA256 over time and token; return the token, None for a forgery.

    The signature does not cover what is reported: hence a token is good once, and a delivery's mark is signed by us.
    """
    signed = said.get("signature") if isinstance(said, Mapping) else None
    if not isinstance(signed, Mapping):
        return None
    stamp, token, signature = (signed.get(name) for name in ("timestamp", "token", "signature"))
    if not (isinstance(token, str) and isinstance(signature, str) and 0 < len(token) <= 100):
        return None
    if not _is_timely(str(stamp), now, MAILGUN_SECONDS):
        return None
    wanted = hmac.digest(key.encode(), f"{stamp}{token}".encode(), "sha256").hex()
    return token if _same(wanted, signature) else None


def is_svixs(secret: str, header: Header, body: bytes, now: float) -> bool:
    """Check HMAC-SHA256 over id, time and the raw body, as Svix signs for Resend; several signatures may be given."""
    key = _decoded(secret.removeprefix("whsec_"))
    name, stamp, given = header("svix-id"), header("svix-timestamp") or "", header("svix-signature") or ""
    if not key or not name or not _is_timely(stamp, now, SVIX_SECONDS):
        return False
    wanted = base64.b64encode(hmac.digest(key, f"{name}.{stamp}.".encode() + body, "sha256")).decode()
    offered = [part.partition(",") for part in given.split(" ")[:10]]
    right = [version == "v1" and _same(wanted, signature) for version, _, signature in offered]
    return any(right)


def _is_timely(stamp: str, now: float, seconds: float) -> bool:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    return -CLOCKS_APART_SECONDS <= now - int(stamp) <= seconds


def _same(wanted: str, given: str) -> bool:
    return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace"))


def _decoded(text: str | None) -> bytes | None:
    try:
        return base64.b64decode(text or "", validate=True) or None
    except (binascii.Error, ValueError):
        return None
