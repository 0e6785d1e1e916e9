"""Sample shoppers: addresses that belong to nobody, on every channel.

E-mail at example.com (RFC 2606), phone numbers that regulators keep for films and books, browsers of the local push
service. Nobody real is ever written to, even if a message leaves this machine.
"""

from __future__ import annotations

import itertools
import json
import secrets
from dataclasses import dataclass

import urllib3

from restock.channels.values import ChannelName
from restock.errors import UnavailableError

TIMEOUT = urllib3.Timeout(connect=2.0, read=5.0)
NAMES = (
    "Ada", "Bo", "Cleo", "Dov", "Elif", "Finn", "Gita", "Hugo", "Ines", "Jun", "Kofi", "Lena",
    "Milo", "Nia", "Otis", "Pia", "Quinn", "Rosa", "Sami", "Tove", "Uma", "Vera", "Wren", "Yara",
)  # fmt: skip
# Prefix, and how many free digits follow: NANPA 555-01xx, Bundesnetzagentur 0171 39200xx and 0176 040690xx.
FICTIONAL_NUMBERS = (("160455501", 2), ("4917139200", 2), ("141655501", 2), ("49176040690", 2), ("151455501", 2))
QUANTITIES = (1, 2, 1, 1, 3)
FIELDS = {ChannelName.email: "email", ChannelName.sms: "phone", ChannelName.push: "push"}
CHANNELS = (ChannelName.email, ChannelName.sms, ChannelName.email, ChannelName.push, ChannelName.sms)


@dataclass(frozen=True, slots=True)
class Shopper:
    """One sample person, as the storefront API wants it: the channel, the quantity, the `customer` object."""

    channel: ChannelName
    quantity: int
    customer: dict[str, object]


class Crowd:
    """An endless line of sample shoppers. `push_host` is the local push service's `host:port`; None: no push."""

    def __init__(self, push_host: str | None) -> None:
        self._push_host = push_host
        self._turns = itertools.count(secrets.randbelow(len(NAMES)))  # so that two starts do not look the same

    def next(self, count: int) -> list[Shopper]:
        """Make the next shoppers, one of them wanting 2 units and one 3 in every five."""
        return [self._shopper(index, next(self._turns)) for index in range(count)]

    def browser(self) -> dict[str, object]:
        """Subscribe a sample browser at the local push service; raises UnavailableError when there is none."""
        if self._push_host is None:
            raise UnavailableError("The local push service is not running: start the whole program.")
        try:
            answer = urllib3.request("POST", f"http://{self._push_host}/subscribe", timeout=TIMEOUT, retries=False)
        except urllib3.exceptions.HTTPError:
            raise UnavailableError("The local push service does not answer.") from None
        subscription: dict[str, object] = json.loads(answer.data)
        return subscription

    def _shopper(self, index: int, turn: int) -> Shopper:
        name = NAMES[turn % len(NAMES)]
        channel = CHANNELS[index % len(CHANNELS)]
        if channel is ChannelName.push and self._push_host is None:
            channel = ChannelName.email
        quantity = QUANTITIES[index % len(QUANTITIES)]
        return Shopper(channel, quantity, {"name": name, FIELDS[channel]: self._address(channel, name, turn)})

    def _address(self, channel: ChannelName, name: str, turn: int) -> object:
        if channel is ChannelName.email:
            return f"{name.lower()}.{secrets.token_hex(2)}@example.com"
        if channel is ChannelName.sms:
            return fictional_number(turn)
        return self.browser()


def fictional_number(turn: int) -> str:
    """Give a mobile number that regulators keep free for films and books; E.164 without the plus.

    None is of the United States, whose law lets texts wait until the morning there.
    """
    prefix, digits = FICTIONAL_NUMBERS[turn % len(FICTIONAL_NUMBERS)]
    return f"{prefix}{secrets.randbelow(10**digits):0{digits}d}"
