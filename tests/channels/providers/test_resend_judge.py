"""An independent judge: Resend's own description of its API, between us and a provider that keeps messages.

It needs node and `npm ci` in tests/; without them the tests skip, and the contract suite stands alone.
"""

from __future__ import annotations

import gzip
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from restock.channels.email.providers.catalogue import ProviderName
from restock.channels.email.providers.routing import Patience, RoutingChannel
from restock.channels.values import Blame, Envelope, Recipient, Verdict
from restock.playground.fake_http import Trouble
from tests.channels.benches import envelope_for, free_port
from tests.channels.providers.benches import choice_of, mark, nobody
from tests.channels.providers.fakes import FakeResend

TESTS = Path(__file__).parents[2]
PRISM = TESTS / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
DESCRIPTION = TESTS / "contracts" / "resend.json.gz"


@pytest.fixture(scope="module")
def resend() -> Iterator[FakeResend]:
    fake = FakeResend()
    fake.start()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def prism(resend: FakeResend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Prism: it refuses a request or an answer that is not as Resend describes it."""
    node = shutil.which("node")
    if node is None or not PRISM.exists():
        pytest.skip("@stoplight is not there: it needs node and `npm ci` in tests/")
    folder = tmp_path_factory.mktemp("resend")
    description, port = folder / "resend.json", free_port()
    description.write_bytes(gzip.decompress(DESCRIPTION.read_bytes()))
    words = [node, str(PRISM), "proxy", "--errors", "-h", "127.0.0.1", "-p", str(port), str(description), resend.url]
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    else:
        raise AssertionError((folder / "log").read_text()[:500])
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.fixture
def channel(prism: str) -> Iterator[RoutingChannel]:
    opened = RoutingChannel(None, nobody, mark, Patience(read_seconds=20), {ProviderName.resend: prism})
    yield opened
    opened.close()


def envelopes(*numbers: int) -> list[Envelope]:
    people = [envelope_for(number, Recipient(f"ada{number}@mail.example")) for number in numbers]
    return [replace(one, sender=choice_of(ProviderName.resend)) for one in people]


def test_a_batch_and_its_answer_are_as_resend_describes_them(channel: RoutingChannel, resend: FakeResend) -> None:
    told = list(channel.send(envelopes(1, 2, 3)))
    assert [(one.verdict, one.reason) for one in told] == [(Verdict.accepted, "")] * 3
    assert [one.provider_message_id for one in told] == [message.message_id for message in resend.taken[-3:]]


def test_a_refusal_reaches_us_through_the_judge_as_it_was_meant(channel: RoutingChannel, resend: FakeResend) -> None:
    resend.dead.add("ada5@mail.example")
    told = {one.delivery_id: one for one in channel.send(envelopes(4, 5, 6))}
    assert (told[5].verdict, told[5].blame, told[5].reason) == (Verdict.refused, Blame.address, "invalid_address")
    assert told[4].verdict is told[6].verdict is Verdict.accepted
    resend.troubles.append(Trouble(429, retry_after="7"))
    [busy] = channel.send(envelopes(7))
    assert (busy.verdict, busy.reason, busy.retry_after_seconds) == (Verdict.deferred, "rate_limited", 7.0)


def test_a_wrong_key_is_the_providers_fault(channel: RoutingChannel) -> None:
    wrong = replace(choice_of(ProviderName.resend), secret="wrong")
    [told] = channel.send([replace(envelopes(8)[0], sender=wrong)])
    assert (told.verdict, told.blame, told.reason) == (Verdict.deferred, Blame.provider, "login_rejected")


def test_the_judge_does_refuse_what_resend_would(prism: str) -> None:
    """Else it would be no judge: a message without a recipient does not pass."""
    import urllib3

    headers = {"Authorization": "Bearer key-canary-0001", "Content-Type": "application/json"}
    body = b'[{"from": "a@b.example", "subject": "x", "html": "x"}]'
    answer = urllib3.request("POST", f"{prism}/emails/batch", body=body, headers=headers, retries=False)
    assert answer.status == 422
