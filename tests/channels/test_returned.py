"""Mail that came back: what is understood, whom it is about, and what is not believed."""

from __future__ import annotations

import email.policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restock.channels.email.channel import EmailChannel
from restock.channels.email.message import Sender
from restock.channels.email.reports.returned import check_bounce_address, read_returned, return_address
from restock.channels.email.smtp_pool import SmtpPool
from restock.channels.email.smtp_server import SmtpServer
from restock.channels.values import Blame, ReceiptStatus, Recipient
from restock.links import Links
from tests.channels.benches import SmtpPeer, envelope_for

LINKS = Links(["a-signing-secret-for-tests-only-0001"], "https://alerts.example")
MARK = LINKS.report_mark(7)
BACK = return_address("bounces@alerts.example", MARK)


def report(
    status: str = "5.1.1",
    action: str = "failed",
    diagnostic: str = "smtp; 550 5.1.1 no such user",
    to: str = BACK,
    **headers: str,
) -> bytes:
    """A delivery report as mail servers write it."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(
        [
            "Return-Path: <>",
            "From: Mail Delivery System <MAILER-DAEMON@mx.example>",
            f"To: {to}",
            "Auto-Submitted: auto-replied",
            *lines,
            'Content-Type: multipart/report; report-type="delivery-status"; boundary="b"',
            "",
            "--b",
            "Content-Type: text/plain; charset=us-ascii",
            "",
            "I'm sorry to have to inform you.",
            "--b",
            "Content-Type: message/delivery-status",
            "",
            "Reporting-MTA: dns; mx.example",
            "",
            "Final-Recipient: rfc822; ada@mail.example",
            f"Action: {action}",
            f"Status: {status}",
            f"Diagnostic-Code: {diagnostic}",
            "",
            "--b",
            "Content-Type: text/rfc822-headers",
            "",
            "Subject: It is back",
            "--b--",
            "",
        ]
    ).encode()


@pytest.mark.parametrize(
    ("status", "action", "diagnostic", "told"),
    [
        ("5.1.1", "failed", "smtp; 550 5.1.1 no such user", ("bounced", "mailbox_unknown", "address")),
        ("5.1.2", "failed", "x; y", ("bounced", "domain_unknown", "address")),
        ("5.1.10", "failed", "x; y", ("bounced", "null_mx", "address")),
        ("5.2.1", "failed", "x; y", ("bounced", "mailbox_disabled", "address")),
        ("5.2.2", "failed", "smtp; 552 5.2.2 over quota", ("bounced", "mailbox_full", "message")),
        ("5.7.1", "failed", "smtp; 550 5.7.1 blocked", ("bounced", "policy_rejected", "message")),
        ("5.7.26", "failed", "smtp; 550 5.7.26 DMARC", ("bounced", "policy_rejected", "message")),
        ("5.3.4", "failed", "x; y", ("bounced", "too_large", "message")),
        ("5.0.0", "failed", "smtp; 550 5.1.1 unknown user", ("bounced", "mailbox_unknown", "address")),
        ("5.0.0", "failed", "smtp; 554 delivery error", ("bounced", "undelivered", "message")),
        ("4.4.7", "failed", "smtp; 451 timed out", ("bounced", "delivery_timed_out", "message")),
        ("4.2.2", "failed", "smtp; 452 5.1.1 odd", ("bounced", "undelivered", "message")),
        ("4.4.1", "delayed", "smtp; 451 later", ("underway", "", "message")),
        ("2.0.0", "delivered", "smtp; 250 ok", ("delivered", "", "message")),
        ("2.0.0", "relayed", "smtp; 250 ok", ("underway", "", "message")),
    ],
)
def test_a_delivery_report_says_what_became_of_it(
    status: str, action: str, diagnostic: str, told: tuple[str, str, str]
) -> None:
    event = read_returned(report(status, action, diagnostic))
    assert event is not None
    assert (event.status.value, event.reason, event.blame.value) == told
    assert LINKS.read_report_mark(event.mark) == 7


@pytest.mark.parametrize(
    "to",
    ["bounces@alerts.example", "someone@alerts.example", "", "bounces+7@alerts.example", "ada+7-x@mail.example"],
)
def test_a_report_that_came_to_no_marked_address_says_nothing(to: str) -> None:
    assert read_returned(report(to=to)) is None


def test_a_forged_mark_is_read_and_names_no_delivery() -> None:
    event = read_returned(report(to=return_address("bounces@alerts.example", "8" + MARK[1:])))
    assert event is not None
    assert LINKS.read_report_mark(event.mark) is None


def test_the_case_of_letters_on_the_way_does_not_matter() -> None:
    event = read_returned(report(to=BACK.upper()))
    assert event is not None
    assert LINKS.read_report_mark(event.mark) == LINKS.read_report_mark(MARK.upper()) == 7


def test_where_it_came_to_is_heard_from_the_mail_server_first_and_from_its_headers_else() -> None:
    assert read_returned(report(to="x@y.example"), [BACK]) is not None
    assert read_returned(report(to="x@y.example", Delivered_To=BACK)) is not None
    assert read_returned(report(to="x@y.example", X_Original_To=BACK)) is not None


def complaint(kind: str = "abuse", sender: str = f"<{BACK}>", to: str = "fbl@alerts.example") -> bytes:
    return (
        f"From: fbl@mailbox.example\r\nTo: {to}\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: x/1\r\nVersion: 1\r\nOriginal-Mail-From: {sender}\r\n\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: It is back\r\n\r\nHello\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize("kind", ["abuse", "fraud", "opt-out", "Abuse"])
def test_a_complaint_is_about_the_mail_whose_sender_it_quotes(kind: str) -> None:
    event = read_returned(complaint(kind))
    assert event is not None
    assert (event.status, event.blame, event.mark) == (ReceiptStatus.complained, Blame.address, MARK)


def test_not_spam_and_a_complaint_about_somebody_elses_mail_say_nothing() -> None:
    assert read_returned(complaint("not-spam")) is None
    assert read_returned(complaint(sender="<news@elsewhere.example>")) is None


def plain(text: str, **headers: str) -> bytes:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = "postmaster@mx.example", BACK, "Undeliverable"
    for name, value in headers.items():
        del message[name.replace("_", "-")]
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return bytes(message)


def test_a_server_that_writes_for_people_is_understood_where_it_quotes_a_whole_reply() -> None:
    event = read_returned(plain("The server said:\n550 5.1.1 <ada@mail.example>: no such user\n"))
    assert event is not None
    assert (event.reason, event.blame) == ("mailbox_unknown", Blame.address)
    assert read_returned(plain("Your mail could not be delivered. Sorry.")) is None


def test_a_holiday_answer_is_no_bounce_whatever_it_quotes() -> None:
    said = "I am away. 550 5.1.1 is my room number."
    assert read_returned(plain(said, Auto_Submitted="auto-replied")) is None
    assert read_returned(plain(said, From="ada@mail.example")) is None


def test_a_reading_receipt_is_no_bounce() -> None:
    receipt = report().replace(b'report-type="delivery-status"', b'report-type="disposition-notification"')
    assert read_returned(receipt) is None


@given(st.binary(max_size=400) | st.builds(lambda cut, junk: report()[:cut] + junk, st.integers(0, 900), st.binary()))
@settings(max_examples=200)
def test_no_mail_whatever_makes_it_fail(raw: bytes) -> None:
    event = read_returned(raw, [BACK])
    assert event is None or event.mark == MARK


def test_parts_within_parts_without_end_are_read_in_time() -> None:
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(2000))
    assert read_returned(f"To: {BACK}\r\n".encode() + deep) is None


@pytest.mark.parametrize("text", ["", "x", "a@b@c", "x" * 27 + "@a.example", "Ada <a@b.example>", "a b@c.example"])
def test_an_address_no_mark_fits_into_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a plain address"):
        check_bounce_address(text)


def test_an_address_with_the_longest_mark_there_is_stays_within_what_mail_allows() -> None:
    check_bounce_address("b" * 26 + "@alerts.example")
    longest = return_address("b" * 26 + "@alerts.example", LINKS.report_mark(2**63 - 1))
    assert len(longest.partition("@")[0]) <= 64


def test_a_mail_leaves_with_the_address_it_comes_back_to_and_is_from_the_sender_all_the_same() -> None:
    peer = SmtpPeer()
    seen: list[Any] = []
    took = peer.handle_DATA

    async def note(server: Any, session: object, envelope: Any) -> str:
        seen.append(envelope.mail_from)
        return await took(server, session, envelope)

    peer.handle_DATA = note  # type: ignore[method-assign]
    sender = Sender("alerts@alerts.example")
    pool = SmtpPool(SmtpServer("127.0.0.1", peer.port), sender.domain, sender.address)
    channel = EmailChannel(pool, sender, return_path=lambda number: return_address("b@x.example", f"{number}-mark"))
    list(channel.send([envelope_for(7, Recipient("ada@mail.example")), envelope_for(8, Recipient("bea@mail.example"))]))
    channel.close()
    [first, _] = peer.messages()
    peer.stop()
    assert sorted(seen) == ["b+7-mark@x.example", "b+8-mark@x.example"]
    assert str(first["From"].addresses[0].addr_spec) == "alerts@alerts.example"
