"""What a storefront posts, read field by field into a Signup, or every fault at once.

Unknown fields are ignored, null counts as absent, nothing is converted silently. No fault ever repeats a value.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass

from restock.channels.push.subscription import PushSubscription, parse_push_subscription
from restock.channels.values import ChannelName
from restock.errors import Fault, ValidationError
from restock.ids import address_hash
from restock.subscriptions.rules.emails import normalise_email
from restock.subscriptions.rules.phones import PhoneFault, PhoneHints, normalise_phone
from restock.subscriptions.values import ContactFacts, Signup
from restock.web.storefront.fields import Fields

MOST_QUANTITY = 10_000
_PRODUCT_TEXTS = ("title", "variant_title", "vendor", "sku")
_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*", re.ASCII)
_CALLING_CODE = re.compile(r"(?:\+|00)?([1-9][0-9]{0,2})", re.ASCII)
_REGION = re.compile(r"[A-Za-z]{2}", re.ASCII)
_CHANNELS = {name.value: name for name in ChannelName}

_PHONE_MESSAGES = {
    PhoneFault.INVALID_PHONE: "is not a phone number: send it with its country code, such as 918123676393",
    PhoneFault.PHONE_NOT_SMS_CAPABLE: "gets no text messages: send the number of a mobile phone, with its country code",
}

_NOT_THERE = "is of a country this shop sends no text messages to: use a number of another one, or an e-mail address"


def _anywhere(_number: str) -> bool:
    return True


@dataclass(frozen=True)
class IntentReader:
    """Reads posts. `push_hosts` are `host:port` pairs that push endpoints may also have: local test peers.

    `push_key` is the public key browsers subscribe with, None while web push is off.
    """

    push_hosts: Collection[str] = ()
    push_key: str | None = None

    def read(
        self, body: dict[str, object], shop_country: str | None, may_text: Callable[[str], bool] = _anywhere
    ) -> Signup:
        """Read one post; raise ValidationError with every fault. `shop_country`: two letters, None when not known.

        `may_text` says whether the shop writes text messages to a number (E.164).
        """
        faults: list[Fault] = []
        intent = Fields.of(body, "intent", faults, required=True)
        customer = Fields.of(body, "customer", faults)
        variant_id = intent.identifier("shopify_variant_id", required=True)
        product_id = intent.identifier("shopify_product_id", required=True)
        market_id = intent.identifier("shopify_market_id")
        quantity = intent.integer("quantity", 1, MOST_QUANTITY)
        source = intent.text("source", 64)
        contact = self._contact(intent, customer, shop_country, may_text)
        accepts_marketing = customer.flag("accepts_marketing")
        locale = customer.pattern(
            "locale", _LOCALE, 35, "INVALID_LOCALE", 'must be a language tag such as "en" or "pt-BR"'
        )
        name = customer.text("name", 255)
        shopify_customer_id = customer.identifier("shopify_customer_id")
        product = _product(body, faults)
        if faults or contact is None:
            raise ValidationError("The post has faults; nothing was saved.", faults=faults)
        return Signup(
            variant_id=variant_id,
            product_id=product_id,
            market_id=market_id,
            quantity=quantity or 1,
            source=source or "api",
            contact=contact,
            customer_id=_handle(customer.values.get("id")),
            accepts_marketing=accepts_marketing,
            locale=locale.replace("_", "-") if locale else None,
            name=name,
            shopify_customer_id=shopify_customer_id or None,
            product=product,
        )

    def _contact(
        self, intent: Fields, customer: Fields, shop_country: str | None, may_text: Callable[[str], bool]
    ) -> ContactFacts | None:
        """Read the address the chosen channel needs; the others' are not looked at."""
        match intent.choice("channel", _CHANNELS):
            case None:
                return None
            case ChannelName.email:
                return _email(customer)
            case ChannelName.sms:
                return _phone(customer, shop_country, may_text)
            case ChannelName.push:
                return self._push(customer)

    def _push(self, customer: Fields) -> ContactFacts | None:
        value = customer.values.get("push")
        if value is None or value == "":
            customer.fault("push", "REQUIRED", "is required for the channel push: the browser's PushSubscription")
            return None
        found = parse_push_subscription(value, name="customer.push", extra_hosts=self.push_hosts, our_key=self.push_key)
        if not isinstance(found, PushSubscription):
            customer.faults.extend(found)
            return None
        digest = address_hash(ChannelName.push, found.endpoint)
        return ContactFacts(ChannelName.push, found.endpoint, digest, found.keys)


def _email(customer: Fields) -> ContactFacts | None:
    value = customer.address("email", "is required for the channel email")
    address = normalise_email(value) if value else None
    if address is None:
        if value:
            customer.fault("email", "INVALID_EMAIL", "is not an e-mail address mail can be sent to: check its spelling")
        return None
    return ContactFacts(ChannelName.email, address, address_hash(ChannelName.email, address.lower()))


def _phone(customer: Fields, shop_country: str | None, may_text: Callable[[str], bool]) -> ContactFacts | None:
    calling_code = _calling_code(customer)
    region = customer.pattern("country", _REGION, 2, "INVALID_COUNTRY", 'must be a two-letter country such as "in"')
    value = customer.address("phone", "is required for the channel sms")
    if not value:
        return None
    found = normalise_phone(value, PhoneHints(calling_code, region.upper() if region else None, shop_country))
    if isinstance(found, PhoneFault):
        customer.fault("phone", found.value, _PHONE_MESSAGES[found])
        return None
    if not may_text(found):
        customer.fault("phone", "COUNTRY_NOT_ALLOWED", _NOT_THERE)
        return None
    return ContactFacts(ChannelName.sms, found, address_hash(ChannelName.sms, found))


def _calling_code(customer: Fields) -> str | None:
    value = customer.values.get("country_code")
    if value is None or value == "":
        return None
    text = str(value) if type(value) is int else value
    match = _CALLING_CODE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        customer.fault("country_code", "INVALID_COUNTRY_CODE", 'must be a calling code such as "91"')
        return None
    return match[1]


def _product(body: dict[str, object], faults: list[Fault]) -> dict[str, str | int] | None:
    """Read the texts a confirmation shows; over-long ones are cut, for they decide nothing."""
    fields = Fields.of(body, "product", faults)
    found: dict[str, str | int] = {}
    for name in _PRODUCT_TEXTS:
        if text := fields.text(name, 255, cut=True):
            found[name] = text
    if count := fields.integer("variant_count", 0, 1_000_000):
        found["variant_count"] = count
    return found or None


def _handle(value: object) -> uuid.UUID | None:
    """Read a customer's handle; whatever cannot be one counts as absent."""
    if not isinstance(value, str) or len(value) != 36:
        return None
    try:
        return uuid.UUID(value)
    except ValueError:
        return None
