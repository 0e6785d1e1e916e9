"""What becomes of each message when the mail server fails in the middle of many: postfix's smtp-sink in its moods.

One of a batch may be lost to a fault, never two, and never is one told as taken that was not.
"""

from __future__ import annotations

import binascii
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restock.channels.email.channel import EmailChannel
from restock.channels.email.message import Sender
from restock.channels.email.reports.events import amazon_id
from restock.channels.email.skeleton import Press
from restock.channels.email.smtp_pool import SmtpPool
from restock.channels.email.smtp_server import Patience, SmtpServer
from restock.channels.values import Blame, Envelope, Outcome, Recipient, Verdict
from tests.channels.benches import envelope_for, free_port, turn_for
from tests.channels.email.pipelining import ABORT, DROP, PipeliningPeer

SENDER = Sender("alerts@alerts.example")
SMTP_SINK = shutil.which("smtp-sink") or shutil.which("/usr/sbin/smtp-sink")
COUNT = 40


def channel_to(port: int, connections: int = 4, messages: int = 100, read_seconds: float = 30.0) -> EmailChannel:
    server = SmtpServer("127.0.0.1", port, connections=connections, messages=messages)
    return EmailChannel(
        SmtpPool(server, "alerts.example", SENDER.address, patience=Patience(30.0, read_seconds)), SENDER
    )


def batch(count: int = COUNT) -> list[Envelope]:
    return [envelope_for(number, Recipient(f"a{number}@b.example"), turn_for(number)) for number in range(count)]


def sent(channel: EmailChannel, envelopes: Sequence[Envelope]) -> list[Outcome]:
    """Send, and check that there is exactly one outcome for each."""
    outcomes = list(channel.send(envelopes))
    assert Counter(one.delivery_id for one in outcomes) == Counter(one.delivery_id for one in envelopes)
    return outcomes


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[..., tuple[int, Path]]]:
    """Postfix's own test server, in one of its moods, which writes what it takes into files."""
    if SMTP_SINK is None:
        pytest.skip("smtp-sink (Debian package postfix) is not installed")
    started: list[subprocess.Popen[bytes]] = []

    def start(*mood: str) -> tuple[int, Path]:
        port, mails = free_port(), tmp_path / "mails"
        mails.mkdir()
        mails.chmod(0o777)
        tmp_path.chmod(0o755)
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [SMTP_SINK or "", *user, *mood, "-d", "mails/%M.", f"127.0.0.1:{port}", "256"]
        started.append(subprocess.Popen(command, cwd=tmp_path))
        for _ in range(2000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port, mails
            time.sleep(0.02)
        raise AssertionError("smtp-sink did not start")

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def arrived(mails: Path) -> list[str]:
    """Whom the server has a whole message for."""
    texts = []
    for path in mails.iterdir():
        with suppress(FileNotFoundError):  # of what it does not take it throws the file away
            texts.append(path.read_text())
    whole = [text for text in texts if "--=_restock--" in text]
    return sorted(re.findall(r"^To: (.+)$", text, re.MULTILINE)[0] for text in whole)


@pytest.mark.parametrize("options", [{}, {"dribble": 7}, {"many_lines": True}], ids=str)
def test_each_message_keeps_the_name_amazon_gave_it_however_its_answers_arrive(options: dict[str, Any]) -> None:
    """By that name alone Amazon SES may report of it. A server that gives none is as good."""
    given = {number: f"0102019a{number:08x}-1b2c-4d5e-8f90-a1b2c3d4e5f6-000000" for number in range(COUNT - 1)}
    peer = PipeliningPeer({(f"a{n}@b.example", "."): f"250 Ok {name}" for n, name in given.items()}, **options)
    pool = SmtpPool(SmtpServer("127.0.0.1", peer.port, connections=2), "alerts.example", SENDER.address)
    channel = EmailChannel(pool, SENDER, given_id=amazon_id)
    found = {one.delivery_id: one.provider_message_id for one in sent(channel, batch())}
    channel.close()
    peer.stop()
    assert found == given | {COUNT - 1: None}


@pytest.mark.parametrize(
    ("mood", "verdict", "blame", "reason"),
    [
        (["-f", "MAIL", "-B", "550 5.7.1 not you"], Verdict.deferred, Blame.provider, "sender_refused"),
        (["-r", "MAIL", "-b", "451 4.3.0 later"], Verdict.deferred, Blame.message, "temporarily_refused"),
        (["-f", "RCPT", "-B", "550 5.1.1 unknown"], Verdict.refused, Blame.address, "mailbox_unknown"),
        (["-r", "RCPT", "-b", "450 4.2.1 busy"], Verdict.deferred, Blame.message, "mailbox_busy"),
        (["-f", "DATA", "-B", "554 5.7.1 no"], Verdict.refused, Blame.message, "policy_rejected"),
        (["-r", "DATA", "-b", "451 4.7.0 slower"], Verdict.deferred, Blame.message, "rate_limited"),
        (["-f", ".", "-B", "552 5.3.4 too big"], Verdict.refused, Blame.message, "too_large"),
        (["-r", ".", "-b", "452 4.2.2 full"], Verdict.deferred, Blame.message, "mailbox_full"),
    ],
)
def test_a_server_that_refuses_all_at_one_command_is_told_so_of_each(
    sink: Callable[..., tuple[int, Path]], mood: list[str], verdict: Verdict, blame: Blame, reason: str
) -> None:
    port, mails = sink(*mood)
    channel = channel_to(port)
    outcomes = sent(channel, batch())
    channel.close()
    assert {(one.verdict, one.blame, one.reason) for one in outcomes} == {(verdict, blame, reason)}
    assert arrived(mails) == [] or mood[1] == "."


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "."])
def test_a_server_that_says_421_at_every_command_loses_nobody(
    sink: Callable[..., tuple[int, Path]], command: str
) -> None:
    port, mails = sink("-Q", command)
    channel = channel_to(port)
    outcomes = sent(channel, batch())
    channel.close()
    assert {one.verdict for one in outcomes} == {Verdict.deferred}
    assert arrived(mails) == [] or command == "."


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_hangs_up_before_the_text_puts_nobody_in_doubt(
    sink: Callable[..., tuple[int, Path]], command: str
) -> None:
    port, mails = sink("-q", command)
    channel = channel_to(port)
    outcomes = sent(channel, batch())
    channel.close()
    assert {one.verdict for one in outcomes} == {Verdict.deferred}
    assert arrived(mails) == []


