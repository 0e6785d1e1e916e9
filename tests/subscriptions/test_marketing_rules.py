"""Our state × Shopify's state → what is done; and what a change of consent at Shopify says."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from restock.channels.values import ChannelName
from restock.ids import address_hash
from restock.inbox.rules.consents import EMAIL_TOPIC, SMS_TOPIC, SaidNo, read_no
from restock.inbox.rules.fields import UnreadableBodyError
from restock.shopify.values import MarketingState, ShopCustomer
from restock.subscriptions.rules.marketing import (
    LADDER_SECONDS,
    AddAndWriteYes,
    Leave,
    OurWord,
    WriteYes,
    decide_write_back,
    retry_seconds,
)

NOBODY = "nobody"
THEIRS = {
    NOBODY: AddAndWriteYes(),
    None: WriteYes(),
    MarketingState.not_subscribed: WriteYes(),
    MarketingState.pending: WriteYes(),
    MarketingState.subscribed: Leave("subscribed_already", is_done=True),
    MarketingState.unsubscribed: Leave("shopify_unsubscribed"),
    MarketingState.redacted: Leave("shopify_redacted"),
    MarketingState.invalid: Leave("shopify_invalid"),
}
OURS = {  # marketing, suppression -> why nothing is written; None: nothing of ours is against it
    ("granted", None): None,
    ("granted", "unsubscribed"): Leave("suppressed"),
    ("granted", "stopped"): Leave("suppressed"),
    ("granted", "bounced"): Leave("suppressed"),
    ("granted", "complained"): Leave("suppressed"),
    ("refused", None): Leave("refused"),
    ("refused", "unsubscribed"): Leave("refused"),
    (None, None): Leave("refused"),
}


@pytest.mark.parametrize("channel", [ChannelName.email, ChannelName.sms])
@pytest.mark.parametrize(("ours", "theirs"), list(product(OURS, THEIRS)))
def test_a_no_of_either_side_wins(channel: ChannelName, ours: tuple[str | None, str | None], theirs: Any) -> None:
    other = MarketingState.unsubscribed if theirs is not MarketingState.unsubscribed else MarketingState.subscribed
    states = (theirs, other) if channel is ChannelName.email else (other, theirs)
    customer = None if theirs == NOBODY else ShopCustomer(7, *states)
    decided = decide_write_back(OurWord(channel, *ours, is_confirmed=False), customer)
    assert decided == (OURS[ours] or THEIRS[theirs])


def test_every_state_shopify_knows_is_in_the_table() -> None:
    assert set(MarketingState) <= set(THEIRS)


def test_a_browser_has_no_address_to_write_down() -> None:
    assert decide_write_back(OurWord(ChannelName.push, "granted", None, True), None) == Leave("no_address")


def test_waiting_gets_longer_and_ends() -> None:
    waits = [retry_seconds(attempt) for attempt in range(1, len(LADDER_SECONDS) + 2)]
    assert waits == [*sorted(LADDER_SECONDS), None]


ADA = address_hash("email", "ada@example.com")
PHONE = address_hash("sms", "+4915123456789")
AT = datetime(2026, 11, 2, 12, tzinfo=UTC)


def email(state: object, **more: Any) -> dict[str, Any]:
    consent = {"state": state, "opt_in_level": "single_opt_in", "consent_updated_at": "2026-11-02T07:00:00-05:00"}
    return {"customer_id": 7, "email_address": "Ada@example.com", "email_marketing_consent": consent} | more


def sms(state: object, phone: object = "+49 1512 3456789") -> dict[str, Any]:
    return {"id": 7, "phone": phone, "sms_marketing_consent": {"state": state, "consent_updated_at": None}}


@pytest.mark.parametrize(
    ("topic", "body", "said"),
    [
        (EMAIL_TOPIC, email("unsubscribed"), SaidNo(ADA, AT)),
        (EMAIL_TOPIC, email("UNSUBSCRIBED"), SaidNo(ADA, AT)),
        (EMAIL_TOPIC, email("redacted"), SaidNo(ADA, AT)),
        (EMAIL_TOPIC, email("subscribed"), None),
        (EMAIL_TOPIC, email("pending"), None),
        (EMAIL_TOPIC, email("not_subscribed"), None),
        (EMAIL_TOPIC, email(None), None),
        (EMAIL_TOPIC, email("unsubscribed", email_address=None), None),
        (EMAIL_TOPIC, email("unsubscribed", email_address="nonsense"), None),
        (SMS_TOPIC, sms("unsubscribed"), SaidNo(PHONE, None)),
        (SMS_TOPIC, sms("unsubscribed", "01512 3456789"), SaidNo(PHONE, None)),
        (SMS_TOPIC, sms("unsubscribed", None), None),
        (SMS_TOPIC, sms("subscribed"), None),
    ],
)
def test_only_a_no_counts(topic: str, body: dict[str, Any], said: SaidNo | None) -> None:
    assert read_no(topic, body, "DE") == said


@pytest.mark.parametrize("body", [{}, {"email_marketing_consent": "no"}, sms("unsubscribed")])
def test_a_body_without_the_topics_consent_is_not_understood(body: dict[str, Any]) -> None:
    with pytest.raises(UnreadableBodyError, match="bad_consent"):
        read_no(EMAIL_TOPIC, body, None)
