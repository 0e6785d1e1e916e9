"""What is well with a shop and what is not, each with what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from restock.channels.values import ChannelName
from restock.restocks.values import ReconcileState
from restock.shops.values import Shop, ShopAccess

QUIET_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: which sentence, how serious (success, info, warning, critical), and its facts."""

    key: str
    tone: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Machine:
    """What this instance has: providers, and how often it is meant to read all stock by itself."""

    channels_on: frozenset[ChannelName]
    reconcile_seconds: float


def examine(
    shop: Shop, machine: Machine, last_webhook_at: datetime | None, state: ReconcileState | None, now: datetime
) -> Sequence[Finding]:
    """List the state of access, of each channel, of the news from Shopify, and of our own reading."""
    return [
        _access(shop),
        *(_channel(shop, machine, name) for name in ChannelName),
        _news(last_webhook_at, now),
        _reading(shop, machine.reconcile_seconds, state, now),
    ]


def _access(shop: Shop) -> Finding:
    match shop.access:
        case ShopAccess.granted:
            return Finding("health.access.granted", "success")
        case ShopAccess.needs_reauth:
            return Finding("health.access.needs_reauth", "critical")
        case ShopAccess.none:
            return Finding("health.access.none", "info")


def _channel(shop: Shop, machine: Machine, name: ChannelName) -> Finding:
    if name not in machine.channels_on:
        return Finding("health.channel.no_provider", "warning", {"channel": name})
    if name not in shop.settings.channels:
        return Finding("health.channel.off", "info", {"channel": name})
    return Finding("health.channel.on", "success", {"channel": name})


def _news(last_webhook_at: datetime | None, now: datetime) -> Finding:
    if last_webhook_at is None:
        return Finding("health.news.never", "info")
    is_quiet = now - last_webhook_at > QUIET_AFTER
    return Finding("health.news.quiet" if is_quiet else "health.news.fresh", "info" if is_quiet else "success")


def _reading(shop: Shop, wanted: float, state: ReconcileState | None, now: datetime) -> Finding:
    """Say how often everything people wait for is looked at: as it is reached, in seconds, not as it is set."""
    facts: dict[str, object] = {"wanted": wanted}
    if shop.access is not ShopAccess.granted:
        return Finding("health.reading.recorded", "info", facts)
    if state is None:
        return Finding("health.reading.nobody", "info", facts)
    running = (now - state.started_at).total_seconds() if state.started_at else 0.0
    if running > 1.05 * max(wanted, state.interval_seconds or 0.0):
        return Finding("health.reading.long", "warning", facts | {"every": running})
    if state.interval_seconds is None:
        return Finding("health.reading.first", "info", facts)
    facts |= {"every": state.interval_seconds, "variants": state.last_variant_count, "ended": state.last_finished_at}
    if state.exceeds(wanted):
        return Finding("health.reading.slower", "warning", facts)
    return Finding("health.reading.reached", "success", facts)