def test_a_server_that_hangs_up_after_each_text_puts_few_in_doubt_and_the_rest_wait(
    sink: Callable[..., tuple[int, Path]],
) -> None:
    port, mails = sink("-q", ".")
    channel = channel_to(port)
    outcomes = sent(channel, batch())
    channel.close()
    verdicts = Counter(one.verdict for one in outcomes)
    assert set(verdicts) == {Verdict.unanswered, Verdict.deferred}
    assert 1 <= verdicts[Verdict.unanswered] <= 4 + 2  # all four connections at once, then one after the other
    doubtful = {f"a{one.delivery_id}@b.example" for one in outcomes if one.verdict is Verdict.unanswered}
    assert set(arrived(mails)) <= doubtful


@pytest.mark.parametrize(
    "mood",
    [
        ["-f", "CONNECT", "-B", "554 5.7.1 not you"],
        ["-r", "CONNECT", "-b", "421 4.7.0 later"],
        ["-f", "EHLO,HELO", "-B", "550 5.7.1 not you"],
        ["-r", "EHLO,HELO", "-b", "451 4.3.0 later"],
        ["-Q", "CONNECT"],
        ["-Q", "EHLO"],
        ["-q", "CONNECT"],
        ["-q", "EHLO"],
    ],
    ids=str,
)
def test_a_server_that_does_not_let_us_in_is_to_blame_and_nobody_else(
    sink: Callable[..., tuple[int, Path]], mood: list[str]
) -> None:
    """Whatever it says before the first message is of no message and of no address."""
    port, mails = sink(*mood)
    channel = channel_to(port)
    outcomes = sent(channel, batch())
    channel.close()
    told = {(one.verdict, one.blame, one.reason) for one in outcomes}
    assert told == {(Verdict.deferred, Blame.provider, "mail_server_unreachable")}
    assert arrived(mails) == []


@pytest.mark.parametrize("mood", [["-f", "EHLO", "-B", "502 what"], ["-r", "EHLO", "-b", "421 4.3.0 later"]], ids=str)
def test_a_server_that_knows_only_the_old_greeting_is_greeted_by_it(
    sink: Callable[..., tuple[int, Path]], mood: list[str]
) -> None:
    port, mails = sink(*mood)
    channel = channel_to(port)
    outcomes = sent(channel, batch())
    channel.close()
    assert {one.verdict for one in outcomes} == {Verdict.accepted}
    assert len(arrived(mails)) == COUNT


@pytest.mark.parametrize(
    "reply",
    ["relay not permitted", "JunkMail rejected, zen.spamhaus.org", "SPF check failed", "Administrative prohibition"],
)
def test_a_server_closed_to_us_condemns_no_address(sink: Callable[..., tuple[int, Path]], reply: str) -> None:
    port, _ = sink("-f", "RCPT", "-B", f"550 {reply}")
    channel = channel_to(port)
    outcomes = sent(channel, batch())
    channel.close()
    assert {(one.verdict, one.blame) for one in outcomes} == {(Verdict.refused, Blame.message)}


STAGES = ("MAIL", "RCPT", "DATA", ".")
SAID = {
    "450 4.2.1 busy": Verdict.deferred,
    "451 later": Verdict.deferred,
    "421 4.7.0 closing": Verdict.deferred,
    "552 5.3.4 too big": Verdict.refused,
    "554 5.7.1 no": None,  # of the sender: deferred, it is our own
}


