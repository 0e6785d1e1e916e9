"""Who opens the embedded admin: Shopify's ID token, judged strictly and without the network.

https://shopify.dev/docs/apps/build/authentication-authorization/session-tokens. Shopify's own library judges signature,
algorithm, audience and host; it takes a token without `exp`, and any address that its cleaning turns into a shop's, so
both are judged again here. It must never repeat a token: whoever holds one is let in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from restock.shopify.domains import clean_shop_domain

LEEWAY_SECONDS = 10
LONGEST_TOKEN = 4096
_TIMES = ("exp", "nbf", "iat")
_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class IdToken:
    """What a genuine token says: which shop, which of its staff, until when."""

    shop_domain: str
    user_id: str
    expires_at: datetime
    session_id: str


class BadIdTokenError(Exception):
    """The token proves nothing. `reason` is one word of ours, safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the ID token is not usable: {reason}")
        self.reason = reason


def read_id_token(text: str, api_key: str, secrets: Sequence[str], now: datetime) -> IdToken:
    """Return what the token says; `secrets` are the app's client secrets, the current one first.

    Raises BadIdTokenError for a token that is forged, too old or too new, or meant for another app.
    """
    if not text or len(text) > LONGEST_TOKEN or not text.isascii():
        raise BadIdTokenError("malformed")
    if not api_key or not secrets or not all(secrets):
        raise BadIdTokenError("unconfigured")
    claims = _signed_claims(text, api_key, secrets)
    expires_at = _judge_times(claims, now.timestamp())
    domain = _judge_hosts(claims)
    user_id, session_id = claims["sub"], claims["sid"]
    if not all(isinstance(value, str) and value for value in (user_id, session_id)):
        raise BadIdTokenError("incomplete")
    return IdToken(domain, user_id, expires_at, session_id)


def _signed_claims(text: str, api_key: str, secrets: Sequence[str]) -> Mapping[str, Any]:
    """Have the library judge the token with each secret in turn."""
    from shopify import session_token  # an eighth of a second, and only the admin needs it

    reason = "unsigned"
    for secret in secrets:
        try:
            claims: Mapping[str, Any] = session_token.decode_from_header(f"Bearer {text}", api_key, secret)
        except (session_token.InvalidIssuerError, session_token.MismatchedHostsError):
            raise BadIdTokenError("foreign_host") from None
        except session_token.SessionTokenError as refused:
            # Past the signature the other secret cannot do better: the first such reason is the one to tell.
            reason = reason if reason != "unsigned" else _REASONS.get(type(refused.__cause__).__name__, "malformed")
            continue
        except (TypeError, ValueError, AttributeError):  # claims of types the library does not expect
            raise BadIdTokenError("malformed") from None
        return claims
    raise BadIdTokenError(reason)


_REASONS = {
    "InvalidSignatureError": "unsigned",
    "InvalidAlgorithmError": "algorithm",
    "ExpiredSignatureError": "expired",
    "ImmatureSignatureError": "too_early",
    "InvalidAudienceError": "other_app",
    "MissingRequiredClaimError": "incomplete",
}


def _judge_times(claims: Mapping[str, Any], now: float) -> datetime:
    """Demand all three times and return the end."""
    times = [at for at in map(claims.get, _TIMES) if isinstance(at, int | float) and 0 < at < _LATEST]
    if len(times) < len(_TIMES):
        raise BadIdTokenError("incomplete")
    expires, not_before, issued = times
    if expires + LEEWAY_SECONDS <= now:
        raise BadIdTokenError("expired")
    if max(not_before, issued) - LEEWAY_SECONDS > now:
        raise BadIdTokenError("too_early")
    return datetime.fromtimestamp(expires, UTC)


def _judge_hosts(claims: Mapping[str, Any]) -> str:
    """Demand that issuer and destination are the same shop, spelled as Shopify spells it."""
    hosts = {_host(claims["iss"]), _host(claims["dest"])}
    host = hosts.pop()
    if hosts or not host or clean_shop_domain(host) != host:
        raise BadIdTokenError("foreign_host")
    return host


def _host(address: object) -> str | None:
    try:
        parts = urlsplit(address) if isinstance(address, str) else None
    except ValueError:
        return None
    if parts is None or parts.scheme != "https" or parts.netloc != parts.hostname:
        return None
    return parts.hostname
