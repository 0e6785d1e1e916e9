"""Amazon SES through SNS: only the shop's own topic is heard, only Amazon is asked anything, and only where it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from restock.channels.email.providers.catalogue import ProviderName
from restock.channels.email.reports.amazon import LARGEST_ANSWER, AmazonAwayError, AmazonSns, Answer, fetch
from restock.channels.email.reports.sns import read_delivery, topic_region
from restock.channels.values import ReceiptStatus
from restock.config import Settings
from restock.playground.fake_http import Answer as PeerAnswer
from restock.playground.fake_http import FakePeer, Request, Trouble
from tests.log_lines import log_lines
from tests.web.sns_topic import CERTIFICATE_URL, TOPIC, FakeAmazon, asking, certificate, delivered
from tests.web.test_email_events import NOW, SHOP, Door, Sent, event, opened


@pytest.fixture
def door(make_settings: Callable[..., Settings]) -> Door:
    return opened(ProviderName.ses, make_settings)


def post(door: Door, said: object) -> int:
    sent = Sent(json.dumps(said).encode(), {"x-amz-sns-message-type": "Notification"})
    return door.post(sent).status_code


BOUNCE = event(ProviderName.ses)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [{}, {"Subject": "Amazon SES Email Event Notification"}])
def test_both_ways_amazon_signs_are_understood(door: Door, version: str, subject: dict[str, str]) -> None:
    assert post(door, delivered(BOUNCE, NOW, version, **subject)) == 200
    assert [receipt.status for receipt, _ in door.deliveries.told] == [ReceiptStatus.bounced]


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": json.dumps(BOUNCE | {"more": 1})},
        {"TopicArn": TOPIC + "2"},
        {"Timestamp": "2026-09-21T14:00:00.000Z"},
        {"MessageId": "another"},
        {"Subject": "added"},
        {"Signature": "AAAA"},
        {"Signature": "é"},
        {"Signature": None},
        {"SignatureVersion": "3"},
        {"SignatureVersion": "1"},
        {"SignatureVersion": ["2"]},
        {"SignatureVersion": None},
        {"Type": "SubscriptionConfirmation"},
        {"Type": "Other"},
        {"Timestamp": "yesterday"},
        {"Message": 7},
        {"Message": "\ud800"},
    ],
)
def test_whatever_is_changed_of_a_delivery_it_is_refused(door: Door, changed: dict[str, object]) -> None:
    assert post(door, delivered(BOUNCE, NOW) | changed) == 401
    assert door.deliveries.told == []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/a/../SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem#.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem\n",
        "https://SNS.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.evil.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://169.254.169.254/SimpleNotificationService-0123456789abcdef.pem",
        "file:///etc/passwd",
        "",
        None,
    ],
)
def test_no_certificate_of_elsewhere_is_asked_for(door: Door, url: object) -> None:
    assert post(door, delivered(BOUNCE, NOW) | {"SigningCertURL": url}) == 401
    assert door.amazon.asked == []


def test_another_topic_is_not_heard_though_amazon_signs_it_and_nothing_is_asked(door: Door) -> None:
    """Whoever has an account there can have a topic tell an address it knows."""
    other = TOPIC.replace("123456789012", "210987654321")
    assert post(door, delivered(BOUNCE, NOW, TopicArn=other)) == 401
    assert post(door, asking(NOW, TopicArn=other)) == 401
    assert door.amazon.asked == []
    assert door.deliveries.told == []


def test_before_a_topic_is_named_nothing_is_heard_or_asked(door: Door) -> None:
    door.mailings.has_topic = False
    assert [post(door, delivered(BOUNCE, NOW)), post(door, asking(NOW))] == [401, 401]
    assert door.amazon.asked == []


def test_a_certificate_is_fetched_once_for_many_reports(door: Door) -> None:
    for _ in range(3):
        assert post(door, delivered(BOUNCE, NOW)) == 200
    assert door.amazon.asked == [CERTIFICATE_URL]
    assert len({receipt for receipt, _ in door.deliveries.told}) == 1


def test_without_a_certificate_amazon_is_asked_to_come_again_and_then_it_counts(door: Door) -> None:
    door.amazon.is_away = True
    assert [post(door, delivered(BOUNCE, NOW)) for _ in range(3)] == [503] * 3
    assert door.amazon.asked == [CERTIFICATE_URL], "one that was not to be had is not asked for at every report"
    assert door.deliveries.told == []


def test_a_certificate_that_was_not_to_be_had_is_asked_for_again_and_one_that_was_is_for_a_day() -> None:
    amazon, clock = FakeAmazon(NOW, is_away=True), [float(NOW)]
    sns, delivery = AmazonSns(amazon.get, lambda: clock[0]), read_delivery(delivered(BOUNCE, NOW))
    assert delivery is not None
    with pytest.raises(AmazonAwayError):
        sns.key(delivery)
    amazon.is_away = False
    clock[0] += 31
    assert sns.key(delivery) == sns.key(delivery)
    assert len(amazon.asked) == 2
    clock[0] += 24 * 3600 + 1
    sns.key(delivery)
    assert len(amazon.asked) == 3


@pytest.mark.parametrize(
    "answer",
    [
        Answer(302, b""),
        Answer(404, certificate(NOW)),
        Answer(200, b"no certificate"),
        Answer(200, b""),
        Answer(200, certificate(NOW - 400 * 86400)),
        Answer(200, certificate(NOW + 2 * 86400)),
        Answer(200, certificate(NOW, bits=1024)),
    ],
    ids=["redirect", "absent", "nonsense", "empty", "expired", "of the future", "small key"],
)
def test_what_is_no_certificate_of_now_proves_nothing(door: Door, answer: Answer) -> None:
    door.amazon.answers.append(answer)
    assert post(door, delivered(BOUNCE, NOW)) == 503
    assert door.deliveries.told == []


def test_a_subscription_to_the_shops_topic_confirms_itself_as_often_as_it_is_asked(door: Door) -> None:
    for _ in range(2):
        assert post(door, asking(NOW)) == 200
    certificate_url, *confirmed = door.amazon.asked
    assert certificate_url == CERTIFICATE_URL
    assert len(confirmed) == 2
    address = urlsplit(confirmed[0])
    assert (address.scheme, address.netloc, address.path) == ("https", "sns.eu-west-1.amazonaws.com", "/")
    assert parse_qs(address.query) == {
        "Action": ["ConfirmSubscription"], "TopicArn": [TOPIC], "Token": ["2336412f37"],
    }  # fmt: skip


@pytest.mark.parametrize("url", ["https://evil.example/", "http://169.254.169.254/latest", "file:///etc/passwd", ""])
def test_the_address_to_confirm_at_is_never_the_one_that_was_sent(door: Door, url: str) -> None:
    assert post(door, asking(NOW, SubscribeURL=url)) == 200
    assert [urlsplit(one).hostname for one in door.amazon.asked] == ["sns.eu-west-1.amazonaws.com"] * 2


def test_nothing_in_a_token_becomes_another_question(door: Door) -> None:
    assert post(door, asking(NOW, Token="x&Action=DeleteTopic#@evil.example/\r\nHost: evil")) == 200
    address = urlsplit(door.amazon.asked[-1])
    assert address.hostname == "sns.eu-west-1.amazonaws.com"
    assert parse_qs(address.query)["Action"] == ["ConfirmSubscription"]


@pytest.mark.parametrize(("answer", "status"), [(500, 503), (429, 503), (302, 200), (403, 200)])
def test_a_confirmation_is_tried_again_where_that_may_help(door: Door, answer: int, status: int) -> None:
    door.amazon.answers += [Answer(200, certificate(NOW)), Answer(answer, b"")]
    assert post(door, asking(NOW)) == status
    assert len(door.amazon.asked) == 2, "no redirect is followed"


def test_the_end_of_a_subscription_does_not_begin_it_anew(door: Door) -> None:
    assert post(door, asking(NOW, "UnsubscribeConfirmation")) == 200
    assert door.amazon.asked == [CERTIFICATE_URL]


@pytest.mark.parametrize("message", ["Successfully validated SNS topic for Amazon SES event publishing.", "[" * 9999])
def test_a_message_that_is_no_report_is_taken_without_effect(door: Door, message: str) -> None:
    assert post(door, delivered(message, NOW)) == 200
    assert door.deliveries.told == []


def test_a_report_without_headers_is_of_the_message_that_amazon_gave_its_name(door: Door) -> None:
    bare = [
        BOUNCE | {"mail": {"messageId": name, "destination": ["ada@mail.example"]}} for name in ("given", "another")
    ]
    with log_lines() as lines:
        assert [post(door, delivered(said, NOW)) for said in bare] == [200] * 2
    [(receipt, shop_id)] = door.deliveries.told
    assert (receipt.delivery_id, receipt.provider_message_id, receipt.status) == (7, "given", ReceiptStatus.bounced)
    assert shop_id == SHOP
    assert lines == []


@pytest.mark.parametrize(
    ("topic", "region"),
    [
        (TOPIC, "eu-west-1"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:a_b-C", "us-gov-west-1"),
        ("arn:aws:sns:evil.example/:123456789012:x", None),
        ("arn:aws:sns:eu-west-1.evil:123456789012:x", None),
        ("arn:aws:sqs:eu-west-1:123456789012:x", None),
        (TOPIC + "\n", None),
        (TOPIC + ".fifo", None),
        ("", None),
    ],
)
def test_a_topic_names_a_region_or_nothing(topic: str, region: str | None) -> None:
    assert topic_region(topic) == region


class Elsewhere(FakePeer):
    """Something on this machine that would rather have us go elsewhere, or never ends."""

    def respond(self, request: Request) -> PeerAnswer:
        if request.path == "/large":
            return PeerAnswer(200, b"x" * (2 * LARGEST_ANSWER))
        return PeerAnswer(302, None, {"Location": "/large"})


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    peer = Elsewhere()
    peer.start()
    yield peer
    peer.close()


def test_a_fetch_follows_no_redirect_and_keeps_no_more_than_a_certificate_needs(elsewhere: Elsewhere) -> None:
    assert fetch(f"{elsewhere.url}/moved").status == 302
    assert [request.path for request in elsewhere.requests] == ["/moved"]
    assert len(fetch(f"{elsewhere.url}/large").body) == LARGEST_ANSWER
    elsewhere.troubles.append(Trouble(reset=True))
    with pytest.raises(AmazonAwayError):
        fetch(elsewhere.url)
