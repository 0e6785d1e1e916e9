"""How a shop's Admin API tokens are got and renewed: one HTTP call each, and three things it can come to.

https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens. Shopify's own library speaks the
protocol over a connection of ours: left to itself it waits half a minute, asks three times, sleeps as long as an
answer tells it to, and cannot be sent anywhere but to the shop. No token and no secret ever appears in a log, an error
or a repr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from restock.shopify.token_transport import UnusableAnswerError, open_client

if TYPE_CHECKING:
    import httpx

_SUFFIX = ".myshopify.com"
_OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
# What Shopify says when this shop's token or ID token is over, and nothing but the merchant's visit can help.
# `invalid_client` is not among them: our own key or secret is wrong, and no shop must lose its access for that.
_FINAL = frozenset({"invalid_grant", "invalid_subject_token", "refresh_token_expired"})


@dataclass(frozen=True, slots=True)
class Granted:
    """Tokens as Shopify gave them. Seconds count from now; None: without end. `refresh` None: cannot be renewed."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    access_seconds: float | None
    refresh_seconds: float | None
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """Shopify says no and will go on saying it: the merchant must open the app. `reason` is a word, safe to log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No answer that settles anything: ask again later. `reason` is a word, safe to log."""

    reason: str


Outcome = Granted | Refused | Unreachable


@dataclass(frozen=True)
class TokenEndpoint:
    """Ask for tokens. `base_url` is where shops are, with `{shop}` for the domain. Safe across threads."""

    api_key: str
    api_secret: str = field(repr=False)
    base_url: str = "https://{shop}"
    seconds: float = 10.0  # for a whole call

    def exchange(self, domain: str, id_token_text: str) -> Outcome:
        """Turn an ID token that was judged good into tokens that expire and can be renewed."""
        from shopify_app.exchange.token_exchange import token_exchange
        from shopify_app.types import IdTokenDetails

        details = IdTokenDetails(exchangeable=True, token=id_token_text, claims={"dest": f"https://{domain}"})
        return _outcome(lambda: token_exchange("offline", self._app, details, expiring=True, http_client=self._client))

    def refresh(self, domain: str, refresh_token: str) -> Outcome:
        """Renew: the answer holds a new pair, and the old refresh token works until the new one is used."""
        from shopify_app.exchange.refresh_token import refresh_access_token

        name = domain.removesuffix(_SUFFIX)
        # No times: the library would answer from the clock, without asking, that it is too early or too late.
        old = {"shop": name, "refresh_token": refresh_token, "expires": "", "refresh_token_expires": ""}
        return _outcome(lambda: refresh_access_token(old, self._app, http_client=self._client))

    def migrate(self, domain: str, access_token: str) -> Outcome:
        """Turn a token without end into a pair that expires; the old one stops working."""
        body = {
            "client_id": self.api_key,
            "client_secret": self.api_secret,
            "grant_type": _EXCHANGE,
            "subject_token": access_token,
            "subject_token_type": _OFFLINE,
            "requested_token_type": _OFFLINE,
            "expiring": "1",
        }
        return _outcome(lambda: self._post(domain, body))  # the library does not know this one

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if (client := self.__dict__.pop("_client", None)) is not None:
            client.close()

    @property
    def _app(self) -> Any:
        return {"client_id": self.api_key, "client_secret": self.api_secret, "old_client_secret": None}

    @cached_property
    def _client(self) -> httpx.Client:
        return open_client(self.base_url, self.seconds)

    def _post(self, domain: str, body: dict[str, str]) -> Any:
        import httpx

        try:
            answer = self._client.post(f"https://{domain}/admin/oauth/access_token", json=body)
        except httpx.RequestError:
            return Unreachable("no_answer")
        said = answer.json()
        if answer.status_code == 200:
            return Granted(
                said["access_token"],
                said.get("refresh_token"),
                said.get("expires_in"),
                said.get("refresh_token_expires_in"),
                _scopes(said.get("scope", "")),
            )
        return _failure(str(said.get("error")))


def _outcome(call: Callable[[], Any]) -> Outcome:
    """Make one call and put its answer into our words."""
    try:
        result = call()
    except UnusableAnswerError as unusable:
        return Unreachable(unusable.reason)
    if isinstance(result, Granted | Refused | Unreachable):
        return result
    token = result.access_token
    if not result.ok or token is None:
        return _failure(result.log.code)
    return Granted(
        token.token,
        token.refresh_token or None,
        _seconds_until(token.expires),
        _seconds_until(token.refresh_token_expires) if token.refresh_token else None,
        _scopes(token.scope),
    )


def _failure(code: str) -> Outcome:
    if code in _FINAL:
        return Refused(code)
    known: Sequence[str] = ("network_error", "invalid_client", "configuration_error")
    return Unreachable(code if code in known else "refused_unclearly")


def _seconds_until(moment: str | None) -> float | None:
    if not moment:
        return None
    return max(0.0, (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds())


def _scopes(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
