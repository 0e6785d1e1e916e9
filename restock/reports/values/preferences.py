"""The words of the page on which a person sees their own alerts. Standard library only; no whole address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from restock.catalog.values import GoodsFacts
from restock.channels.values import ChannelName


class AlertState(StrEnum):
    """How one alert stands, as far as its person is concerned."""

    unconfirmed = "unconfirmed"  # waits for the address to say yes
    waiting = "waiting"
    coming = "coming"  # their turn has come, and the message is on its way
    paused = "paused"
    turn = "turn"  # told, and it is still their turn
    told = "told"
    bought = "bought"


@dataclass(frozen=True, slots=True)
class OwnAlert:
    """One alert of a person. `goods` None: not known any more.

    `place` counts from 1, None where there is none; `at_least`: there are more in front than were counted. `at` is what
    its state tells of: until when it rests or its turn lasts (None: without end), when it was told.
    """

    id: int
    state: AlertState
    goods: GoodsFacts | None
    quantity: int
    place: int | None = None
    at_least: bool = False
    at: datetime | None = None

    @property
    def waits(self) -> bool:
        """The person can still change it."""
        return self.state not in (AlertState.told, AlertState.bought)

    @property
    def is_resting(self) -> bool:
        return self.state is AlertState.paused

    @property
    def takes_quantity(self) -> bool:
        """Another quantity may be wanted: no turn has begun."""
        return self.state in (AlertState.unconfirmed, AlertState.waiting, AlertState.paused)


@dataclass(frozen=True, slots=True)
class OwnAlerts:
    """Everything one address waits for in one shop. `locale`: the person's; `time_zone`: the shop's, None: not known.

    `is_closed`: nothing is sent there, by the person's own word or because the address is dead.
    """

    shop_name: str
    shop_domain: str
    channel: ChannelName
    masked_address: str
    locale: str
    time_zone: str | None
    is_closed: bool
    alerts: Sequence[OwnAlert] = ()

    @property
    def may_pause(self) -> bool:
        return sum(one.waits and not one.is_resting for one in self.alerts) > 1

    @property
    def may_resume(self) -> bool:
        return sum(one.is_resting for one in self.alerts) > 1
