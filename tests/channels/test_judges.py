"""Independent judges: Twilio's own API description, and a push service written by others.

They need node and `npm ci` in tests/; without them the tests skip, and the contract suite stands alone.
"""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import urllib3

from restock.channels.push.channel import PushChannel
from restock.channels.push.vapid import VapidSigner, generate_private_key, public_key_of
from restock.channels.sms.channel import SmsChannel, TwilioAccount
from restock.channels.sms.receipts import signature_is_valid
from restock.channels.values import Blame, PushKeys, Recipient, Verdict
from restock.playground.fake_http import Answer, FakePeer, Request, Trouble
from restock.playground.fake_twilio import FakeTwilio
from tests.channels.benches import envelope_for, free_port

TESTS = Path(__file__).parents[1]
PRISM = TESTS / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
PUSH_SERVICE = TESTS / "node_modules" / "web-push-testing" / "src" / "bin" / "server.js"
DESCRIPTION = TESTS / "contracts" / "twilio_api_v2010.json.gz"
ACCOUNT = "AC" + "0a" * 16

Start = Callable[..., int]


@pytest.fixture(scope="module")
def start_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start one of the judges and return its port once it listens."""
    started: list[subprocess.Popen[bytes]] = []
    node = shutil.which("node")

    def start(script: Path, arguments: Callable[[int], list[str]]) -> int:
        if node is None or not script.exists():
            pytest.skip(f"{script.parts[-4]} is not there: it needs node and `npm ci` in tests/")
        port = free_port()
        log = tmp_path_factory.mktemp("node") / "log"
        with log.open("wb") as output:
            started.append(subprocess.Popen([node, str(script), *arguments(port)], stdout=output, stderr=output))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and started[-1].poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port
            time.sleep(0.05)
        raise AssertionError(f"{script.name} did not start: {log.read_text()[:500]}")

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def twilio() -> Iterator[FakeTwilio]:
    fake = FakeTwilio(ACCOUNT, "secret")
    fake.start()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def prism(start_node: Start, twilio: FakeTwilio, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Prism between us and the fake Twilio: it refuses a request or an answer that is not as Twilio describes it."""
    description = tmp_path_factory.mktemp("twilio") / "twilio.json"
    description.write_bytes(gzip.decompress(DESCRIPTION.read_bytes()))
    port = start_node(
        PRISM, lambda port: ["proxy", "--errors", "-h", "127.0.0.1", "-p", str(port), str(description), twilio.url]
    )
    return f"http://127.0.0.1:{port}"


@pytest.fixture(
    params=[{"sender": "+15005550006"}, {"messaging_service_sid": "MG" + "0a" * 16}], ids=["number", "service"]
)
def sms(request: pytest.FixtureRequest, prism: str) -> Iterator[SmsChannel]:
    account = TwilioAccount(ACCOUNT, "secret", api_url=prism, **request.param)
    channel = SmsChannel(account, callback=lambda number: f"https://alerts.example/webhooks/twilio/status?d={number}")
    yield channel
    channel.close()


def test_a_message_and_its_answer_are_as_twilio_describes_them(sms: SmsChannel, twilio: FakeTwilio) -> None:
    envelope = envelope_for(7, Recipient("+14155550007"))
    [outcome] = sms.send([envelope])
    assert (outcome.verdict, outcome.reason) == (Verdict.accepted, "")
    assert outcome.provider_message_id == twilio.messages()[-1].sid
    sent = dict(parse_qsl(twilio.requests[-1].body.decode()))
    assert sent["ValidityPeriod"] == "14400"
    assert sent["StatusCallback"] == "https://alerts.example/webhooks/twilio/status?d=7"


def test_a_lookup_and_its_answer_are_as_twilio_describes_them(sms: SmsChannel) -> None:
    taken, never = envelope_for(8, Recipient("+14155550008")), envelope_for(9, Recipient("+14155550009"))
    list(sms.send([taken]))
    assert sms.lookup([taken, never]) == {8: True, 9: False}


