"""From the settings to the gate before text messages. Building it asks nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restock.channels.registry import OFFICIAL_TWILIO
from restock.database import Database
from restock.deliveries.limits.rules import natural_rate
from restock.deliveries.limits.service import TextGate
from restock.deliveries.limits.values import Pace

if TYPE_CHECKING:
    from restock.config import Settings


def open_text_gate(settings: Settings, database: Database) -> TextGate:
    """Wire what limits text messages."""
    return TextGate(database, pace_of(settings), settings.sms_countries)


def pace_of(settings: Settings) -> Pace | None:
    """Say how fast the sender is; None: as fast as it goes.

    A Twilio on this machine is nobody's network, so it is unpaced where the operator says nothing.
    """
    sender = settings.twilio_messaging_service_sid or settings.twilio_from
    rate = settings.sms_segments_per_second
    if rate is None and settings.twilio_api_url == OFFICIAL_TWILIO:
        rate = natural_rate(settings.twilio_from, has_service=bool(settings.twilio_messaging_service_sid))
    return Pace(sender, rate) if rate else None