@st.composite
def servers(draw: st.DrawFn) -> tuple[PipeliningPeer, int, int]:
    faults = draw(
        st.dictionaries(
            st.tuples(st.integers(0, COUNT - 1).map("a{}@b.example".format), st.sampled_from(STAGES)),
            st.sampled_from([*SAID, "550 5.1.1 unknown", DROP, ABORT]),
            max_size=12,
        )
    )
    most, dribble = draw(st.sampled_from([0, 1, 3, 10])), draw(st.sampled_from([0, 0, 0, 1, 7, 40]))
    peer = PipeliningPeer(faults, most=most, dribble=dribble, many_lines=draw(st.booleans()))
    return peer, draw(st.sampled_from([1, 4])), draw(st.sampled_from([2, 100]))


@settings(max_examples=25, deadline=None)
@given(servers())
def test_whatever_a_server_does_each_message_has_one_fate_and_it_is_the_true_one(
    server: tuple[PipeliningPeer, int, int],
) -> None:
    peer, connections, messages = server
    channel = channel_to(peer.port, connections, messages)
    envelopes = batch()
    press = Press(SENDER)
    texts = {envelope.recipient.address: press.write(envelope).content for envelope in [*envelopes, *envelopes]}
    try:
        outcomes = {one.delivery_id: one for one in sent(channel, envelopes)}
    finally:
        channel.close()
        peer.stop()
    arrived = Counter(address for address, _ in peer.mails)
    assert max(arrived.values(), default=0) <= 1
    for envelope in envelopes:
        address, verdict = envelope.recipient.address, outcomes[envelope.delivery_id].verdict
        if verdict is Verdict.accepted:
            assert arrived[address] == 1
        elif arrived[address]:
            assert verdict is Verdict.unanswered
        if not any(fault[0] == address for fault in peer.faults):
            lost = sum(said in (DROP, ABORT) or said[:3] == "421" for said in peer.faults.values())
            assert verdict is Verdict.accepted or lost
    for address, text in peer.mails:
        assert binascii.a2b_qp(text) == binascii.a2b_qp(texts[address])


@pytest.mark.parametrize("most", [1, 5])
def test_a_server_that_has_enough_on_each_connection_costs_nobody_an_attempt(most: int) -> None:
    peer = PipeliningPeer(most=most)
    channel = channel_to(peer.port, connections=3)
    outcomes = sent(channel, batch())
    channel.close()
    peer.stop()
    assert {one.verdict for one in outcomes} == {Verdict.accepted}
    assert len(peer.mails) == COUNT
    assert peer.sessions >= COUNT // most


def test_so_many_messages_are_handed_over_on_one_connection_as_the_setting_says() -> None:
    peer = PipeliningPeer()
    channel = channel_to(peer.port, connections=1, messages=10)
    for _ in range(2):
        assert {one.verdict for one in sent(channel, batch())} == {Verdict.accepted}
    channel.close()
    peer.stop()
    assert peer.sessions == 2 * COUNT // 10


def test_many_connections_are_opened_at_once_and_kept_for_the_next_batch() -> None:
    peer = PipeliningPeer()
    channel = channel_to(peer.port, connections=32)
    for _ in range(3):
        sent(channel, batch(400))
    channel.close()
    peer.stop()
    assert 1 < peer.sessions <= 32
    assert len(peer.mails) == 1200


def test_a_message_larger_than_the_socket_takes_is_sent_bit_by_bit() -> None:
    peer = PipeliningPeer()
    channel = channel_to(peer.port, connections=2)
    large = [
        replace(one, notice=replace(one.notice, words={"body": f"<body>{'x' * 3_000_000}.\n.\n</body>"}))
        for one in batch(4)
    ]
    assert {one.verdict for one in sent(channel, large)} == {Verdict.accepted}
    channel.close()
    peer.stop()
    assert all(len(text) > 3_000_000 and b"\r\n.\r\n" not in text for _, text in peer.mails)


def test_a_server_that_falls_silent_is_given_up_after_its_time_and_says_who_is_in_doubt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        held: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = server.accept()
                    held.append(line)
                    line.sendall(b"220 peer\r\n")
                    line.recv(4096)
                    line.sendall(b"250-peer\r\n250 PIPELINING\r\n")
                    line.recv(4096)
                    line.sendall(b"250 Ok\r\n250 Ok\r\n354 Go on\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        channel = channel_to(port, connections=1, read_seconds=0.3)
        began = time.monotonic()
        outcomes = sent(channel, batch(3))
        channel.close()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for line in held:
            line.close()
    assert Counter(one.verdict for one in outcomes)[Verdict.unanswered] >= 1
    assert time.monotonic() - began < 20
