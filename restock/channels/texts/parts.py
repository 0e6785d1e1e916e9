"""What the message of each channel is made of, and how long each part may be. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from restock.channels.texts.values import Stage
from restock.channels.values import ChannelName


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message. What is left out is said in our phrases.

    `longest` counts characters as typed, `longest_said` as sent: what is more is cut off, or else refused where
    nothing may be missing. `html`: a whole layout in MJML. `needs`: variables without which it would be of no use.
    """

    name: str
    longest: int
    longest_said: int
    html: bool = False
    may_be_empty: bool = False
    needs: tuple[str, ...] = ()


PARTS: Mapping[ChannelName, Sequence[Part]] = {
    ChannelName.email: (
        Part("subject", 500, 150),
        Part("preheader", 500, 200, may_be_empty=True),
        Part("heading", 500, 150),
        Part("lead", 2000, 800, may_be_empty=True),
        Part("note", 1000, 400, may_be_empty=True),
        Part("button", 300, 60),
        Part("body", 60_000, 200_000, html=True, needs=("links.action", "links.unsubscribe")),
    ),
    ChannelName.sms: (Part("text", 1000, 600, needs=("links.action",)),),
    ChannelName.push: (Part("title", 500, 100), Part("body", 800, 240, may_be_empty=True)),
}


# A shop did not sign up and has nothing to unsubscribe from.
_ALERT_PARTS = tuple(
    replace(part, needs=tuple(name for name in part.needs if name != "links.unsubscribe"))
    for part in PARTS[ChannelName.email]
)


def parts_of(channel: ChannelName, stage: Stage) -> Sequence[Part]:
    """List the parts of a message."""
    return _ALERT_PARTS if stage is Stage.merchant_alert else PARTS[channel]


def stages_of(channel: ChannelName) -> Sequence[Stage]:
    """List the occasions a channel has messages for."""
    return [stage for stage in Stage if channel is ChannelName.email or stage is not Stage.merchant_alert]


def part_of(channel: ChannelName, name: str) -> Part | None:
    """Find a part by its name; None: the channel's messages have none of that name."""
    return next((part for part in PARTS[channel] if part.name == name), None)
