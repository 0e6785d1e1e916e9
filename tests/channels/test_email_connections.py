"""One kept connection: used again, left in time, TLS and login, and what is known after each way it can break."""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from restock.channels.email.channel import EmailChannel
from restock.channels.email.message import Sender
from restock.channels.email.smtp_pool import SmtpPool
from restock.channels.email.smtp_server import MOST_CONNECTIONS, MOST_MESSAGES, Patience, SmtpServer, parse_smtp_url
from restock.channels.values import Blame, Envelope, Outcome, Recipient, Verdict
from tests.channels.benches import SmtpPeer, envelope_for, free_port

SENDER = Sender("alerts@alerts.example")
SMTP_SINK = shutil.which("smtp-sink") or shutil.which("/usr/sbin/smtp-sink")


def channel_to(server: SmtpServer, connections: int = 1, **options: Any) -> EmailChannel:
    """Open a channel with one connection, where a test does not want more."""
    pool = SmtpPool(
        replace(server, connections=connections),
        "alerts.example",
        SENDER.address,
        patience=Patience(30.0, 30.0),  # a busy machine is not a silent server
        **options,
    )
    return EmailChannel(pool, SENDER)


def to(*addresses: str) -> list[Envelope]:
    return [envelope_for(number, Recipient(address)) for number, address in enumerate(addresses, start=1)]


def ordered(channel: EmailChannel, envelopes: Sequence[Envelope]) -> list[Outcome]:
    return sorted(channel.send(envelopes), key=lambda outcome: outcome.delivery_id)


def verdicts(outcomes: Sequence[Outcome]) -> list[Verdict]:
    return [outcome.verdict for outcome in outcomes]


@pytest.fixture
def peer() -> Iterator[SmtpPeer]:
    opened = SmtpPeer(utf8=True)
    yield opened
    opened.stop()


@pytest.fixture
def channel(peer: SmtpPeer) -> Iterator[EmailChannel]:
    opened = channel_to(SmtpServer("127.0.0.1", peer.port))
    yield opened
    opened.close()


def test_one_connection_serves_a_hundred_messages_and_then_a_new_one(peer: SmtpPeer, channel: EmailChannel) -> None:
    assert set(verdicts(ordered(channel, to(*[f"a{n}@b.example" for n in range(100)])))) == {Verdict.accepted}
    assert peer.sessions == 1
    ordered(channel, to("last@b.example"))
    assert peer.sessions == 2


def test_a_refusal_keeps_the_connection_and_nothing_of_it_reaches_the_next(
    peer: SmtpPeer, channel: EmailChannel
) -> None:
    peer.faults = {"dead@b.example": "550 5.1.1 no", "spam@b.example": "data 554 5.7.1 no"}
    outcomes = ordered(channel, to("a@b.example", "dead@b.example", "spam@b.example", "c@b.example"))
    assert verdicts(outcomes) == [Verdict.accepted, Verdict.refused, Verdict.refused, Verdict.accepted]
    assert peer.sessions == 1
    assert [address for address, _ in peer.mails] == ["a@b.example", "c@b.example"]


def test_a_server_that_hangs_up_is_called_again_for_the_next(peer: SmtpPeer, channel: EmailChannel) -> None:
    peer.faults = {"x@b.example": "421 closing"}
    outcomes = ordered(channel, to("a@b.example", "x@b.example", "c@b.example"))
    assert verdicts(outcomes) == [Verdict.accepted, Verdict.deferred, Verdict.accepted]
    assert outcomes[1].blame is Blame.message
    assert peer.sessions == 2


def test_a_server_that_breaks_every_connection_counts_as_away(peer: SmtpPeer, channel: EmailChannel) -> None:
    addresses = [f"a{n}@b.example" for n in range(6)]
    peer.faults = dict.fromkeys(addresses, "swallow")
    outcomes = ordered(channel, to(*addresses))
    assert verdicts(outcomes) == [Verdict.unanswered] * 3 + [Verdict.deferred] * 3
    assert {outcome.blame for outcome in outcomes[3:]} == {Blame.provider}


def test_a_connection_the_server_has_closed_meanwhile_costs_nobody_a_message(
    peer: SmtpPeer, channel: EmailChannel
) -> None:
    for number in range(4):
        assert verdicts(ordered(channel, to(f"a{number}@b.example"))) == [Verdict.accepted]
        peer.hang_up()
    assert peer.sessions == 4
    assert [address for address, _ in peer.mails] == [f"a{number}@b.example" for number in range(4)]


