"""Who opens the admin: only what Shopify signed for this app, now, for one and the same shop."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from restock.shopify.id_tokens import BadIdTokenError, read_id_token

KEY = "restock-test-key"
SECRET, OLD, FOREIGN = "c" * 32, "o" * 32, "f" * 32
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
T = int(NOW.timestamp())
GOOD: dict[str, Any] = {
    "iss": "https://demo.myshopify.com/admin",
    "dest": "https://demo.myshopify.com",
    "aud": KEY,
    "sub": "42",
    "exp": T + 60,
    "nbf": T,
    "iat": T,
    "jti": "f8912129-1af6-4cad-9ca3-76b0f7621087",
    "sid": "aaea182f2732d44c23057c0fea584021a4485b2bd25d3eb7fd349313ad24c685",
}


@pytest.fixture(autouse=True)
def _moment() -> Iterator[None]:
    """The library asks the machine's clock."""
    with time_machine.travel(NOW, tick=False):
        yield


def _token(secret: str = SECRET, **changes: Any) -> str:
    claims = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return jwt.encode(claims, secret, algorithm="HS256")


def _read(text: str, now: datetime = NOW, secrets: tuple[str, ...] = (SECRET, OLD)) -> Any:
    return read_id_token(text, KEY, secrets, now)


def _part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _reason(text: str, **more: Any) -> str:
    with pytest.raises(BadIdTokenError) as refused:
        _read(text, **more)
    assert text not in str(refused.value) or not text
    return refused.value.reason


def test_a_genuine_token_says_which_shop_who_and_until_when() -> None:
    read = _read(_token())
    assert (read.shop_domain, read.user_id, read.session_id) == ("demo.myshopify.com", "42", GOOD["sid"])
    assert read.expires_at == datetime.fromtimestamp(T + 60, UTC)


def test_after_a_rotation_the_secret_before_is_still_good() -> None:
    assert _read(_token(OLD)).user_id == "42"
    assert _reason(_token(OLD), secrets=(SECRET,)) == "unsigned"


@pytest.mark.parametrize("late", [0, 5, 9])
def test_clocks_may_differ_by_ten_seconds(late: int) -> None:
    assert _read(_token(exp=T - late))
    assert _read(_token(nbf=T + late, iat=T + late))


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
BAD = {
    "another secret": (_token(FOREIGN), "unsigned"),
    "nothing": ("", "malformed"),
    "no token": ("Bearer", "malformed"),
    "other letters": ("tökén", "malformed"),
    "too long": ("a." * 3000, "malformed"),
    "none algorithm": (jwt.encode(GOOD, None, algorithm="none"), "algorithm"),
    "unsigned HS256": (".".join([_part({"alg": "HS256"}), _part(GOOD), ""]), "unsigned"),
    "RS256": (jwt.encode(GOOD, RSA, algorithm="RS256"), "algorithm"),
    "HS512": (jwt.encode(GOOD, SECRET * 2, algorithm="HS512"), "algorithm"),
    "expired": (_token(exp=T - 11), "expired"),
    "expired, old secret": (_token(OLD, exp=T - 11), "expired"),
    "no end": (_token(exp=None), "incomplete"),
    "endless": (_token(exp=10**15), "incomplete"),
    "end in words": (_token(exp="tomorrow"), "malformed"),
    "too early": (_token(nbf=T + 15), "too_early"),
    "issued later": (_token(iat=T + 15), "too_early"),
    "no beginning": (_token(nbf=None), "incomplete"),
    "not issued": (_token(iat=None), "incomplete"),
    "other app": (_token(aud="another-app"), "other_app"),
    "no app": (_token(aud=None), "incomplete"),
    "nobody": (_token(sub=None), "incomplete"),
    "no session": (_token(sid=None), "incomplete"),
    "empty session": (_token(sid=""), "incomplete"),
    "two shops": (_token(iss="https://other.myshopify.com/admin"), "foreign_host"),
    "two shops, the other way": (_token(dest="https://other.myshopify.com"), "foreign_host"),
    "no shop of Shopify": (_token(iss="https://evil.com/admin", dest="https://evil.com"), "foreign_host"),
    "a host that ends elsewhere": (
        _token(iss="https://demo.myshopify.com.evil.com/admin", dest="https://demo.myshopify.com.evil.com"),
        "foreign_host",
    ),
    "plain http": (_token(iss="http://demo.myshopify.com/admin", dest="http://demo.myshopify.com"), "foreign_host"),
    "a bare name": (_token(iss="demo", dest="demo"), "foreign_host"),
    "a port": (_token(iss="https://demo.myshopify.com:8443/a", dest="https://demo.myshopify.com:8443"), "foreign_host"),
    "no destination": (_token(dest=None), "incomplete"),
    "a list for a shop": (_token(dest=["https://demo.myshopify.com"]), "malformed"),
    "a user beside the host": (
        _token(iss="https://a@demo.myshopify.com/admin", dest="https://a@demo.myshopify.com"),
        "foreign_host",
    ),
    "half": (_token().rpartition(".")[0], "malformed"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_anything_else_is_refused_with_a_word_that_does_not_repeat_it(text: str, reason: str) -> None:
    assert _reason(text) == reason


def test_the_clock_that_is_handed_in_counts_too() -> None:
    assert _reason(_token(), now=NOW + timedelta(seconds=71)) == "expired"
    assert _reason(_token(), now=NOW - timedelta(seconds=11)) == "too_early"


@pytest.mark.parametrize(("key", "secrets"), [("", (SECRET,)), (KEY, ()), (KEY, ("",)), (KEY, (SECRET, ""))])
def test_without_key_or_secret_nobody_is_let_in(key: str, secrets: tuple[str, ...]) -> None:
    with pytest.raises(BadIdTokenError, match="unconfigured"):
        read_id_token(_token(), key, secrets, NOW)


@given(st.text() | st.integers(0, len(_token()) - 1).map(lambda at: _token()[:at] + "~" + _token()[at + 1 :]))
def test_no_text_but_the_genuine_one_is_let_in(text: str) -> None:
    with pytest.raises(BadIdTokenError):
        _read(text)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.none() | st.text() | st.integers() | st.lists(st.text())))
def test_whatever_a_signed_token_says_it_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        text = _token(**changes)
    except (TypeError, ValueError, OverflowError):
        return
    with suppress(BadIdTokenError):
        assert _read(text).shop_domain == "demo.myshopify.com"