def test_a_refusal_reaches_us_through_the_judge_as_it_was_meant(sms: SmsChannel, twilio: FakeTwilio) -> None:
    twilio.trouble_by_number["+14155550010"] = Trouble(429, code=20429, retry_after="7")
    twilio.opted_out.add("+14155550011")
    busy, stopped = envelope_for(10, Recipient("+14155550010")), envelope_for(11, Recipient("+14155550011"))
    outcomes = {outcome.delivery_id: outcome for outcome in sms.send([busy, stopped])}
    assert (outcomes[10].verdict, outcomes[10].retry_after_seconds) == (Verdict.deferred, 7.0)
    assert (outcomes[11].verdict, outcomes[11].blame, outcomes[11].reason) == (
        Verdict.refused,
        Blame.address,
        "opted_out",
    )


def test_wrong_credentials_are_the_providers_fault(prism: str) -> None:
    channel = SmsChannel(TwilioAccount(ACCOUNT, "wrong", sender="+15005550006", api_url=prism))
    [outcome] = channel.send([envelope_for(7, Recipient("+14155550007"))])
    channel.close()
    assert (outcome.verdict, outcome.blame) == (Verdict.deferred, Blame.provider)


class Callbacks(FakePeer):
    """Our own address as Twilio sees it."""

    def respond(self, request: Request) -> Answer:
        return Answer(204)


def test_the_fake_reports_as_twilio_does_signed_over_the_whole_address() -> None:
    ours = Callbacks()
    ours.start()
    twilio = FakeTwilio(ACCOUNT, "secret", report=("sent", "delivered"))
    twilio.start()
    account = TwilioAccount(ACCOUNT, "secret", sender="+15005550006", api_url=twilio.url)
    channel = SmsChannel(account, callback=lambda number: f"{ours.url}/webhooks/twilio/status?d={number}")
    list(channel.send([envelope_for(7, Recipient("+14155550007"))]))
    deadline = time.monotonic() + 60
    while len(ours.requests) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    for closing in (channel, twilio, ours):
        closing.close()
    forms = [dict(parse_qsl(request.body.decode())) for request in ours.requests]
    assert [form["MessageStatus"] for form in forms] == ["sent", "delivered"]
    for request, form in zip(ours.requests, forms, strict=True):
        url = f"{ours.url}{request.path}?{request.query}"
        assert signature_is_valid("secret", url, form, request.headers["x-twilio-signature"])


@pytest.fixture(scope="module")
def push_service(start_node: Start) -> str:
    return f"localhost:{start_node(PUSH_SERVICE, lambda port: [str(port)])}"


def ask(service: str, path: str, **body: Any) -> Any:
    answer = urllib3.request("POST", f"http://{service}{path}", json=body, retries=False)
    return answer.json() if answer.data.startswith(b"{") else answer.status


def test_a_push_service_written_by_others_decrypts_what_we_send(push_service: str) -> None:
    key = generate_private_key()
    made = ask(push_service, "/subscribe", userVisibleOnly="true", applicationServerKey=public_key_of(key))["data"]
    recipient = Recipient(made["endpoint"], PushKeys(made["keys"]["p256dh"], made["keys"]["auth"]))
    signer = VapidSigner(key, "mailto:alerts@alerts.example")
    channel = PushChannel(signer, extra_hosts=[push_service])
    [outcome] = channel.send([envelope_for(7, recipient)])
    assert (outcome.verdict, outcome.reason) == (Verdict.accepted, "")
    [shown] = ask(push_service, "/get-notifications", clientHash=made["clientHash"])["data"]["messages"]
    assert json.loads(shown)["title"] == "It’s back: Harbour Vase – Deep green"
    ask(push_service, f"/expire-subscription/{made['clientHash']}")
    [outcome] = channel.send([envelope_for(7, recipient)])
    assert (outcome.verdict, outcome.blame, outcome.reason) == (Verdict.refused, Blame.address, "gone")
    channel.close()


def test_a_push_service_written_by_others_refuses_another_key(push_service: str) -> None:
    made = ask(
        push_service, "/subscribe", userVisibleOnly="true", applicationServerKey=public_key_of(generate_private_key())
    )["data"]
    recipient = Recipient(made["endpoint"], PushKeys(made["keys"]["p256dh"], made["keys"]["auth"]))
    channel = PushChannel(VapidSigner(generate_private_key(), "mailto:a@alerts.example"), extra_hosts=[push_service])
    [outcome] = channel.send([envelope_for(7, recipient)])
    channel.close()
    assert outcome.verdict is Verdict.refused
