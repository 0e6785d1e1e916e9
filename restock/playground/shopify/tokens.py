"""Hands out access tokens as Shopify does: for an ID token, expiring, replaced by rotation.

https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens. A refresh token
that was replaced stays good until the one that replaces it is used. It must never name a token in an error.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from restock.playground.shopify.state import Pair, Shop

ACCESS_SECONDS = 3600
REFRESH_SECONDS = 90 * 24 * 3600
ID_TOKEN_SECONDS = 60
MOST_PAIRS = 50  # of a shop; older ones are long over
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name
OFFLINE_TOKEN = "urn:shopify:params:oauth:token-type:offline-access-token"  # noqa: S105 - a name
_LEEWAY_SECONDS = 10


class RefusedError(Exception):
    """No token for this request; the message is OAuth's word for why."""


@dataclass
class TokenDesk:
    """The token endpoint of every shop, for one app. `calls` counts what was asked for, by its grant."""

    api_key: str
    api_secret: str
    clock: Callable[[], float] = time.time
    access_seconds: int = ACCESS_SECONDS
    refuses: bool = False  # on demand: whoever asks is told that the grant is not good
    calls: Counter[str] = field(default_factory=Counter)

    def hand_out(self, shop: Shop, asked: Mapping[str, object]) -> dict[str, object]:
        """Answer one request to the token endpoint; raises RefusedError. The caller holds the shop's lock."""
        if asked.get("client_id") != self.api_key or asked.get("client_secret") != self.api_secret:
            self.calls["refused"] += 1
            raise RefusedError("invalid_client")
        grant = {EXCHANGE: self._exchange, "refresh_token": self._refresh}.get(str(asked.get("grant_type")))
        if grant is None:
            raise RefusedError("unsupported_grant_type")
        pair = grant(shop, asked)
        shop.tokens = [*shop.tokens[-MOST_PAIRS:], pair]
        return self._told(pair)

    def pair_with(self, shop: Shop, access_token: str) -> Pair | None:
        """Find what an access token is good for; None when it is good for nothing."""
        if not shop.is_installed:
            return None
        now = self.clock()
        found = [pair for pair in shop.tokens if secrets.compare_digest(pair.access_token, access_token)]
        return found[0] if found and (found[0].expires_at is None or found[0].expires_at > now) else None

    def expire_all(self, shop: Shop) -> None:
        """Let every access token be over, as if an hour had passed."""
        for pair in shop.tokens:
            pair.expires_at = 0.0

    def _exchange(self, shop: Shop, asked: Mapping[str, object]) -> Pair:
        self.calls["exchange"] += 1
        subject, kind = str(asked.get("subject_token", "")), asked.get("subject_token_type")
        if self.refuses or not shop.is_installed:
            raise RefusedError("invalid_subject_token")
        if kind == ID_TOKEN:
            self._check_id_token(shop, subject)
        elif kind != OFFLINE_TOKEN or self.pair_with(shop, subject) is None:
            raise RefusedError("invalid_subject_token")
        if asked.get("requested_token_type") != OFFLINE_TOKEN:
            raise RefusedError("invalid_requested_token_type")
        return self._pair(shop, expires=str(asked.get("expiring", "")) == "1", replaces=None)

    def _refresh(self, shop: Shop, asked: Mapping[str, object]) -> Pair:
        self.calls["refresh"] += 1
        given = str(asked.get("refresh_token", ""))
        used = next((pair for pair in shop.tokens if pair.refresh_token == given), None) if given else None
        if used is None or self.refuses or not shop.is_installed or (used.refresh_expires_at or 0) <= self.clock():
            raise RefusedError("invalid_grant")
        if used.replaces is not None:  # the new one is in use: the one before is over, and whatever else came of it
            for pair in shop.tokens:
                if pair.refresh_token == used.replaces or (pair.replaces == used.replaces and pair is not used):
                    pair.refresh_token = None
            used.replaces = None
        return self._pair(shop, expires=True, replaces=given)

    def _check_id_token(self, shop: Shop, text: str) -> None:
        head, _, signature = text.rpartition(".")
        if not text.isascii() or not hmac.compare_digest(_signature(head, self.api_secret), signature):
            raise RefusedError("invalid_subject_token")
        claims = json.loads(base64.urlsafe_b64decode(head.partition(".")[2] + "=="))
        is_timely = claims["nbf"] - _LEEWAY_SECONDS <= self.clock() <= claims["exp"] + _LEEWAY_SECONDS
        if not is_timely or claims["aud"] != self.api_key or claims["dest"] != f"https://{shop.domain}":
            raise RefusedError("invalid_subject_token")

    def _pair(self, shop: Shop, *, expires: bool, replaces: str | None) -> Pair:
        now = self.clock()
        return Pair(
            access_token=f"shpat_{secrets.token_hex(16)}",
            refresh_token=f"shprt_{secrets.token_hex(16)}" if expires else None,
            scopes=shop.scopes,
            expires_at=now + self.access_seconds if expires else None,
            refresh_expires_at=now + REFRESH_SECONDS if expires else None,
            replaces=replaces,
        )

    def _told(self, pair: Pair) -> dict[str, object]:
        told: dict[str, object] = {"access_token": pair.access_token, "scope": ",".join(sorted(pair.scopes))}
        if pair.refresh_token is not None:
            told |= {
                "expires_in": self.access_seconds,
                "refresh_token": pair.refresh_token,
                "refresh_token_expires_in": REFRESH_SECONDS,
            }
        return told


def mint_id_token(domain: str, api_key: str, api_secret: str, now: float, user_id: int = 1, **changes: object) -> str:
    """Write the ID token that the admin gives an embedded app for a minute; `changes` replace claims (None: leave out).

    https://shopify.dev/docs/apps/build/authentication-authorization/session-tokens
    """
    claims: dict[str, object] = {
        "iss": f"https://{domain}/admin",
        "dest": f"https://{domain}",
        "aud": api_key,
        "sub": str(user_id),
        "exp": int(now) + ID_TOKEN_SECONDS,
        "nbf": int(now),
        "iat": int(now),
        "jti": secrets.token_hex(16),
        "sid": secrets.token_hex(32),
    }
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    head = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(kept)}"
    return f"{head}.{_signature(head, api_secret)}"


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _signature(text: str, secret: str) -> str:
    digest = hmac.digest(secret.encode(), text.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
