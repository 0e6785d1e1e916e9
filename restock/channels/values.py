"""The words every channel shares: what is said, to whom, and what became of it.

Standard library only. A value here never reaches a log line whole: `Recipient` holds an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ChannelName(StrEnum):
    """The ways to reach a person."""

    email = "email"  # one address, SMTP
    sms = "sms"  # one E.164 number, Twilio
    push = "push"  # one browser's push subscription, RFC 8030


class NoticeKind(StrEnum):
    """What a message is about; each kind has its own rule for when it may leave."""

    offer = "offer"  # your turn: the variant can be bought again
    reminder = "reminder"  # it can still be bought: after the offer's, and of no turn's
    confirmation = "confirmation"  # please confirm that you want to be told
    test = "test"  # a sample for the merchant


@dataclass(frozen=True, slots=True)
class PushKeys:
    """A browser's half of the encryption (RFC 8291), both base64url without padding.

    `vapid` names the key of ours the subscription was made with, and is bound to for life; None: not known.
    """

    p256dh: str
    auth: str
    vapid: str | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address on one channel: e-mail address, E.164 number, or push endpoint with its keys."""

    address: str = field(repr=False)
    push_keys: PushKeys | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """What a message may say about the shop. `url` has no trailing slash."""

    domain: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What a message may say about the goods.

    `variant_title` is None where the product has one variant. `price` is text ready to show, `price_cents` and
    `currency` what it was made of; None when unknown. `image_url` is None when unknown.
    """

    title: str
    variant_title: str | None = None
    price: str | None = None
    image_url: str | None = None
    quantity: int = 1
    price_cents: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class MessageLinks:
    """The links one message carries, absolute. `action` is the button: to the goods, or to confirm.

    `decline` leads to passing the turn on; None: there is no turn to pass on. `preferences` leads to the person's own
    page; None: none is shown.
    """

    action: str = field(repr=False)
    unsubscribe: str = field(repr=False)
    decline: str | None = field(default=None, repr=False)
    preferences: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be said to one person, before any channel gives it a form. `product` is None when not known.

    `turn_minutes`: after so long others in line are told too; None: everybody is told at once. `missed_before`: the
    last time it sold out during this person's turn. `words`: what the shop says in its own words, by part; what is not
    there is said in our phrases. `sample_of`: what a test shows.
    """

    kind: NoticeKind
    shop: ShopFacts
    links: MessageLinks
    locale: str = "en"
    product: ProductFacts | None = None
    turn_minutes: int | None = None
    missed_before: bool = False
    words: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    sample_of: NoticeKind = NoticeKind.offer

    @property
    def occasion(self) -> NoticeKind:
        """What it speaks like: itself, or what it is a sample of."""
        return self.sample_of if self.kind is NoticeKind.test else self.kind


@dataclass(frozen=True, slots=True)
class SenderChoice:
    """Through whom, and from whom, a shop sends its e-mail, where that is not the instance's own mail server.

    `service` names it apart from every other, and anew after every change: what is known of one says nothing of
    another. `name` may be empty: the shop's own. `doubt` is what a provider's way to tell repeats apart allows.
    """

    provider: str
    service: str
    address: str
    name: str = ""
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    secret: str = field(default="", repr=False)
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail that is said already: no shopper's, but a shop's own."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """One delivery handed to a channel.

    `identity` never changes between attempts (letters, digits and `-`, at most 32 characters): the Message-ID, the
    push topic and the notification tag are made from it, so that a doubtful repeat replaces the first.
    `attempt` counts from 1. `queued_at` is seconds since the epoch: the Date of an e-mail, the start of an SMS look-up.
    `sender` None: the instance's own. `letter` is sent as it stands instead of the notice, by e-mail alone.
    """

    delivery_id: int
    identity: str
    recipient: Recipient
    notice: Notice
    attempt: int = 1
    queued_at: float = 0.0
    sender: SenderChoice | None = None
    letter: Letter | None = None


class Verdict(StrEnum):
    """What became of one hand-over to the provider."""

    accepted = "accepted"  # the provider has it now
    refused = "refused"  # definitely not taken, and asking again is of no use
    deferred = "deferred"  # definitely not taken now; may be tried again
    unanswered = "unanswered"  # handed over, no answer: it may or may not have been taken


class Blame(StrEnum):
    """Where a failure lies, which decides who else is affected."""

    message = "message"  # this message alone
    address = "address"  # the address is dead or said no: it is suppressed
    provider = "provider"  # credentials, account, connection: nobody can be reached through it now


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery, told by its channel.

    `reason` is a stable snake_case word, never the provider's text. `retry_after_seconds` is None when the provider
    did not say. `provider_message_id` is None when the provider gives none. `service` names, of several services behind
    one channel, the one that was asked: what is blamed on the provider is blamed on it alone. Never a secret.
    """

    delivery_id: int
    verdict: Verdict
    reason: str = ""
    blame: Blame = Blame.message
    provider_message_id: str | None = None
    retry_after_seconds: float | None = None
    service: str | None = None


class ReceiptStatus(StrEnum):
    """What a provider tells us later about a message it had accepted."""

    underway = "underway"  # nothing new: still on its way
    delivered = "delivered"  # it arrived
    bounced = "bounced"  # it came back, or could not be delivered
    complained = "complained"  # the person reported it or said stop


@dataclass(frozen=True, slots=True)
class Receipt:
    """One thing a provider said about one delivery.

    `blame` is `address` when the address is dead or said no. `final` says that nothing later can change it.
    `again_seconds`: one that came back may be tried once more after so long; None: not at all.
    """

    delivery_id: int
    status: ReceiptStatus
    reason: str = ""
    blame: Blame = Blame.message
    provider_message_id: str | None = None
    again_seconds: float | None = None

    @property
    def final(self) -> bool:
        return self.status is not ReceiptStatus.underway


class Doubt(StrEnum):
    """What to do about a hand-over nobody answered, where the provider cannot be asked."""

    resend_once = "resend_once"  # the repeat has the same identity and replaces the first
    at_most_once = "at_most_once"  # stays unknown, shown to the merchant