def test_what_was_announced_behind_a_message_that_broke_the_connection_goes_over_another(peer: SmtpPeer) -> None:
    channel = channel_to(SmtpServer("127.0.0.1", peer.port), connections=4)
    addresses = [f"a{number}@b.example" for number in range(40)]
    peer.faults = {"a7@b.example": "swallow", "a21@b.example": "421 closing", "a30@b.example": "550 5.1.1 no"}
    outcomes = ordered(channel, to(*addresses))
    channel.close()
    expected = {7: Verdict.unanswered, 21: Verdict.deferred, 30: Verdict.refused}
    assert verdicts(outcomes) == [expected.get(number, Verdict.accepted) for number in range(40)]
    arrived = [address for address, _ in peer.mails]
    assert sorted(arrived) == sorted(set(addresses) - {"a21@b.example", "a30@b.example"})
    assert 4 <= peer.sessions <= 7


def test_few_messages_are_not_worth_many_connections(peer: SmtpPeer) -> None:
    channel = channel_to(SmtpServer("127.0.0.1", peer.port), connections=8)
    ordered(channel, to("a@b.example", "b@b.example"))
    channel.close()
    assert peer.sessions == 1


def test_a_batch_left_early_hands_over_nothing_more(peer: SmtpPeer, channel: EmailChannel) -> None:
    stream = channel.send(to(*[f"a{number}@b.example" for number in range(50)]))
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    taken = len(peer.mails)
    assert verdicts(ordered(channel, to("later@b.example"))) == [Verdict.accepted]
    assert len(peer.mails) <= taken + 2


