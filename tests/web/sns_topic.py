"""Amazon SNS as a shop's topic: it signs what it delivers with a key of its own, and answers what is asked of it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from restock.channels.email.reports.amazon import AmazonAwayError, Answer

TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
_ORDER = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@cache
def _key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def certificate(made_at: int, days: int = 365, bits: int = 2048) -> bytes:
    """A certificate of the topic's key, good from an hour before a moment."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begin = datetime.fromtimestamp(made_at, UTC) - timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_key(bits).public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .sign(_key(bits), SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def delivered(message: Any, at: int, version: str = "2", **changes: str) -> dict[str, str]:
    """What SNS posts, signed after the changes; a `SigningCertURL` of one's own is not covered by a signature."""
    said = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
        **changes,
    }
    signed = "".join(f"{name}\n{said[name]}\n" for name in _ORDER if name in said)
    digest = SHA1() if version == "1" else SHA256()  # noqa: S303 (what SNS signs with by itself)
    said["Signature"] = base64.b64encode(_key(2048).sign(signed.encode(), padding.PKCS1v15(), digest)).decode()
    return said


def asking(at: int, kind: str = "SubscriptionConfirmation", **changes: str) -> dict[str, str]:
    """What SNS posts when an address is to be told of a topic, or no longer."""
    more = {
        "Type": kind,
        "Token": "2336412f37",
        "SubscribeURL": f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336",
    }
    return delivered("You have chosen to subscribe to the topic.", at, **(more | changes))


@dataclass
class FakeAmazon:
    """What is asked of SNS, and its answers."""

    made_at: int
    asked: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)  # taken first, one for each question
    is_away: bool = False

    def get(self, url: str) -> Answer:
        self.asked.append(url)
        if self.is_away:
            raise AmazonAwayError
        if self.answers:
            return self.answers.pop(0)
        return Answer(200, certificate(self.made_at) if url.endswith(".pem") else b"<ConfirmSubscriptionResponse/>")
