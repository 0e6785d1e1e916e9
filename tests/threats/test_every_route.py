"""What holds at every door there is, and at any that is added: the routes are read from the program itself."""

from __future__ import annotations

import pytest
from werkzeug.routing import Rule

from restock.links import Links
from tests.flows.story import SHOP
from tests.threats.conftest import EMAIL, MARKS, NAME, PHONE, Town

SECRET = "shpat_0123456789abcdef0123456789abcdef"
PUSH = "https://fcm.googleapis.com/fcm/send/zqcanary-endpoint"
JSON = "application/json"
BODIES = {
    "thirty thousand deep": (b"[" * 30_000 + b"]" * 30_000, JSON),
    "thirty thousand objects deep": (b'{"a":' * 30_000 + b"1" + b"}" * 30_000, JSON),
    "no number": (b'{"intent": NaN, "customer": Infinity}', JSON),
    "a number too large": (b'{"intent": 1e400, "quantity": 1' + b"0" * 5_000 + b"}", JSON),
    "a name twice": (b'{"intent": 1, "intent": {}}', JSON),
    "half a character": (b'{"intent": {"source": "\\ud800"}, "customer": {"email": "\\udfff@x"}}', JSON),
    "a zero byte": (b'{"intent": {"source": "a\\u0000b"}}', JSON),
    "no UTF-8": (b'{"intent": "\xff\xfe"}', JSON),
    "no object": (b"true", JSON),
    "too long": (b'{"a": "' + b"x" * (5 * 1024 * 1024) + b'"}', JSON),
    "a form of zero bytes": (b"do=%00&part.subject=%ED%A0%80&to=%00", "application/x-www-form-urlencoded"),
    "a form without end": (b"&".join(b"a%d=1" % n for n in range(20_000)), "application/x-www-form-urlencoded"),
    "parts without an end": (b"--x\r\nContent-Disposition: form-data\r\n\r\n", "multipart/form-data; boundary=x"),
}


def links_of(town: Town, rule: Rule) -> dict[str, object]:
    """A token that is right for a route, where it wants one."""
    links: Links = town.story.services.links
    contact = links.read_preferences(str(town.filled["token"]))
    assert contact is not None
    made = {"unsubscribe": links.unsubscribe, "leave": links.unsubscribe, "confirm": links.confirm}
    kind = rule.endpoint.partition(".")[2].removeprefix("ask_to_")
    return {"token": made[kind](contact).rpartition("/")[2]} if kind in made else {}


def test_no_page_can_be_put_into_a_frame_of_a_stranger(town: Town) -> None:
    """Every answer that a browser shows as a page says who may frame it: nobody, or the shop's own admin."""
    pages = 0
    for rule in town.rules():
        if "GET" not in (rule.methods or ()):
            continue
        for staff_of in (None, SHOP):
            answer = town.ask(town.path(rule, **links_of(town, rule)), staff_of=staff_of)
            if answer.mimetype != "text/html" or 300 <= answer.status_code < 400:
                continue
            pages += 1
            policy = answer.headers.get("Content-Security-Policy", "")
            (frames,) = [part.strip() for part in policy.split(";") if part.strip().startswith("frame-ancestors")]
            allowed = {"'none'"} if staff_of is None else {"'none'", f"https://{SHOP}", "https://admin.shopify.com"}
            assert set(frames.split()[1:]) <= allowed, rule.rule
            assert answer.headers["X-Content-Type-Options"] == "nosniff", rule.rule
            assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0], rule.rule
            assert "unsafe-eval" not in policy, rule.rule
    assert pages >= 15


@pytest.mark.parametrize("name", BODIES)
def test_no_body_brings_any_door_down(town: Town, name: str) -> None:
    body, kind = BODIES[name]
    asked = 0
    for rule in town.rules():
        for method in sorted({"POST", "PUT", "PATCH", "DELETE"} & (rule.methods or set())):
            if rule.endpoint.startswith("playground."):
                continue  # never in production: the demo's own buttons
            path = town.path(rule, **links_of(town, rule))
            headers = {"X-Shopify-Shop-Domain": SHOP, "Content-Type": kind}
            answer = town.ask(path, method, SHOP, data=body, headers=headers)
            assert answer.status_code < 500, f"{rule.rule}: {answer.status_code}"
            asked += 1
    assert asked >= 10


@pytest.mark.parametrize(
    "value", ["%00", "..%2f..%2fetc%2fpasswd", "-1", "9" * 400, "%F0%9F%92%A5", "a" * 5_000, "%ED%A0%80"]
)
def test_no_address_and_no_question_brings_any_door_down(town: Town, value: str) -> None:
    for rule in town.rules():
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<{argument}>", value).replace(f"<int:{argument}>", value)
        path = path.replace("<path:filename>", value).replace("<path:name>", value)
        query = f"?shop={value}&page={value}&q={value}&channel={value}&variant={value}&after={value}&locale={value}"
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        for staff_of in (None, SHOP):
            answer = town.ask(path + query, method, staff_of, data=b"{}" if method == "POST" else None)
            ready = rule.endpoint == "operations.readyz" and answer.status_code == 503
            assert answer.status_code < 500 or ready, f"{rule.rule}: {answer.status_code}"


def test_what_is_personal_or_secret_reaches_no_line_of_the_log(town: Town, capfd: pytest.CaptureFixture[str]) -> None:
    """Marks in the path, the query, the headers and the body of every route; and the log has lines to look through."""
    capfd.readouterr()
    marks = (*MARKS, SECRET, PUSH)
    told = {"email": EMAIL, "phone": PHONE, "name": NAME, "push": {"endpoint": PUSH}, "token": SECRET}
    for rule in town.rules():
        for method in sorted({"GET", "POST"} & (rule.methods or set())):
            path = town.path(rule, **links_of(town, rule))
            query = {"email": EMAIL, "phone": PHONE, "q": EMAIL, "name": NAME, "id_token": SECRET, "endpoint": PUSH}
            headers = {"Referer": f"https://{EMAIL}/{PHONE}", "X-Forwarded-For": PHONE, "X-Shopify-Shop-Domain": EMAIL}
            body = {"json": told} if method == "POST" else {}
            town.ask(path, method, SHOP, query_string=query, headers=headers, **body)
    for token in (EMAIL, SECRET, PHONE):
        town.ask(f"/unsubscribe/{token}")
        town.ask("/subscribers", headers={"Authorization": f"Bearer {token}"})
    out, err = capfd.readouterr()
    assert "/unsubscribe/<token>" in out + err, "requests are logged"
    assert [mark for mark in marks if mark in out + err] == []
    assert str(town.filled["token"]) not in out + err