def test_letters_outside_ascii_go_to_a_server_that_takes_them(peer: SmtpPeer, channel: EmailChannel) -> None:
    assert verdicts(ordered(channel, to("adä@b.example", "a@b.example"))) == [Verdict.accepted, Verdict.accepted]
    assert [address for address, _ in peer.mails] == ["adä@b.example", "a@b.example"]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 25)),
        ("smtp://127.0.0.1:2525", SmtpServer("127.0.0.1", 2525)),
        ("smtp://u%40x:p%3A%2F@mail.example", SmtpServer("mail.example", 587, "offered", "u@x", "p:/")),
        ("smtp://mail.example?starttls=1", SmtpServer("mail.example", 587, "required")),
        ("smtp://mail.example:25?starttls=0", SmtpServer("mail.example", 25, "never")),
        ("smtps://u:p@mail.example", SmtpServer("mail.example", 465, "implicit", "u", "p")),
        ("smtp://mail.example?connections=32&starttls=0", SmtpServer("mail.example", 25, "never", connections=32)),
        ("smtp://mail.example?messages=1000", SmtpServer("mail.example", 25, messages=1000)),
    ],
)
def test_the_address_of_a_mail_server_says_how_to_talk_to_it(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url(url) == server
    assert "p:/" not in repr(server)


@pytest.mark.parametrize("number", ["0", "257", "many", "-1", "1.5", "١"])
def test_how_many_connections_is_a_number_within_reason(number: str) -> None:
    with pytest.raises(ValueError, match=f"connections must be a whole number from 1 to {MOST_CONNECTIONS}"):
        parse_smtp_url(f"smtp://mail.example?connections={number}")
    with pytest.raises(ValueError, match=f"messages must be a whole number from 1 to {MOST_MESSAGES}"):
        parse_smtp_url(f"smtp://mail.example?messages={number.replace('257', '10001')}")


class Authenticator:
    def __call__(self, server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
        fine = isinstance(data, LoginPassword) and (data.login, data.password) == (b"user", b"pass")
        return AuthResult(success=fine, handled=False)


class Keep:
    def __init__(self) -> None:
        self.secure: list[bool] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's)
        self.secure.append(session.ssl is not None)
        return "250 OK"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost`, its own authority, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + pem)
    return path


@pytest.fixture
def secure_peer(certificate: Path) -> Iterator[Callable[..., tuple[int, Keep]]]:
    started: list[Controller] = []

    def start(**options: Any) -> tuple[int, Keep]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        keep = Keep()
        controller = Controller(
            keep,
            hostname="localhost",
            port=free_port(),
            server_hostname="peer",
            tls_context=context,
            ready_timeout=60,
            **options,
        )
        controller.start()
        started.append(controller)
        return controller.port, keep

    yield start
    for controller in started:
        controller.stop()


@pytest.fixture
def trust(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


LOGIN: dict[str, Any] = {"authenticator": Authenticator(), "auth_required": True, "require_starttls": True}


def test_a_login_is_made_inside_starttls(secure_peer: Any, trust: ssl.SSLContext) -> None:
    port, keep = secure_peer(**LOGIN)
    for tls in ("required", "offered"):
        channel = channel_to(SmtpServer("localhost", port, tls, "user", "pass"), context=trust)
        assert verdicts(ordered(channel, to("a@b.example"))) == [Verdict.accepted]
        channel.close()
    assert keep.secure == [True, True]


@pytest.mark.parametrize(
    ("change", "trusted", "reason"),
    [
        ({"password": "wrong"}, True, "login_rejected"),
        ({}, False, "tls_failed"),
        ({"tls": "never"}, True, "login_or_tls_not_offered"),
    ],
)
def test_what_is_wrong_with_tls_or_login_is_the_providers_fault_and_everything_waits(
    secure_peer: Any, trust: ssl.SSLContext, change: dict[str, Any], trusted: bool, reason: str
) -> None:
    port, _ = secure_peer(**LOGIN)
    server = replace(SmtpServer("localhost", port, "required", "user", "pass"), **change)
    channel = channel_to(server, context=trust if trusted else ssl.create_default_context())
    outcomes = ordered(channel, to("a@b.example", "b@b.example"))
    channel.close()
    assert {(o.verdict, o.blame, o.reason) for o in outcomes} == {(Verdict.deferred, Blame.provider, reason)}


def test_a_server_without_tls_gets_nothing_where_tls_is_required(peer: SmtpPeer) -> None:
    channel = channel_to(SmtpServer("127.0.0.1", peer.port, "required"))
    [outcome] = ordered(channel, to("a@b.example"))
    channel.close()
    assert (outcome.verdict, outcome.reason) == (Verdict.deferred, "login_or_tls_not_offered")
    assert peer.mails == []


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[..., tuple[SmtpServer, Path]]]:
    """Postfix's own test server, in one of its moods."""
    if SMTP_SINK is None:
        pytest.skip("smtp-sink (Debian package postfix) is not installed")
    started: list[subprocess.Popen[bytes]] = []

    def start(*mood: str) -> tuple[SmtpServer, Path]:
        port, mails = free_port(), tmp_path / "mails"
        mails.mkdir()
        mails.chmod(0o777)
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        dump = ["-d", "mails/%M."]
        tmp_path.chmod(0o755)
        started.append(
            subprocess.Popen([SMTP_SINK or "", *user, *mood, *dump, f"127.0.0.1:{port}", "20"], cwd=tmp_path)
        )
        _wait_for(port)
        return SmtpServer("127.0.0.1", port), mails

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def _wait_for(port: int) -> None:
    import socket

    for _ in range(2000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("smtp-sink did not start")


def test_what_is_sent_in_one_go_arrives_whole(sink: Any) -> None:
    server, mails = sink()
    channel = channel_to(server)
    assert set(verdicts(ordered(channel, to(*[f"a{n}@b.example" for n in range(20)])))) == {Verdict.accepted}
    channel.close()
    texts = [path.read_bytes() for path in mails.iterdir()]
    assert len(texts) == 20
    assert all(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in text for text in texts)


@pytest.mark.parametrize(
    ("mood", "verdict", "blame"),
    [
        (["-f", "RCPT", "-B", "550 5.1.1 unknown"], Verdict.refused, Blame.address),
        (["-r", "RCPT", "-b", "451 4.3.0 later"], Verdict.deferred, Blame.message),
        (["-f", "MAIL", "-B", "550 5.7.1 not you"], Verdict.deferred, Blame.provider),
        (["-f", ".", "-B", "554 5.7.1 spam"], Verdict.refused, Blame.message),
        (["-Q", "DATA"], Verdict.deferred, Blame.message),
        (["-q", "."], Verdict.unanswered, Blame.message),  # silent after the final dot: perhaps taken
        (["-q", "RCPT"], Verdict.deferred, Blame.message),
        (["-Q", "."], Verdict.deferred, Blame.message),
    ],
)
def test_what_is_known_after_each_way_it_can_break(sink: Any, mood: list[str], verdict: Verdict, blame: Blame) -> None:
    server, _ = sink(*mood)
    channel = channel_to(server)
    [outcome] = ordered(channel, to("a@b.example"))
    channel.close()
    assert (outcome.verdict, outcome.blame) == (verdict, blame)


def test_nothing_is_written_about_the_login() -> None:
    server = parse_smtp_url("smtp://user:canary@mail.example")
    assert "canary" not in repr(server)
    assert base64.b64encode(b"canary").decode() not in repr(SmtpPool(server, "x", "y@z.example"))
