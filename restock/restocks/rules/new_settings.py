"""Which of a merchant's choices decide about restocks that are on. Pure."""

from __future__ import annotations

from restock.catalog.rules.basis import basis_of
from restock.channels.values import ChannelName
from restock.shops.values import ShopSettings


def shares_otherwise(before: ShopSettings, after: ShopSettings) -> bool:
    """Say whether a queue is to be looked at by these choices: it may come out otherwise than by those before."""
    return _sharing(before) != _sharing(after)


def reads_otherwise(before: ShopSettings, after: ShopSettings) -> bool:
    """Say whether stock is to be read anew: what can be bought, or where it is sold, may be otherwise."""
    return basis_of(before) != basis_of(after) or before.markets != after.markets


def waits_otherwise(before: ShopSettings, after: ShopSettings) -> list[ChannelName]:
    """Name the channels whose messages may leave at another time: their hours are others, or their limit of a day."""
    is_capped = {ChannelName.sms} if before.sms.daily_cap != after.sms.daily_cap else set()
    return [
        name for name in ChannelName if name in is_capped or before.send_hours.of(name) != after.send_hours.of(name)
    ]


def _sharing(settings: ShopSettings) -> tuple[object, ...]:
    return (
        settings.policy,
        settings.send_hours,
        settings.channels,
        settings.sms,
        settings.country,
        basis_of(settings),
        settings.markets,
    )
