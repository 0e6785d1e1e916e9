"""Where we connect to: who may, and that nobody outside can choose the place.

Only a browser's push endpoint comes from a stranger. A shop's domain comes signed and is one below myshopify.com; a
shop's e-mail provider is one of a list; everything else is the operator's setting.
"""

from __future__ import annotations

import ast
import re
import socket
import threading
import time
from pathlib import Path

import pytest

import restock
from restock.channels.email.providers.catalogue import KINDS
from restock.channels.public_addresses import is_public
from restock.channels.push.endpoints import EndpointError, check_endpoint
from restock.channels.push.http.sites import AddressBook, origin_from

ROOT = Path(restock.__file__).parent
_NETWORK = "socket ssl smtplib http.client urllib.request urllib3 httpx requests dns asyncio twilio.rest"
NETWORK = frozenset(_NETWORK.split())
_LOOP = "waits on the server's loop, and opens nothing there"
# Each with whose word the address is. Local tools (the playground, the first run) never run in production.
MAY_CONNECT = {
    "batches/lane.py": _LOOP,
    "batches/looping.py": _LOOP,
    "channels/email/providers/calls.py": "one of KINDS",
    "channels/email/providers/mailgun.py": "writes forms only",
    "channels/email/reports/amazon.py": "Amazon SNS, in the region of the topic a shop has named",
    "channels/email/sending_domain/records.py": "asks the resolver about the domains mail is sent with",
    "channels/email/smtp_pool.py": "SMTP_URL, or one of KINDS",
    "channels/email/smtp_server.py": "SMTP_URL, or one of KINDS",
    "channels/push/http/connection.py": "an allowed push service at a public address",
    "channels/push/http/engine.py": "an allowed push service at a public address",
    "channels/push/http/sites.py": "an allowed push service at a public address",
    "channels/sms/channel.py": "TWILIO_API_URL",
    "channels/sms/twilio_http.py": "TWILIO_API_URL",
    "inbox/service/receiving.py": _LOOP,
    "shopify/admin_api/transport.py": "a shop below myshopify.com",
    "shopify/oauth.py": "a shop below myshopify.com",
    "shopify/token_transport.py": "a shop below myshopify.com",
    "subscriptions/service/__init__.py": _LOOP,
    "web/app.py": _LOOP,
    "web/server/adapter.py": _LOOP,
    "web/server/bodies.py": _LOOP,
    "web/server/later.py": _LOOP,
    "worker/stopping.py": "a socket pair of its own",
}
NOT_IN_PRODUCTION = ("playground/", "local/")

NOT_PUBLIC = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.127.255.254", "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
    "", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "１２７.0.0.1", "8.8.8.8 ", "[::1]",
    "8.8.8.8:80",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "142.250.74.74",
    "2607:f8b0:4005:80a::200a",
    "2a00:1450:4001:81b::200a",
    "2606:4700::1111",
]


def imports_of(file: Path) -> set[str]:
    """Name the modules a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_no_other_module_can_open_a_connection() -> None:
    """Whoever adds one says here whose word the address is."""
    found = set()
    for file in ROOT.rglob("*.py"):
        path = file.relative_to(ROOT).as_posix()
        names = {name for name in imports_of(file) if name in NETWORK or name.partition(".")[0] in NETWORK}
        if names and not path.startswith(NOT_IN_PRODUCTION):
            found.add(path)
    assert found - set(MAY_CONNECT) == set()
    assert set(MAY_CONNECT) - found == set(), "what connects no longer has no line"


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_everybodys_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_machine_on_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "0x7f000001", "127.1", "0", "1.1.1.1", "::1", "localhost.", "metadata.google.internal", "notify.windows.com",
        "fcm.googleapis.com%00.evil.example", "fcm.googleapis.com%2eevil.example", "evil.example#fcm.googleapis.com",
        "evil.example?fcm.googleapis.com", "evil.example\\@fcm.googleapis.com", "fcm.googleapis.com:443@evil.example",
        "fcm.googleapis.com:80", "fcm.googleapis.com:0443", "a.notify.windows.com.", ".push.apple.com.evil.example",
        "ｆcm.googleapis.com", "fcm.googleapis.com\u200b", "xn--fcm.googleapis.com",
    ],
)  # fmt: skip
def test_no_spelling_of_a_host_gets_past_the_list(host: str) -> None:
    with pytest.raises(EndpointError):
        check_endpoint(f"https://{host}/x")


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1", "fd00::1"], ["2002:7f00:1::1"]])
def test_a_known_service_that_a_name_server_puts_into_our_network_is_not_connected_to(answers: list[str]) -> None:
    assert addresses_of(answers) == []


def test_of_several_addresses_the_public_ones_are_used() -> None:
    assert addresses_of(["127.0.0.1", "142.250.74.74", "fe80::1"]) == ["142.250.74.74"]


def addresses_of(answers: list[str]) -> list[str]:
    """What would be connected to, when the resolver says this of a push service."""
    told = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in answers]
    woken = threading.Event()
    book = AddressBook(woken.set, lambda *_args, **_named: told)
    origin = origin_from("https://fcm.googleapis.com")
    try:
        book.look(origin, time.monotonic())
        assert woken.wait(5)
        found = book.look(origin, time.monotonic())
    finally:
        book.close()
    assert found is not None
    return [str(where[0]) for _, where in found]


@pytest.mark.parametrize("region", ["evil.example/", "us.evil.example", "x@evil.example", "us#", "..", "US", "eu\n"])
def test_a_shop_chooses_among_its_providers_addresses_and_writes_none(region: str) -> None:
    for kind in KINDS.values():
        patterns = [option.pattern for option in kind.options if option.name == "region"]
        assert [pattern for pattern in patterns if pattern.fullmatch(region)] == []
        host = kind.host_of({"region": "us-east-1"}).removeprefix("https://")
        assert re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net)", host)
