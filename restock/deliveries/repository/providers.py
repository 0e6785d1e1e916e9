"""Providers that are down: who may try one, when it is back, and the places of those who wait meanwhile.

Every change is one conditional statement, so that of two workers one opens, one probes and one closes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from restock.channels.values import ChannelName
from restock.deliveries.values import Outage

# One that fails again within a minute of its return was never well: it counts on, and is down since then.
_SAME_OUTAGE_SECONDS = 60

_KEY = "channel = :channel AND provider = :provider AND coalesce(shop_id, 0) = :shop_id"
_SHOP = "shop:"

# A service of a provider is a provider of its own, named behind it; so is what refuses all of one shop's messages.
_STATES = text(f"""
    SELECT provider || coalesce('/{_SHOP}' || shop_id, '') AS provider,
        state = 'open' AS is_open, next_probe_at <= now() AS probe_is_due, failure_count, reason,
        extract(epoch FROM now() - closed_at)::float8 AS back_seconds,
        extract(epoch FROM next_probe_at - now())::float8 AS probe_seconds
    FROM provider_states
    WHERE channel = :channel AND (shop_id IS NULL OR state = 'open')
      AND (provider = :provider OR state = 'open' AND starts_with(provider, :provider || '/'))
""")  # noqa: S608 (the word above)

_OPEN = text("""
    INSERT INTO provider_states AS known
        (channel, provider, shop_id, state, reason, failure_count, opened_at, last_failure_at, next_probe_at)
    VALUES (:channel, :provider, nullif(CAST(:shop_id AS bigint), 0),
        'open', :reason, 1, now(), now(), now() + make_interval(secs => :seconds))
    ON CONFLICT (channel, provider, coalesce(shop_id, 0)) DO UPDATE SET
        state = 'open', reason = excluded.reason, last_failure_at = now(), next_probe_at = excluded.next_probe_at,
        failure_count = CASE WHEN known.closed_at > now() - make_interval(secs => :same) THEN known.failure_count + 1
            ELSE 1 END,
        opened_at = CASE WHEN known.closed_at > now() - make_interval(secs => :same) THEN known.opened_at
            ELSE now() END
    WHERE known.state = 'closed'
    RETURNING id
""")

_TAKE_PROBE = text(f"""
    UPDATE provider_states SET next_probe_at = now() + make_interval(secs => :lease_seconds)
    WHERE {_KEY} AND state = 'open' AND next_probe_at <= now()
    RETURNING failure_count
""")  # noqa: S608 (the condition above)

_PROBE_AGAIN = text(f"""
    UPDATE provider_states SET next_probe_at = now() + make_interval(secs => :seconds)
    WHERE {_KEY} AND state = 'open'
""")  # noqa: S608 (the condition above)

_FAILED = text(f"""
    UPDATE provider_states SET next_probe_at = now() + make_interval(secs => :seconds), reason = :reason,
        last_failure_at = now(), failure_count = failure_count + 1
    WHERE {_KEY} AND state = 'open'
""")  # noqa: S608 (the condition above)

_CLOSE = text(f"""
    UPDATE provider_states SET state = 'closed', closed_at = now(), next_probe_at = NULL
    WHERE {_KEY} AND state = 'open'
    RETURNING extract(epoch FROM now() - opened_at)::float8 AS seconds
""")  # noqa: S608 (the condition above)

# Whoever waited longest is next: the turns of the lanes begin anew, in the order of their oldest messages.
_WAKE = text("""
    UPDATE delivery_lanes SET served_at = next_at
    WHERE id IN (
        SELECT id FROM delivery_lanes WHERE channel = :channel AND next_at <= now() ORDER BY id
        FOR NO KEY UPDATE SKIP LOCKED
    )
""")

_KEEP_PLACES = text("""
    UPDATE deliveries SET next_at = CASE WHEN :keep THEN LEAST(next_at, created_at) ELSE next_at END,
        attempt = attempt - CASE WHEN id = ANY(:counted) AND attempt > 0 THEN 1 ELSE 0 END
    WHERE id = ANY(:ids) AND state = 'queued'
    RETURNING lane_id
""")

_HELD = """
    SELECT coalesce(sum(waiting.count), 0) FROM delivery_lanes lane
    CROSS JOIN LATERAL (
        SELECT count(*) AS count FROM (
            SELECT 1 FROM deliveries
            WHERE lane_id = lane.id AND state = 'queued' AND next_at <= now() LIMIT :most
        ) queued
    ) waiting
    WHERE lane.channel = state.channel AND lane.next_at <= now()
