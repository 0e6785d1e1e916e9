"""What the mutations of the schema change in the fake's memory.

A refusal is an answer with userErrors, as at Shopify. The caller holds the shop's lock and keeps the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restock.playground.shopify.graphql.answers import Args, Ask, Row, gid, number_of
from restock.playground.shopify.state import Consent, Customer, TopicSubscription

# Protected customer data: an app may hear of these only with the scope. https://shopify.dev/docs/api/webhooks
_TOPIC_SCOPES = {"ORDERS": "read_orders", "CUSTOMERS": "read_customers", "DRAFT": "read_draft_orders"}


def _fault(field: str, message: str, code: str | None = None) -> dict[str, object]:
    return {"field": field.split("."), "message": message, "code": code}


def _subscribe(ask: Ask, _: object, args: Args) -> dict[str, object]:
    topic, wanted = str(args["topic"]), args["webhookSubscription"]
    uri = wanted.get("uri") or wanted.get("callbackUrl")
    scope = _TOPIC_SCOPES.get(topic.partition("_")[0])
    fault = None
    if scope is not None and not ask.may(scope):
        fault = _fault("topic", f"You do not have permission to create or update webhooks with {topic} topic.")
    elif not uri:
        fault = _fault("webhookSubscription.uri", "Address can't be blank")
    elif any((known.topic, known.uri) == (topic, uri) for known in ask.shop.subscriptions.values()):
        fault = _fault("webhookSubscription.uri", "Address for this topic has already been taken")
    if fault is not None:
        return {"webhookSubscription": None, "userErrors": [fault]}
    made = TopicSubscription(ask.world.next_id(), topic, str(uri))
    ask.shop.subscriptions[made.id] = made
    return {"webhookSubscription": made, "userErrors": []}


def _unsubscribe(ask: Ask, _: object, args: Args) -> dict[str, object]:
    number = number_of(args["id"], "WebhookSubscription")
    if number is None or ask.shop.subscriptions.pop(number, None) is None:
        return {
            "deletedWebhookSubscriptionId": None,
            "userErrors": [_fault("id", "Webhook subscription does not exist")],
        }
    return {"deletedWebhookSubscriptionId": gid("WebhookSubscription", number), "userErrors": []}


def _set_customer(ask: Ask, _: object, args: Args) -> dict[str, object]:
    by, given = args.get("identifier") or {}, args["input"]
    for name in ("email", "phone"):
        if by.get(name) and given.get(name) != by[name]:
            return {
                "customer": None,
                "userErrors": [_fault(f"input.{name}", "must be the identifier's", "INPUT_MISMATCH")],
            }
    email, phone = given.get("email"), given.get("phone")
    if not email and not phone:
        return {"customer": None, "userErrors": [_fault("input", "needs an address", "MISSING_FIELD_REQUIRED")]}
    customer = ask.shop.customer_with(by.get("email"), by.get("phone"))
    if customer is None:
        customer = Customer(ask.world.next_id())
        ask.shop.customers[customer.id] = customer
    customer.email, customer.phone = email or customer.email, phone or customer.phone
    return {"customer": customer, "userErrors": []}


def _consent(ask: Ask, given: Mapping[str, Any], consent: Mapping[str, Any], channel: str) -> dict[str, object]:
    customer = ask.shop.customers.get(number_of(given["customerId"], "Customer") or 0)
    state = consent["marketingState"]
    if customer is None or getattr(customer, channel) is None:
        return {"customer": None, "userErrors": [_fault("input.customerId", f"has no {channel}", "INVALID")]}
    if state in ("NOT_SUBSCRIBED", "REDACTED", "INVALID"):
        return {"customer": None, "userErrors": [_fault("input.marketingState", "cannot be set", "INVALID")]}
    said = Consent(state, consent.get("marketingOptInLevel"), consent.get("consentUpdatedAt"))
    if channel == "email":
        customer.email_consent = said
    else:
        customer.sms_consent = said
    return {"customer": customer, "userErrors": []}


def _email_consent(ask: Ask, _: object, args: Args) -> dict[str, object]:
    return _consent(ask, args["input"], args["input"]["emailMarketingConsent"], "email")


def _sms_consent(ask: Ask, _: object, args: Args) -> dict[str, object]:
    return _consent(ask, args["input"], args["input"]["smsMarketingConsent"], "phone")


MUTATIONS: Mapping[tuple[str, str], Row] = {
    ("Mutation", "webhookSubscriptionCreate"): _subscribe,
    ("Mutation", "webhookSubscriptionDelete"): _unsubscribe,
    ("Mutation", "customerSet"): _set_customer,
    ("Mutation", "customerEmailMarketingConsentUpdate"): _email_consent,
    ("Mutation", "customerSmsMarketingConsentUpdate"): _sms_consent,
}
