"""What providers report of e-mail, word for word as they document it, and whatever else may come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.email.providers.catalogue import ProviderName
from restock.channels.email.reports.events import read_events

MARK = "7-abcdefghijklmnop"
UNDERWAY, DELIVERED = ("underway", "", "message"), ("delivered", "", "message")
DEAD, LISTED = ("bounced", "mailbox_unknown", "address"), ("bounced", "suppressed_by_provider", "address")
FULL, POLICY = ("bounced", "mailbox_full", "message"), ("bounced", "policy_rejected", "message")
SOFT = ("bounced", "undelivered", "message")
COMPLAINED, OPTED_OUT = ("complained", "", "address"), ("complained", "opted_out", "address")
NOTHING = None


def told(provider: ProviderName, said: Any) -> tuple[str, str, str] | None:
    events = read_events(provider, said)
    assert len(events) <= 1
    assert {event.mark for event in events} <= {MARK}
    return (events[0].status.value, events[0].reason, events[0].blame.value) if events else None


POSTMARK = [
    ({"RecordType": "Delivery"}, DELIVERED),
    ({"RecordType": "SpamComplaint", "Type": "SpamComplaint"}, COMPLAINED),
    ({"RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1}, DEAD),
    ({"RecordType": "Bounce", "Type": "BadEmailAddress"}, DEAD),
    ({"RecordType": "Bounce", "Type": "SoftBounce"}, SOFT),
    ({"RecordType": "Bounce", "Type": "DnsError"}, SOFT),
    ({"RecordType": "Bounce", "Type": "Blocked"}, POLICY),
    ({"RecordType": "Bounce", "Type": "SpamNotification"}, POLICY),
    ({"RecordType": "Bounce", "Type": "Transient"}, UNDERWAY),
    ({"RecordType": "Bounce", "Type": "AutoResponder"}, NOTHING),
    ({"RecordType": "Bounce", "Type": "Unsubscribe"}, OPTED_OUT),
    ({"RecordType": "Bounce", "Type": "Newfangled"}, SOFT),
    ({"RecordType": "SubscriptionChange", "SuppressSending": True, "Origin": "Recipient"}, OPTED_OUT),
    ({"RecordType": "SubscriptionChange", "SuppressSending": False, "Origin": "Recipient"}, NOTHING),
    ({"RecordType": "SubscriptionChange", "SuppressSending": True, "Origin": "Customer"}, NOTHING),
    ({"RecordType": "Open"}, NOTHING),
]


@pytest.mark.parametrize(("said", "meant"), POSTMARK)
def test_postmarks_reports(said: dict[str, Any], meant: tuple[str, str, str] | None) -> None:
    assert told(ProviderName.postmark, said | {"Metadata": {"restock": MARK}, "MessageID": "m-1"}) == meant


SENDGRID = [
    ({"event": "processed"}, UNDERWAY),
    ({"event": "deferred", "response": "451 later"}, UNDERWAY),
    ({"event": "delivered"}, DELIVERED),
    ({"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 gone"}, DEAD),
    ({"event": "bounce", "type": "bounce", "status": "5.0.0", "reason": "550 5.1.1 gone"}, DEAD),
    ({"event": "bounce", "type": "bounce", "status": "5.2.2", "reason": "552 5.2.2 full"}, FULL),
    ({"event": "bounce", "type": "bounce", "reason": "unable to get mx info"}, SOFT),
    ({"event": "bounce", "type": "bounce", "bounce_classification": "Invalid Address"}, DEAD),
    ({"event": "bounce", "type": "blocked", "status": "5.7.1"}, POLICY),
    ({"event": "dropped", "reason": "Bounced Address"}, LISTED),
    ({"event": "dropped", "reason": "Spam Reporting Address"}, COMPLAINED),
    ({"event": "dropped", "reason": "Unsubscribed Address"}, OPTED_OUT),
    ({"event": "dropped", "reason": "Spam Content"}, SOFT),
    ({"event": "spamreport"}, COMPLAINED),
    ({"event": "unsubscribe"}, OPTED_OUT),
    ({"event": "group_unsubscribe"}, OPTED_OUT),
    ({"event": "open"}, NOTHING),
    ({"event": "click"}, NOTHING),
]


@pytest.mark.parametrize(("said", "meant"), SENDGRID)
def test_sendgrids_reports(said: dict[str, Any], meant: tuple[str, str, str] | None) -> None:
    assert told(ProviderName.sendgrid, [said | {"restock": MARK, "sg_message_id": "m-1.recvd.0"}]) == meant


MAILGUN = [
    ({"event": "accepted"}, UNDERWAY),
    ({"event": "delivered"}, DELIVERED),
    ({"event": "failed", "severity": "temporary", "reason": "generic"}, UNDERWAY),
    ({"event": "failed", "severity": "permanent", "reason": "bounce",
      "delivery-status": {"code": 550, "enhanced-code": "5.1.1", "message": "5.1.1 gone"}}, DEAD),
    ({"event": "failed", "severity": "permanent", "reason": "bounce",
      "delivery-status": {"code": 550, "message": "550 5.1.1 gone"}}, DEAD),
    ({"event": "failed", "severity": "permanent", "reason": "bounce",
      "delivery-status": {"code": 552, "enhanced-code": "5.2.2", "message": "full"}}, FULL),
    ({"event": "failed", "severity": "permanent", "reason": "suppress-bounce", "delivery-status": 605}, LISTED),
    ({"event": "failed", "severity": "permanent", "reason": "suppress-complaint"}, COMPLAINED),
    ({"event": "failed", "severity": "permanent", "reason": "suppress-unsubscribe"}, OPTED_OUT),
    ({"event": "failed", "severity": "permanent", "reason": "old"}, SOFT),
    ({"event": "rejected"}, SOFT),
    ({"event": "complained"}, COMPLAINED),
    ({"event": "unsubscribed"}, OPTED_OUT),
    ({"event": "opened"}, NOTHING),
]  # fmt: skip


@pytest.mark.parametrize(("said", "meant"), MAILGUN)
def test_mailguns_reports(said: dict[str, Any], meant: tuple[str, str, str] | None) -> None:
    event = said | {"user-variables": {"restock": MARK}, "message": {"headers": {"message-id": "m-1"}}}
    assert told(ProviderName.mailgun, {"signature": {}, "event-data": event}) == meant


def bounce(kind: str, subtype: str) -> dict[str, Any]:
    return {"type": "email.bounced", "data": {"bounce": {"type": kind, "subType": subtype}}}


RESEND = [
    ({"type": "email.sent", "data": {}}, UNDERWAY),
    ({"type": "email.delivery_delayed", "data": {}}, UNDERWAY),
    ({"type": "email.delivered", "data": {}}, DELIVERED),
    (bounce("Permanent", "General"), DEAD),
    (bounce("Permanent", "NoEmail"), DEAD),
    (bounce("Permanent", "Suppressed"), LISTED),
    (bounce("Transient", "General"), SOFT),
    (bounce("Transient", "MailboxFull"), FULL),
    (bounce("Undetermined", "Undetermined"), SOFT),
    ({"type": "email.complained", "data": {}}, COMPLAINED),
    ({"type": "email.suppressed", "data": {}}, LISTED),
    ({"type": "email.failed", "data": {}}, SOFT),
    ({"type": "email.opened", "data": {}}, NOTHING),
    ({"type": "contact.created", "data": {}}, NOTHING),
]


@pytest.mark.parametrize("tags", [{"restock": MARK}, [{"name": "x", "value": "y"}, {"name": "restock", "value": MARK}]])
@pytest.mark.parametrize(("said", "meant"), RESEND)
def test_resends_reports(said: dict[str, Any], meant: tuple[str, str, str] | None, tags: Any) -> None:
    assert told(ProviderName.resend, {**said, "data": said["data"] | {"tags": tags, "email_id": "m-1"}}) == meant


def ses(kind: str, **more: Any) -> dict[str, Any]:
    return {"notificationType": kind, **more}


def ses_bounce(kind: str, subtype: str, status: str = "") -> dict[str, Any]:
    people = [{"emailAddress": "ada@mail.example", **({"status": status} if status else {})}]
    return ses("Bounce", bounce={"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": people})


SES = [
    (ses("Delivery"), DELIVERED),
    ({"eventType": "Send"}, UNDERWAY),
    ({"eventType": "DeliveryDelay"}, UNDERWAY),
    ({"eventType": "Reject"}, SOFT),
    ({"eventType": "Open"}, NOTHING),
    ({"eventType": "Rendering Failure"}, NOTHING),
    (ses("AmazonSnsSubscriptionSucceeded"), NOTHING),
    (ses("Complaint", complaint={"complaintFeedbackType": "abuse"}), COMPLAINED),
    (ses("Complaint", complaint={"complaintSubType": "OnAccountSuppressionList"}), COMPLAINED),
    (ses("Complaint"), COMPLAINED),
    (ses("Complaint", complaint={"complaintFeedbackType": "not-spam"}), NOTHING),
    (ses_bounce("Permanent", "General", "5.1.1"), DEAD),
    (ses_bounce("Permanent", "NoEmail"), DEAD),
    (ses_bounce("Permanent", "Suppressed"), LISTED),
    (ses_bounce("Permanent", "OnAccountSuppressionList"), LISTED),
    (ses_bounce("Permanent", "Newfangled"), SOFT),
    (ses_bounce("Transient", "MailboxFull"), FULL),
    (ses_bounce("Transient", "ContentRejected"), POLICY),
    (ses_bounce("Transient", "General", "4.4.7"), SOFT),
    (ses_bounce("Transient", "General"), UNDERWAY),  # most often somebody's holiday answer
    (ses_bounce("Transient", "NoEmail"), SOFT),
    (ses_bounce("Undetermined", "Undetermined"), SOFT),
    (ses("Bounce"), SOFT),
]


@pytest.mark.parametrize("mail", [
    {"headers": [{"name": "To", "value": "x"}, {"name": "message-id", "value": f"<{MARK}@shop.example>"}]},
    {"commonHeaders": {"messageId": f"<{MARK}@shop.example>"}},
])  # fmt: skip
@pytest.mark.parametrize(("said", "meant"), SES)
def test_amazons_reports_name_the_message_by_its_own_message_id(
    said: dict[str, Any], meant: tuple[str, str, str] | None, mail: dict[str, Any]
) -> None:
    found = read_events(ProviderName.ses, said | {"mail": mail | {"messageId": "0102-m"}})
    assert [(one.status, one.reason, one.blame) for one in found] == ([meant] if meant else [])
    assert [(one.identity, one.mark, one.message_id) for one in found] == ([(MARK, "", "0102-m")] if meant else [])


def test_a_report_of_amazons_without_the_headers_of_the_message_names_it_by_amazons_own_name() -> None:
    [event] = read_events(ProviderName.ses, ses_bounce("Permanent", "General") | {"mail": {"messageId": "0102-m"}})
    assert (event.mark, event.identity, event.message_id) == ("", "", "0102-m")
    assert read_events(ProviderName.ses, ses_bounce("Permanent", "General") | {"mail": {}}) == []


def test_a_report_of_many_messages_is_read_whole_and_no_longer_than_any_honest_one() -> None:
    many = [{"event": "delivered", "restock": f"{n}-abcdefghijklmnop"} for n in range(5000)]
    assert len(read_events(ProviderName.sendgrid, many)) == 2000


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
_TEXT = """
    event type data MessageID email_id sg_message_id message-id RecordType Type Metadata restock event-data bounce
    notificationType eventType mail bounceType bounceSubType bouncedRecipients commonHeaders messageId name value
    tags delivery-status user-variables severity message headers reason status
"""
_LIKELY = st.recursive(
    st.sampled_from(
        [MARK, "bounce", "failed", "permanent", "email.bounced", "Bounce", 7, None, "\ud800", "a\x00b", "x" * 300]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_TEXT.split()), inner, max_size=6),
    max_leaves=30,
)


@given(st.sampled_from(ProviderName), _JSON | _LIKELY)
def test_no_report_whatever_makes_it_fail(provider: ProviderName, said: Any) -> None:
    for event in read_events(provider, said):
        assert event.mark or event.identity
        for text in (event.mark or event.identity, event.reason, event.message_id or "x"):
            assert text.isprintable()
            assert text.encode()