"""

_WAKE_HELD = text("""
    UPDATE deliveries SET next_at = LEAST(next_at, created_at), reason = NULL
    WHERE id = ANY(ARRAY(
        SELECT held.id FROM delivery_lanes lane JOIN deliveries held ON held.lane_id = lane.id
        WHERE lane.channel = :channel AND lane.next_at IS NOT NULL AND held.state = 'queued' AND held.reason = :reason
        ORDER BY held.lane_id, held.next_at, held.id LIMIT :limit FOR UPDATE OF held SKIP LOCKED
    )) AND state = 'queued'
    RETURNING lane_id
""")

# Those of a service are known by their address, which begins with its name; held back, they are not due.
_HELD_OF_SERVICE = """
    SELECT count(*) FROM (
        SELECT 1 FROM delivery_lanes lane
        JOIN deliveries held ON held.lane_id = lane.id AND held.state = 'queued'
        JOIN contacts ON contacts.id = held.contact_id
        WHERE lane.channel = state.channel AND lane.next_at IS NOT NULL
          AND split_part(contacts.address, '/', 3) = substr(state.provider, length(main.provider) + 2)
          AND (CAST(:shop_id AS bigint) IS NULL OR lane.shop_id = :shop_id)
        LIMIT :most
    ) waiting
"""

# A shop's own e-mail provider is nobody else's: PROVIDER:SHOP:VERSION, of which only the present version counts.
_OWN_SERVICE = "substr(state.provider, length(main.provider) + 2)"
_OWN = f"""
    SELECT FROM shop_mailings own
    WHERE own.provider || ':' || own.shop_id || ':' || own.version = {_OWN_SERVICE}
      AND (CAST(:shop_id AS bigint) IS NULL OR own.shop_id = :shop_id)
"""
_OF_SHOP = """
    SELECT count(*) FROM (
        SELECT 1 FROM delivery_lanes lane JOIN deliveries held ON held.lane_id = lane.id AND held.state = 'queued'
        WHERE lane.channel = state.channel AND lane.next_at IS NOT NULL AND lane.shop_id = state.shop_id
        LIMIT :most
    ) waiting
"""
_HELD_OF_SHOP = f"""
    SELECT count(*) FROM (
        SELECT 1 FROM delivery_lanes lane JOIN deliveries held ON held.lane_id = lane.id AND held.state = 'queued'
        WHERE lane.channel = state.channel AND lane.next_at IS NOT NULL
          AND lane.shop_id::text = split_part({_OWN_SERVICE}, ':', 2)
        LIMIT :most
    ) waiting
"""  # noqa: S608 (the expression above)

_OUTAGES = text(f"""
    SELECT state.channel, state.provider, state.reason, state.opened_at, state.last_failure_at,
        nullif(CASE WHEN state.shop_id IS NOT NULL THEN
            CASE WHEN CAST(:shop_id AS bigint) IS NULL THEN 'shop ' || state.shop_id ELSE '' END
            WHEN state.channel = 'email' THEN split_part({_OWN_SERVICE}, ':', 1) ELSE {_OWN_SERVICE} END, '')
            AS service,
        CASE WHEN state.shop_id IS NOT NULL THEN ({_OF_SHOP})
            WHEN state.provider = main.provider
            THEN ({_HELD} AND (CAST(:shop_id AS bigint) IS NULL OR lane.shop_id = :shop_id))
            WHEN state.channel = 'email' THEN ({_HELD_OF_SHOP})
            ELSE ({_HELD_OF_SERVICE}) END AS waiting
    FROM unnest(CAST(:channels AS text[]), CAST(:providers AS text[])) AS main(channel, provider)
    JOIN provider_states state ON state.channel = main.channel
        AND (state.provider = main.provider OR starts_with(state.provider, main.provider || '/'))
    WHERE state.state = 'open'
      AND (state.shop_id IS NULL OR CAST(:shop_id AS bigint) IS NULL OR state.shop_id = :shop_id)
      AND (state.channel <> 'email' OR state.provider = main.provider OR EXISTS ({_OWN}))
    ORDER BY state.opened_at, state.channel, state.provider
""")  # noqa: S608 (the queries above)

_SHUT = text("""
    SELECT channel, provider, next_probe_at <= now() AS probe_is_due FROM provider_states
    WHERE state = 'open' AND shop_id IS NULL
