"""Mail that came back: what is understood, whom it is about, and what is not believed."""

from __future__ import annotations

import base64
import email.policy
import quopri
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


DEAD_MAILBOX = ("bounced", "mailbox_unknown", "address")
POLICY = ("bounced", "policy_rejected", "message")
UNDELIVERED = ("bounced", "undelivered", "message")


def told_of(raw: bytes) -> tuple[str, str, str] | None:
    event = read_returned(raw)
    return None if event is None else (event.status.value, event.reason, event.blame.value)


@pytest.mark.parametrize(
    ("status", "diagnostic", "told"),
    [
        ("5.0.0", "smtp; 550 No Such User", DEAD_MAILBOX),
        ("5.0.0", "smtp; 550-5.1.1 nobody of that name\r\n 550 5.1.1 <ada@mail.example>", DEAD_MAILBOX),
        ("5.0.350", "smtp;550 5.0.350 Remote server returned an error -> 550 5.1.1 User Unknown", DEAD_MAILBOX),
        ("5.1.1 (bad destination mailbox)", "x; y", DEAD_MAILBOX),
        ("", "smtp; 550 5.1.1 no such user", DEAD_MAILBOX),
        ("5.0.0", "smtp; 554 refused, IP 195.5.1.1 blacklisted", POLICY),
        ("5.0.0", "smtp; 554 host 5.1.1.7 refused to talk to us", UNDELIVERED),
        ("5.0.0", "smtp; 554 host mx15.1.1 refused to talk to us", UNDELIVERED),
        ("5.1.1", "smtp; 550 5.7.1 blocked using zen.spamhaus.org", POLICY),
        ("5.1.1", "smtp; 552 5.2.2 over quota", ("bounced", "mailbox_full", "message")),
        ("5.5.0", "smtp; 550 relay not permitted", POLICY),
        ("5.4.1", "smtp; 550 5.4.1 Recipient address rejected: Access denied", POLICY),
        ("5.4.4", "X-Postfix; Host or domain name not found", UNDELIVERED),
    ],
)
def test_the_code_of_a_report_and_the_words_of_the_server_are_read_together(
    status: str, diagnostic: str, told: tuple[str, str, str]
) -> None:
    assert told_of(report(status, diagnostic=diagnostic)) == told


FAILED = "Final-Recipient: rfc822; bea@far.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"


@pytest.mark.parametrize(
    ("action", "then", "told"),
    [
        ("expanded", FAILED, DEAD_MAILBOX),
        ("delivered", FAILED, DEAD_MAILBOX),
        ("expanded", FAILED.replace("failed", "delayed"), ("underway", "", "message")),
        ("delivered", FAILED.replace("failed", "delayed"), ("underway", "", "message")),
        ("expanded", FAILED.replace("5.1.1", "5.7.1") + "\r\n" + FAILED, DEAD_MAILBOX),
        ("expanded", FAILED.replace("failed", "delivered"), ("underway", "", "message")),
    ],
)
def test_of_several_groups_of_a_report_the_worst_counts(action: str, then: str, told: tuple[str, str, str]) -> None:
    raw = report("2.0.0", action, "smtp; 250 ok").replace(b"smtp; 250 ok\r\n", f"x; ok\r\n\r\n{then}".encode())
    assert told_of(raw) == told


GLOBAL = b"message/global-delivery-status"


def test_a_report_about_an_address_in_any_letters_is_read_however_it_is_coded() -> None:
    """RFC 6533: what Python's parser takes for a message is a report all the same."""
    plain = report().replace(b"message/delivery-status", GLOBAL)
    assert told_of(plain) == DEAD_MAILBOX
    assert told_of(plain.replace(b"rfc822; ada", "utf-8; ädä".encode())) == DEAD_MAILBOX
    head, _, rest = plain.partition(GLOBAL + b"\r\n\r\n")
    fields, _, tail = rest.partition(b"\r\n--b\r\nContent-Type: text/rfc822-headers")
    for coding, coded in (("base64", base64.encodebytes(fields)), ("quoted-printable", quopri.encodestring(fields))):
        raw = head + GLOBAL + f"\r\nContent-Transfer-Encoding: {coding}\r\n\r\n".encode() + coded + b"\r\n--b--" + tail
        assert told_of(raw) == DEAD_MAILBOX, coding


