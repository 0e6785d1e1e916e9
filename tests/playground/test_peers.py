"""The stand-ins as a process: real SMTP and HTTP in, JSON lines out."""

from __future__ import annotations

import base64
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlencode

import pytest
import urllib3

from restock.local.sockets import free_port
from restock.playground.outbox import OutboxReader
from restock.playground.shopify.control.client import ShopifyControl
from restock.playground.store import SHOP_DOMAIN

ACCOUNT, TOKEN = f"AC{'0' * 32}", "secret"


@dataclass(frozen=True)
class Peers:
    """A running process."""

    smtp_port: int
    http_port: int
    outbox: Path
    process: subprocess.Popen[str]


def start(smtp_port: int, http_port: int, outbox: Path, *more: str) -> subprocess.Popen[str]:
    words = ["--smtp-port", str(smtp_port), "--http-port", str(http_port), "--outbox", str(outbox), *more]
    return subprocess.Popen(
        [sys.executable, "-m", "restock.playground.peers", *words],
        env={**os.environ, "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the stand-ins did not start")


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[Peers]:
    smtp_port, http_port = free_port(), free_port()
    process = start(smtp_port, http_port, tmp_path / "outbox")
    with process:
        try:
            wait_for(smtp_port)
            yield Peers(smtp_port, http_port, tmp_path / "outbox", process)
        finally:
            process.kill()


def test_an_email_is_kept_as_a_mail_program_reads_it(peers: Peers) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Zurück: Mütze", "Shop <a@localhost>", "ada@example.com"
    message.set_content("Hello")
    message.add_alternative("<p>Hello</p>", subtype="html")
    with smtplib.SMTP("127.0.0.1", peers.smtp_port) as client:
        client.send_message(message, to_addrs=["ada@example.com", "bo@example.com"])
    first, second = OutboxReader(peers.outbox).after(0)
    assert (first.id, first.channel, first.to, second.to) == (1, "email", "ada@example.com", "bo@example.com")
    assert first.content["subject"] == "Zurück: Mütze"
    assert first.content["html"].strip() == "<p>Hello</p>"
    assert ["To", "ada@example.com"] in first.content["headers"]


def test_an_sms_is_taken_with_the_right_credentials_only(peers: Peers) -> None:
    url = f"http://127.0.0.1:{peers.http_port}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    for token, status in ((TOKEN, 201), ("wrong", 401)):
        key = base64.b64encode(f"{ACCOUNT}:{token}".encode()).decode()
        headers = {"Authorization": f"Basic {key}", "Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({"To": "+12125550108", "From": "+15005550006", "Body": "It is back"})
        answer = urllib3.request("POST", url, body=body, headers=headers, timeout=60)
        assert answer.status == status
    (kept,) = OutboxReader(peers.outbox).after(0)
    assert (kept.channel, kept.to, kept.content["body"]) == ("sms", "+12125550108", "It is back")


def test_a_sample_browser_can_be_subscribed(peers: Peers) -> None:
    answer = urllib3.request("POST", f"http://127.0.0.1:{peers.http_port}/subscribe", timeout=60)
    subscription = json.loads(answer.data)
    assert subscription["endpoint"].startswith(f"http://127.0.0.1:{peers.http_port}/push/")
    assert set(subscription["keys"]) == {"p256dh", "auth"}


def test_a_shopify_stands_beside_them_and_remembers(tmp_path: Path) -> None:
    for expected, available in ((4, 9), (9, 9)):
        smtp, shopify = free_port(), free_port()
        with start(smtp, free_port(), tmp_path, "--shopify-port", str(shopify)) as process:
            try:
                wait_for(smtp)
                control = ShopifyControl(f"http://127.0.0.1:{shopify}")
                assert control.shop(SHOP_DOMAIN)["levels"]["45120000103"]["81230001"] == expected
                control.faults(is_lost=True)
                control.set_level(SHOP_DOMAIN, 45_120_000_103, 81_230_001, available)
            finally:
                process.kill()


def test_the_stand_ins_end_cleanly_when_asked(peers: Peers) -> None:
    peers.process.send_signal(signal.SIGTERM)
    assert peers.process.wait(10) == 0


@pytest.mark.parametrize("taken", ["smtp", "http"])
def test_a_taken_port_is_one_sentence(taken: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        ports = (port, free_port()) if taken == "smtp" else (free_port(), port)
        with start(*ports, tmp_path) as process:
            _, complaint = process.communicate(timeout=60)
    assert process.returncode == 1
    assert complaint == f"The local stand-ins cannot listen on 127.0.0.1:{port}: Address already in use.\n"