""")


class Provider(NamedTuple):
    """Whom a channel's messages are handed to. `shop_id`: as far as this shop is concerned, 0: for all."""

    channel: ChannelName
    name: str
    shop_id: int = 0

    def of(self, service: str) -> Provider:
        """Name one of the services behind this provider, or what `shop_service` names."""
        if service.startswith(_SHOP):
            return Provider(self.channel, self.name, int(service.removeprefix(_SHOP)))
        return Provider(self.channel, f"{self.name}/{service}")

    @property
    def key(self) -> dict[str, object]:
        return {"channel": self.channel.value, "provider": self.name, "shop_id": self.shop_id}


def shop_service(shop_id: int) -> str:
    """Name a channel's provider as far as one shop is concerned, among its services."""
    return f"{_SHOP}{shop_id}"


class Standing(NamedTuple):
    """What is known of a provider. `back_seconds` is since it came back last, None where it was never down.

    `probe_seconds`: until it may be tried, None while it is not down.
    """

    is_open: bool
    probe_is_due: bool | None
    failure_count: int
    reason: str | None
    back_seconds: float | None
    probe_seconds: float | None


def standings(session: Session, provider: Provider) -> tuple[Standing | None, dict[str, Standing]]:
    """Read what is known of a provider, None when it never failed, and which of its services are down."""
    found = {name: Standing(*rest) for name, *rest in session.execute(_STATES, provider.key)}
    own = found.pop(provider.name, None)
    return own, {name.removeprefix(f"{provider.name}/"): one for name, one in found.items()}


def open_breaker(session: Session, provider: Provider, reason: str, seconds: float) -> bool:
    """closed -> open, the first probe due so many seconds from now; False when it was open already."""
    values = provider.key | {"reason": reason, "seconds": seconds, "same": _SAME_OUTAGE_SECONDS}
    return session.execute(_OPEN, values).first() is not None


def take_probe(session: Session, provider: Provider, lease_seconds: float) -> bool:
    """Take the one probe that is due; nobody else gets one until the lease is over or the probe has failed."""
    return session.execute(_TAKE_PROBE, provider.key | {"lease_seconds": lease_seconds}).first() is not None


def probe_again(session: Session, provider: Provider, seconds: float = 0) -> None:
    """Give a probe back that told nothing."""
    session.execute(_PROBE_AGAIN, provider.key | {"seconds": seconds})


def fail_probe(session: Session, provider: Provider, reason: str, seconds: float) -> None:
    """Write down that a probe failed, and when the next one is due."""
    session.execute(_FAILED, provider.key | {"reason": reason, "seconds": seconds})


def close_breaker(session: Session, provider: Provider) -> float | None:
    """open -> closed, and everybody's turn by how long they waited; return for how many seconds it was open.

    None when it was closed already.
    """
    row = session.execute(_CLOSE, provider.key).first()
    if row is None:
        return None
    session.execute(_WAKE, {"channel": provider.channel.value})
    return float(row.seconds)


def keep_places(session: Session, ids: Collection[int], counted: Collection[int], *, keep: bool) -> set[int]:
    """Put messages that were queued again back to their places, if they `keep` them; return their lanes.

    Of those in `counted` the last attempt was counted, and is not any more.
    """
    found = session.execute(_KEEP_PLACES, {"ids": sorted(ids), "counted": list(counted), "keep": keep})
    return set(found.scalars()) if keep else set()


def wake_held(session: Session, channel: ChannelName, reason: str, limit: int) -> list[int]:
    """Let up to `limit` messages that were held back for this reason be due, at their places; return their lanes.

    A lane is named once for each of its messages.
    """
    found = session.execute(_WAKE_HELD, {"channel": channel.value, "reason": reason, "limit": limit})
    return list(found.scalars())


def outages(session: Session, providers: Sequence[Provider], shop_id: int | None, most_per_lane: int) -> list[Outage]:
    """List which of these providers are down, each with the messages that wait for it: of a shop, or of all."""
    values = {
        "channels": [provider.channel.value for provider in providers],
        "providers": [provider.name for provider in providers],
        "shop_id": shop_id,
        "most": most_per_lane,
    }
    return [
        Outage(
            ChannelName(row.channel),
            row.provider,
            row.reason,
            row.opened_at,
            row.last_failure_at,
            int(row.waiting),
            row.service,
        )
        for row in session.execute(_OUTAGES, values)
    ]


def open_breakers(session: Session) -> dict[tuple[str, str], bool]:
    """Read which (channel, provider) are down, and whether a probe of theirs is due."""
    return {(row.channel, row.provider): bool(row.probe_is_due) for row in session.execute(_SHUT)}
