"""Which channels an instance has, and what it says about those it lacks."""

from __future__ import annotations

from typing import Any

import pytest

from restock.channels.port import Channel
from restock.channels.push.vapid import generate_private_key, public_key_of
from restock.channels.registry import Channels, channel_gaps, vapid_public_key
from restock.channels.values import ChannelName
from restock.config import Settings, load_settings

KEY = generate_private_key()
FULL: dict[str, Any] = {
    "smtp_url": "smtp://127.0.0.1:2525",
    "email_from": "Restock <alerts@alerts.example>",
    "twilio_account_sid": "AC" + "0" * 32,
    "twilio_auth_token": "twilio-canary",
    "twilio_from": "+15005550006",
    "vapid_private_key": KEY,
    "vapid_subject": "mailto:alerts@alerts.example",
    "secret_key": "x" * 32,
}
PRODUCTION = {"restock_env": "production", "database_url": "postgresql://u:p@h/d", "redis_url": "redis://:p@h"}


def settings(**changes: Any) -> Settings:
    return load_settings(**{**FULL, **changes})


def opened(**changes: Any) -> dict[ChannelName, Channel]:
    found = Channels(settings(**changes))
    channels = dict(found)
    found.close()
    return channels


def test_a_complete_instance_has_every_channel_and_connects_to_nothing_yet() -> None:
    channels = opened()
    assert set(channels) == set(ChannelName)
    assert all(channel.name is name for name, channel in channels.items())
    assert channel_gaps(settings()) == {}


@pytest.mark.parametrize(
    ("changes", "channel", "words"),
    [
        ({"smtp_url": None}, ChannelName.email, "SMTP_URL is not set"),
        ({"smtp_url": "http://x"}, ChannelName.email, "SMTP_URL must be smtp://"),
        ({"smtp_url": "smtp://h?starttls=maybe"}, ChannelName.email, "starttls must be 1"),
        ({"smtp_url": "smtp://h:99999"}, ChannelName.email, "SMTP_URL must be smtp://"),
        ({"email_from": "nobody"}, ChannelName.email, "EMAIL_FROM must be an address"),
        ({"twilio_auth_token": None}, ChannelName.sms, "TWILIO_AUTH_TOKEN not set"),
        ({"twilio_from": ""}, ChannelName.sms, "TWILIO_MESSAGING_SERVICE_SID or TWILIO_FROM not set"),
        ({"vapid_private_key": None}, ChannelName.push, "VAPID_PRIVATE_KEY is not set"),
        ({"vapid_private_key": "canary"}, ChannelName.push, "VAPID_PRIVATE_KEY is no VAPID private key"),
        ({"vapid_subject": "me"}, ChannelName.push, "VAPID_SUBJECT must be mailto:"),
    ],
)
def test_a_channel_that_cannot_open_is_absent_and_says_why(
    changes: dict[str, Any], channel: ChannelName, words: str
) -> None:
    gaps = channel_gaps(settings(**changes))
    assert set(gaps) == {channel}
    assert words in gaps[channel]
    assert set(opened(**changes)) == set(ChannelName) - {channel}


def test_all_faults_of_a_channel_are_told_at_once_and_no_secret_is() -> None:
    gaps = channel_gaps(
        settings(smtp_url="smtp://user:canary@h:bad", email_from="x", twilio_account_sid="", twilio_auth_token=None)
    )
    assert "SMTP_URL" in gaps[ChannelName.email]
    assert "EMAIL_FROM" in gaps[ChannelName.email]
    assert "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN" in gaps[ChannelName.sms]
    assert "canary" not in str(gaps)


def test_browsers_get_the_public_key_only_where_push_is_on() -> None:
    assert vapid_public_key(settings()) == public_key_of(KEY)
    assert vapid_public_key(settings(vapid_private_key=None)) is None
    assert vapid_public_key(settings(vapid_private_key="x")) is None


def test_a_developer_needs_no_vapid_subject_and_production_does() -> None:
    assert channel_gaps(settings(vapid_subject="")) == {}
    assert set(channel_gaps(settings(vapid_subject="", **PRODUCTION))) == {ChannelName.push}


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        ({"app_url": "https://alerts.example"}, True),
        ({"app_url": "http://127.0.0.1:8000"}, False),  # Twilio would reject the message
        ({"app_url": "http://127.0.0.1:8000", "twilio_api_url": "http://127.0.0.1:4010"}, True),
    ],
)
def test_twilio_is_asked_to_report_only_where_it_can_reach_us(changes: dict[str, Any], asks: bool) -> None:
    from restock.channels.registry import _twilio_callback

    callback = _twilio_callback(settings(**changes))
    assert (callback is not None) == asks
    if callback is not None:
        assert callback(7).startswith(f"{changes['app_url']}/webhooks/twilio/status?d=")
