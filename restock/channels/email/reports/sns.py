"""What Amazon SNS delivers: read, and proved to be Amazon's by a certificate. Pure.

A message names the certificate it is signed with and the address its subscription is confirmed at. Neither is believed:
a certificate's address must be of the one form there is, below the topic's own region, and the confirmation is written
by us from what is signed. <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from restock.channels.email.providers.catalogue import AMAZON_REGION

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

SNS_SECONDS = 2 * 3600.0  # it gives a delivery up after one
_CLOCKS_APART_SECONDS = 300.0
_LONGEST = 256 * 1024  # of a message, by SNS's own word
_TOPIC = re.compile(rf"arn:aws(?:-us-gov)?:sns:({AMAZON_REGION.pattern}):[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}", re.ASCII)
_CERTIFICATE = re.compile(
    rf"https://sns\.({AMAZON_REGION.pattern})\.amazonaws\.com/SimpleNotificationService-[A-Za-z0-9_-]{{1,64}}\.pem",
    re.ASCII,
)
_SHA1, _SHA256 = "1", "2"  # the owner of a topic chooses


class Kind(StrEnum):
    """What a delivery is."""

    notification = "Notification"
    subscribed = "SubscriptionConfirmation"  # somebody wants this address told; SNS asks it
    unsubscribed = "UnsubscribeConfirmation"


_SIGNED: Mapping[Kind, tuple[str, ...]] = {
    Kind.notification: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    Kind.subscribed: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    Kind.unsubscribed: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of SNS's, not yet proved. `certificate_url` is of the one form there is, in the topic's region."""

    kind: Kind
    topic: str
    message: str = field(repr=False)
    at: float
    certificate_url: str
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    version: str
    token: str = field(default="", repr=False)


def topic_region(topic: str) -> str | None:
    """Name the region of a topic; None: this is no ARN of one."""
    found = _TOPIC.fullmatch(topic)
    return found[1] if found else None


def read_delivery(said: Any) -> Delivery | None:
    """Read what was posted; None where it has not the form of a delivery, or names a certificate of elsewhere."""
    values = _values(said)
    if values is None:
        return None
    signature, at, version = (
        _decoded(said.get("Signature")),
        _moment(values["Timestamp"]),
        str(said.get("SignatureVersion")),
    )
    where = _CERTIFICATE.fullmatch(str(said.get("SigningCertURL"))[:300])
    is_of_its_region = where is not None and where[1] == topic_region(values["TopicArn"])
    if where is None or not is_of_its_region or signature is None or at is None or version not in (_SHA1, _SHA256):
        return None
    signed = "".join(f"{name}\n{value}\n" for name, value in values.items()).encode("utf-8", "replace")
    told = Kind(values["Type"]), values["TopicArn"], values["Message"], at
    return Delivery(*told, where[0], signed, signature, version, values.get("Token", ""))


def is_snss(delivery: Delivery, key: RSAPublicKey, now: float) -> bool:
    """Check RSA over what SNS signs, and that it is no older than SNS goes on trying."""
    if not -_CLOCKS_APART_SECONDS <= now - delivery.at <= SNS_SECONDS:
        return False
    from cryptography.exceptions import InvalidSignature  # who only reads a topic's name need not load it
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    algorithm = {_SHA1: SHA1, _SHA256: SHA256}[delivery.version]
    try:
        key.verify(delivery.signature, delivery.signed, PKCS1v15(), algorithm())
    except InvalidSignature:
        return False
    return True


def confirmation_url(delivery: Delivery) -> str:
    """Write the address that confirms a subscription: SNS's own, in the topic's region, whatever SubscribeURL says."""
    query = urlencode({"Action": "ConfirmSubscription", "TopicArn": delivery.topic, "Token": delivery.token})
    return f"https://sns.{topic_region(delivery.topic)}.amazonaws.com/?{query}"


def _values(said: Any) -> dict[str, str] | None:
    """Pick what is signed, in its order; None where something of it is missing or is no text."""
    kind = next((one for one in Kind if one == said.get("Type")), None) if isinstance(said, Mapping) else None
    if kind is None:
        return None
    values = {name: said.get(name) for name in _SIGNED[kind]}
    if values.get("Subject", "") is None:  # most have none
        del values["Subject"]
    return values if all(isinstance(value, str) and len(value) <= _LONGEST for value in values.values()) else None


def _moment(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) and text.endswith("Z") else None
    except (ValueError, OverflowError):
        return None


def _decoded(text: Any) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None