def test_a_report_that_does_not_say_of_what_kind_it_is_is_read_by_what_is_in_it() -> None:
    assert told_of(report().replace(b' report-type="delivery-status";', b"")) == DEAD_MAILBOX


def test_a_report_within_another_mail_is_read_but_not_one_within_an_enclosed_message() -> None:
    """A list or a scanner puts its own words around a report; somebody else's is enclosed, and is not about us."""
    inner = report().partition(b"\r\nContent-Type: ")[2]
    head = f"From: MAILER-DAEMON@mx.example\r\nTo: {BACK}\r\n"
    around = 'Content-Type: multipart/mixed; boundary="m"\r\n\r\n--m\r\n'
    note = b"Content-Type: text/plain\r\n\r\nScanned.\r\n--m\r\n"
    assert told_of((head + around).encode() + note + b"Content-Type: " + inner + b"\r\n--m--\r\n") == DEAD_MAILBOX
    enclosed = b"Content-Type: message/rfc822\r\n\r\nContent-Type: " + inner + b"\r\n--m--\r\n"
    assert told_of((head.replace("MAILER-DAEMON", "ada") + around).encode() + note + enclosed) is None
    mixed = report().replace(b'multipart/report; report-type="delivery-status"', b"multipart/mixed")
    assert told_of(mixed.replace(b"auto-replied", b"auto-generated")) == DEAD_MAILBOX, "as some old servers write it"
    assert told_of(mixed.replace(b"MAILER-DAEMON", b"ada").replace(b"auto-replied", b"no")) is None


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


EXIM = {"Auto_Submitted": "auto-replied", "X_Failed_Recipients": "ada@mail.example"}
COPY = "\n------ This is a copy of the message, including all the headers. ------\n\n550 5.1.1 no such user\n"


@pytest.mark.parametrize(
    ("text", "headers", "told"),
    [
        # qmail
        ("<ada@mail.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n", {}, DEAD_MAILBOX),
        ("Remote host said: 550 No such user\nGiving up on 192.0.2.1.\n", {}, DEAD_MAILBOX),
        ("Remote host said: 550 5.1.1 <ada@mail.example>\nGiving up on 192.0.2.1.\n", {}, DEAD_MAILBOX),
        ("192.0.2.1 failed after I sent the message.\nRemote host said: 554 5.7.1 spam\n", {}, POLICY),
        ("<ada@mail.example>:\nThis address is in no list (#5.7.1)\n", {}, POLICY),
        # Exim
        ("  ada@mail.example\n    SMTP error after RCPT TO:\n    550 No Such User Here\n", EXIM, DEAD_MAILBOX),
        ("  ada@mail.example\n    550-5.1.1 nobody here\n    550 5.1.1 of that name\n", EXIM, DEAD_MAILBOX),
        ("  ada@mail.example\n    550-5.7.1 listed by\n    550 5.7.1 a.dnsbl.example\n", EXIM, POLICY),
        ("  ada@mail.example\n    550-Verification failed for <x@y.example>\n    550 no such user\n", EXIM, POLICY),
        ("  ada@mail.example\n    Unrouteable address\n", EXIM, UNDELIVERED),
        ("  ada@mail.example\n    550 Rejected\n" + COPY, EXIM, UNDELIVERED),
        # Says nothing
        ("  ada@mail.example\n    no reply is quoted" + COPY, {}, None),
        ("Your message has 554 words too many.", {}, None),
        ("554 5.1.1.7 is where it went", {}, None),
        ("Delivery is delayed: 450 4.2.1 busy. We go on trying.", {}, None),
        ("Call 0550 5.1.1 no such user", {}, None),
    ],
)
def test_a_bounce_for_people_is_read_by_the_reply_it_quotes_above_the_copy_of_our_mail(
    text: str, headers: dict[str, str], told: tuple[str, str, str] | None
) -> None:
    assert told_of(plain(text, **headers)) == told


def test_an_automatic_answer_condemns_nobody_even_if_it_comes_from_nowhere() -> None:
    """Holiday answers have no sender to answer to, as bounces have; their writer is a person."""
    said = "I have left. 550 5.1.1 no such user."
    assert told_of(b"Return-Path: <>\r\n" + plain(said, From="ada@mail.example")) is None
    assert told_of(b"Return-Path: <>\r\n" + plain(said, Auto_Submitted="auto-replied (vacation)")) is None
    assert told_of(plain(said, X_Autoreply="yes")) is None


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
