"""What a mail server's reply means; only a dead mailbox condemns an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.email.replies import Stage, judge
from restock.channels.values import Blame, Verdict

REFUSED, DEFERRED = Verdict.refused, Verdict.deferred
MESSAGE, ADDRESS, PROVIDER = Blame.message, Blame.address, Blame.provider


@pytest.mark.parametrize(
    ("stage", "code", "text", "verdict", "reason", "blame"),
    [
        (Stage.recipient, 550, b"5.1.1 unknown", REFUSED, "mailbox_unknown", ADDRESS),
        (Stage.recipient, 550, b" 5.1.1 unknown", REFUSED, "mailbox_unknown", ADDRESS),
        (Stage.content, 550, b"5.1.1 unknown", REFUSED, "mailbox_unknown", ADDRESS),
        (Stage.recipient, 550, b"5.1.2 no domain", REFUSED, "domain_unknown", ADDRESS),
        (Stage.recipient, 553, b"5.1.3 bad", REFUSED, "address_malformed", ADDRESS),
        (Stage.recipient, 551, b"5.1.6 moved", REFUSED, "mailbox_moved", ADDRESS),
        (Stage.recipient, 556, b"5.1.10 null MX", REFUSED, "null_mx", ADDRESS),
        (Stage.recipient, 550, b"5.2.1 disabled", REFUSED, "mailbox_disabled", ADDRESS),
        (Stage.recipient, 552, b"5.2.2 full", REFUSED, "mailbox_full", MESSAGE),
        (Stage.content, 552, b"5.3.4 too big", REFUSED, "too_large", MESSAGE),
        (Stage.sender, 552, b"5.3.4 too big", REFUSED, "too_large", MESSAGE),
        (Stage.recipient, 554, b"5.7.1 relay denied", REFUSED, "policy_rejected", MESSAGE),
        (Stage.content, 550, b"5.7.26 unauthenticated", REFUSED, "policy_rejected", MESSAGE),
        (Stage.content, 554, b"looks like spam", REFUSED, "policy_rejected", MESSAGE),
        (Stage.recipient, 550, b"5.1.2 relay not permitted", REFUSED, "policy_rejected", MESSAGE),
        (Stage.recipient, 550, b"no such user", REFUSED, "mailbox_unknown", ADDRESS),
        (Stage.recipient, 554, b"no", REFUSED, "rejected", MESSAGE),
        (Stage.recipient, 550, b"5.99.99 new", REFUSED, "rejected", MESSAGE),
        (Stage.sender, 550, b"5.7.1 not yours", DEFERRED, "sender_refused", PROVIDER),
        (Stage.sender, 530, b"5.7.0 log in", DEFERRED, "login_required", PROVIDER),
        (Stage.recipient, 535, b"5.7.8 bad", DEFERRED, "login_required", PROVIDER),
        (Stage.recipient, 450, b"4.2.1 busy", DEFERRED, "mailbox_busy", MESSAGE),
        (Stage.recipient, 452, b"4.2.2 full", DEFERRED, "mailbox_full", MESSAGE),
        (Stage.recipient, 451, b"greylisted", DEFERRED, "temporarily_refused", MESSAGE),
        (Stage.content, 421, b"4.7.28 rate", DEFERRED, "rate_limited", MESSAGE),
        (Stage.data, 421, b"bye", DEFERRED, "rate_limited", MESSAGE),
        (Stage.data, 200, b"what", DEFERRED, "unexpected_reply", MESSAGE),
        (Stage.data, -1, b"", DEFERRED, "unexpected_reply", MESSAGE),
    ],
)
def test_a_reply_means(*, stage: Stage, code: int, text: bytes, verdict: Verdict, reason: str, blame: Blame) -> None:
    assert judge(stage, code, text) == (verdict, reason, blame)


# Replies as these servers and services give them (their public documentation), of addresses in example domains.
DEAD = [
    # Gmail
    "550 5.1.1 The email account that you tried to reach does not exist. Check it\n5.1.1 https://support.google.com",
    "550 5.2.1 The email account that you tried to reach is disabled.",
    "550 5.2.1 The email account that you tried to reach is inactive.",
    # Microsoft
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ada@b.example not found by SMTP address lookup",
    "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found",
    "550 5.1.10 RESOLVER.ADR.ExRecipNotFound; not found",
    # Yahoo
    "554 delivery error: dd This user doesn't have a yahoo.com account (ada@yahoo.com) [0] - mta1.mail.example",
    "554 30 Sorry, your message to ada@yahoo.com cannot be delivered. This mailbox is disabled (554.30).",
    "552 1 Requested mail action aborted, mailbox not found",
    # Apple
    "550 5.1.1 <ada@icloud.example>: user does not exist",
    "550 5.1.6 recipient no longer on server: ada@icloud.example",
    # Postfix
    "550 5.1.1 <ada@b.example>: Recipient address rejected: User unknown in local recipient table",
    "550 5.1.1 <ada@b.example>: Recipient address rejected: User unknown in relay recipient table",
    "550 5.1.1 <ada@b.example>: Recipient address rejected: User unknown in virtual mailbox table",
    "550 <ada@b.example>: Recipient address rejected: User unknown in local recipient table",
    "550 5.1.1 <spam.blocked@b.example>: Recipient address rejected: User unknown in virtual alias table",
    "556 5.1.10 <ada@b.example>: Recipient address rejected: Domain b.example does not accept mail (nullMX)",
    # Exim
    "550 No such user here",
    "550 No Such User Here",
    "550 Unknown user",
    "550 no such address here",
    "550 Mailbox does not exist",
    # Sendmail
    "550 5.1.1 <ada@b.example>... User unknown",
    "553 5.3.0 <ada@b.example>... No such user here",
    "550 ada@b.example... User unknown",
    # qmail
    "550 sorry, no mailbox here by that name. (#5.1.1)",
    "553 sorry, this recipient is not in my validrcptto list (#5.1.1)",
    "550 sorry, no mailbox here by that name (#5.1.1 - chkuser)",
    # Proofpoint, Mimecast, Barracuda, Cisco, Domino, Zimbra, hMailServer, Courier, MDaemon, Dovecot
    "550 5.1.1 User Unknown",
    "550 5.1.0 User unknown",
    "550 Invalid Recipient - https://community.mimecast.example/docs/DOC-1369#550",
    "550 permanent failure for one or more recipients (ada@b.example:550 5.1.1 <ada@b.example>... User unknown)",
    "550 #5.1.1 ada@b.example... User unknown",
    "550 ada@b.example... No such user",
    "554 5.0.0 User ada (ada@b.example) not listed in Domino Directory",
    "550 5.1.1 <ada@b.example>: Recipient address rejected: b.example",
    "550 Unknown user",
    "550 5.1.1 <ada@b.example> is not a valid mailbox",
    "550 <ada@b.example>, Recipient unknown",
    "550 5.1.1 <ada@b.example> User doesn't exist: ada@b.example",
    "550 5.2.1 <ada@b.example> This account has been disabled",
    "550 The mailbox is no longer valid",
    "550 account ada@b.example has been deleted",
]
NOBODYS_FAULT = [
    # The relay we were told to use
    "550 relay not permitted",
    "550 5.7.1 Unable to relay",
    "554 5.7.1 <ada@b.example>: Relay access denied",
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
    "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
    "550 5.1.1 We do not relay for you",
    "550 authentication required for relay",
    "551 we do not relay",
    "553 5.1.2 We do not relay non-local mail, sorry.",
    # Our address
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    "550 JunkMail rejected - mail.example [192.0.2.1] is in an RBL: https://www.spamhaus.org/query/ip/192.0.2.1",
    "550 IP 195.5.1.1 blacklisted",
    "550 5.7.1 [192.0.2.1] Our system has detected that this message is likely unsolicited mail.",
    "550 5.7.606 Access denied, banned sending IP [192.0.2.1]",
    "550 5.7.1 Messages from [192.0.2.1] weren't sent: part of its network is on our block list (S3140)",
    "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list",
    "554 Blocked - see https://ipcheck.proofpoint.example/?ip=192.0.2.1",
    "550 csi.mimecast.example Poor Reputation Sender. - https://community.mimecast.example/docs/DOC-1369#550",
    "554 Service unavailable; Client host [mail.example] blocked using Barracuda Reputation",
    "550 Denied by policy",
    "550 Your server's reverse DNS does not exist",
    # Our domain
    "550 5.7.26 This mail has been blocked because the sender is unauthenticated.",
    "550 SPF check failed",
    "550 5.7.23 The message was rejected because of Sender Policy Framework violation",
    "550-Verification failed for <alerts@alerts.example>\nNo Such User Here\nSender verify failed",
    "550 5.1.8 <alerts@alerts.example>: Sender address rejected: Domain not found",
    "550 5.1.1 Sender address rejected: User unknown",
    "550 5.7.509 Access denied, sending domain does not pass DMARC verification",
    # The text
    "550 Administrative prohibition",
    "550 Administrative prohibition - envelope blocked",
    "550 Rejected by header based Anti-Spoofing policy",
    "554 5.7.1 Message cannot be accepted, spam rejection",
    "550 message content rejected due to spam",
    "554 5.6.0 Message contains a virus",
    # May mean anything
    "550",
    "550 Rejected",
    "550 Requested action not taken: mailbox unavailable",
    "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
    "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
    "550 #5.1.0 Address rejected.",
    "550 Unrouteable address",
    "550 5.4.310 DNS domain b.example does not exist",
    "556 no",
    # There is somebody
    "552 5.2.2 The email account that you tried to reach is over quota",
    "550 Mailbox is full",
    "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
    "550 5.2.0 over quota",
    "550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission; not authorized to send to recipient",
]


def said_at_rcpt(reply: str) -> tuple[str, str]:
    ruling = judge(Stage.recipient, int(reply[:3]), reply[4:].encode())
    assert ruling.verdict is REFUSED
    return ruling.blame.value, ruling.reason


@pytest.mark.parametrize("reply", DEAD)
def test_an_address_is_condemned_by_words_or_codes_that_say_that_nobody_is_there(reply: str) -> None:
    assert said_at_rcpt(reply)[0] == ADDRESS


@pytest.mark.parametrize("reply", NOBODYS_FAULT)
def test_no_address_is_condemned_for_what_is_about_us_or_may_mean_anything(reply: str) -> None:
    assert said_at_rcpt(reply)[0] == MESSAGE


@pytest.mark.parametrize(
    "words", ["relay not permitted", "blocked by zen.spamhaus.org", "SPF check failed", "by policy"]
)
@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"])
def test_a_code_that_speaks_of_a_dead_mailbox_is_not_believed_beside_words_about_us(code: str, words: str) -> None:
    assert said_at_rcpt(f"550 {code} user unknown: {words}") == (MESSAGE, "policy_rejected")


def test_what_an_address_is_called_says_nothing_of_it() -> None:
    assert said_at_rcpt("550 <relay@spam.example>: no such user") == (ADDRESS, "mailbox_unknown")
    assert said_at_rcpt("550 <no.such.user@b.example>: rejected") == (MESSAGE, "rejected")


@given(stage=st.sampled_from(Stage), code=st.integers(-1, 999), text=st.binary(max_size=60))
def test_any_reply_has_a_meaning_and_no_4xx_is_ever_final(stage: Stage, code: int, text: bytes) -> None:
    ruling = judge(stage, code, text)
    assert ruling.verdict in (Verdict.refused, Verdict.deferred)
    if 400 <= code < 500:
        assert ruling.verdict is Verdict.deferred
    if ruling.blame is Blame.address:
        assert 500 <= code < 600
