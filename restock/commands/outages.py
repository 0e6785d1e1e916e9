"""Say in words which providers take nothing, for the commands that look at an instance."""

from __future__ import annotations

from collections.abc import Sequence

from restock.deliveries.values import Outage

_CHANNELS = {"email": "e-mail", "sms": "text messages", "push": "web push"}


def say_outage(outage: Outage) -> str:
    """Say since when a channel is down, why, and what waits; nobody is named."""
    waiting = "1 message waits" if outage.waiting_count == 1 else f"{outage.waiting_count} messages wait"
    why = outage.reason.replace("_", " ")
    of = "of" if outage.service and outage.service.startswith("shop ") else "through"
    where = f"{of} {outage.service} " if outage.service else ""
    return f"{where}cannot be sent since {outage.since:%Y-%m-%d %H:%M} UTC ({why}); {waiting}, nothing is lost"


def say_outages(outages: Sequence[Outage]) -> str:
    """Say it of all of them, in one line."""
    return "; ".join(f"{_CHANNELS[one.channel]} {say_outage(one)}" for one in outages) or "everything is accepted"
