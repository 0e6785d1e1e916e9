"""Nothing personal and no secret reaches the log, whatever way it tries."""

from __future__ import annotations

import io
import json
import logging
import re
import timeit
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from restock.config import load_settings
from restock.logs import configure_logging, redact, redact_text


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """A configured log, JSON unless the test is parametrised otherwise."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    stream = io.StringIO()
    configure_logging(load_settings(log_format=getattr(request, "param", "json"), restock_env="development"), stream)
    yield stream
    logging.getLogger().handlers[:], logging.getLogger().level = before
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def line(log: io.StringIO) -> dict[str, Any]:
    lines = log.getvalue().splitlines()
    assert len(lines) == 1, lines
    found: dict[str, Any] = json.loads(lines[0])
    return found


SECRETS = {
    "e-mail": "ada.canary+shop@mail.example.com",
    "e-mail with accents": "ada.canary@exämple.com",
    "e-mail in a query": "ada.canary%40example.com",
    "E.164": "+918123676393",
    "spaced phone": "+44 20 7946 0958",
    "national phone": "(555) 123-45678",
    "bare phone": "918123676393",
    "phone in a query": "/x?phone=918123676393",
    "push endpoint": "https://fcm.googleapis.com/fcm/send/canary:abc",
    "Mozilla endpoint": "https://updates.push.services.mozilla.com/wpush/v2/canary",
    "Apple endpoint": "https://web.push.apple.com/canary",
    "Windows endpoint": "https://wns2-par02p.notify.windows.com/w/?token=canary",
    "endpoint path": "Max retries exceeded with url: /fcm/send/canary (Caused by timeout)",
    "push path": '"POST /wpush/v2/canary HTTP/1.1" 201',
    "click link": "https://shop.example/c/MTIzcanary.sigsigsig",
    "unsubscribe link": "GET /unsubscribe/MTIzcanary.sigsigsig",
    "confirm link": "/confirm/MTIzcanary.awJOSw.sig",
    "query token": "/webhooks/twilio/status?d=MTcanary.x&y=1",
    "id token": "/?shop=a.myshopify.com&id_token=canary.canary",
    "Shopify token": "shpat_canary0123456789abcdef",
    "API key": "rk_live_canary0123456789",
    "bearer": "Authorization: Bearer canary.0123",
    "basic": "basic Y2FuYXJ5OmNhbmFyeQ==",
    "vapid": "vapid t=canary.b.c,k=canary",
    "web token": "eyJcanary.eyJcanary.canary",
    "address with password": "postgresql://canary:canary@db.internal:5432/restock",
    "statement parameters": "[SQL: INSERT …]\n[parameters: {'name': 'canary'}]",
}
CANARIES = ("canary", "918123676393", "7946", "123-45678", "Y2FuYXJ5")


def fail(text: str) -> None:
    raise ValueError(text)


def fail_twice(text: str) -> None:
    try:
        fail(text)
    except ValueError as inner:
        raise RuntimeError("outer") from inner


def assert_clean(text: str) -> None:
    said = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "", text)  # the time of day may have any digits
    assert not [canary for canary in CANARIES if canary in said], text


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_hidden_wherever_it_stands(secret: str, log: io.StringIO) -> None:
    """In a message, a field, a nested field, a key, an object's repr, an exception and another library's line."""

    class Holder:
        def __repr__(self) -> str:
            return f"<Holder {secret}>"

    structlog.get_logger("restock").info(f"sent to {secret} now", note=secret, deep=[{"a": (secret,)}, Holder()])
    structlog.get_logger("restock").info("keyed", table={secret: 1}, raw=secret.encode())
    logging.getLogger("elsewhere").warning("talking to %s", secret)
    try:
        fail_twice(secret)
    except RuntimeError:
        structlog.get_logger("restock").exception("failed")
        logging.getLogger("elsewhere").exception("failed")
    assert_clean(log.getvalue())
    assert len(log.getvalue().splitlines()) == 5


@pytest.mark.parametrize("log", ["console"], indirect=True)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_the_console_hides_the_same(secret: str, log: io.StringIO) -> None:
    try:
        fail(secret)
    except ValueError:
        structlog.get_logger("restock").exception(f"about {secret}", note=secret)
    assert_clean(log.getvalue())


@pytest.mark.parametrize(
    "key",
    ["email", "phone", "to_address", "access_token", "Authorization", "push", "push_keys", "endpoint", "keys", "p256dh",
     "client_secret", "password", "Set-Cookie", "X-Shopify-Hmac-Sha256", "auth", "recipient", "customer_email"],
)  # fmt: skip
def test_a_field_with_a_telling_name_is_hidden_whole(key: str) -> None:
    for value in ("plain", {"a": 1}, ["x"], b"x", 918123676393):
        assert redact(None, "info", {key: value}) == {key: "[redacted]"}
        assert redact(None, "info", {"inner": {key: value}}) == {"inner": {key: "[redacted]"}}


def test_counts_and_flags_under_a_telling_name_stay() -> None:
    event: dict[str, Any] = {"token_count": 3, "push": True, "email": None, "push_seconds": 0.25}
    assert redact(None, "info", dict(event)) == event


@pytest.mark.parametrize(
    "text",
    [
        "wave planned", "restock.deliveries", "2026-11-22T02:05:19.123456Z", "read at 2026-11-22 02:05:19",
        "1861e9da-13c8-4fdb-93d2-1ca5dc4ecbe8", "gid://shopify/ProductVariant/44500000000001", "a.myshopify.com",
        "offer:123:0", "127.0.0.1:8000", "took 0.1234567890123 s", "HTTP/1.1 200", "shop_settings", "/v1/subscriptions",
        "4f0c1b2a3d4e5f6071829304a5b6c7d8", "100 of 100000", "https://shop.example/products/shirt?variant=1",
    ],
)  # fmt: skip
def test_what_is_not_personal_stays_readable(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("log", ["json", "console"], indirect=True)
def test_nobody_can_forge_a_line(log: io.StringIO) -> None:
    attack = 'x\r\n2026-01-01T00:00:00Z [info] paid\x1b[2J\u2028{"level": "info"}\x85'
    structlog.get_logger("restock").info(attack, field=attack, nested={attack: [attack]})
    logging.getLogger("elsewhere").warning(attack)
    assert len(log.getvalue().splitlines()) == 2
    assert "\x1b[2J" not in log.getvalue()


@pytest.mark.parametrize("log", ["console"], indirect=True)
def test_a_traceback_stays_readable_and_its_message_cannot_pass_for_a_line(log: io.StringIO) -> None:
    try:
        fail("one\n2026-01-01T00:00:00Z [info] paid")
    except ValueError:
        structlog.get_logger("restock").exception("failed")
    lines = log.getvalue().splitlines()
    assert any("Traceback" in text for text in lines)
    assert not [text for text in lines if text.startswith("2026-01-01")]


def test_a_line_says_when_in_utc_who_and_for_which_request(log: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(request_id="abc", shop=7, job="drain")
    structlog.get_logger("restock.web").info("taken", count=2)
    found = line(log)
    assert found["timestamp"].endswith("Z")
    assert {**found, "timestamp": ""} == {
        "event": "taken", "count": 2, "request_id": "abc", "shop": 7, "job": "drain", "level": "info",
        "logger": "restock.web", "timestamp": "",
    }  # fmt: skip


def test_lines_of_other_libraries_carry_the_same_context(log: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(request_id="abc")
    logging.getLogger("somewhere").warning("odd %d", 3)
    assert line(log)["request_id"] == "abc"
    assert line(log)["event"] == "odd 3"


def test_warnings_of_libraries_reach_the_log(log: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old thing used for ada.canary@example.com", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "old thing" in log.getvalue()
    assert_clean(log.getvalue())


def test_debug_lines_and_chatty_libraries_are_silent(log: io.StringIO) -> None:
    structlog.get_logger("restock").debug("x")
    logging.getLogger("urllib3.connectionpool").info("POST /fcm/send/x")
    logging.getLogger("mail.log").info("b'ada@example.com' connected")
    assert log.getvalue() == ""


def test_a_value_that_contains_itself_does_not_hang_the_log(log: io.StringIO) -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    structlog.get_logger("restock").info("odd", loop=loop, huge="9" * 100_000)
    assert len(log.getvalue()) < 20_000


LOCAL = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789._%+-", min_size=1, max_size=20)


@given(local=LOCAL, before=st.text(max_size=20), after=st.sampled_from(["", " ", ",", ">", "'", '"', ")"]))
@example(local="a", before="<", after=">")
def test_no_address_survives_any_surroundings(local: str, before: str, after: str) -> None:
    assert "canary.example" not in redact_text(f"{before} {local}@canary.example{after}")


@given(
    digits=st.lists(st.integers(0, 9), min_size=10, max_size=14),
    separator=st.sampled_from(["", " ", "-", ".", "\u00a0"]),
    plus=st.booleans(),
)
def test_no_phone_number_survives(digits: list[int], separator: str, plus: bool) -> None:
    number = "".join(map(str, digits))
    spaced = separator.join((number[:3], number[3:6], number[6:]))
    assert number[6:] not in redact_text(f"call {'+' if plus else ''}{spaced} now")


@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_text_becomes_one_printable_line_and_redacting_twice_changes_nothing(text: str) -> None:
    once = redact_text(text)
    assert len(once.splitlines()) <= 1
    once.encode()
    assert redact_text(once) == once


def test_redacting_stays_fast_on_hostile_text() -> None:
    for hostile in ("9 " * 4000, "a@" * 4000, "(" * 8000, "://" * 2700, "eyJ." * 2000, "[parameters: " * 600):
        assert timeit.timeit(lambda text=hostile: redact_text(text), number=1) < 0.5  # type: ignore[misc]
