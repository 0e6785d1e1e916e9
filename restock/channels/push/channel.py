"""Hand messages to the browsers' push services.

Encryption is pywebpush's; the HTTP is ours, so that no redirect is followed, no proxy of the environment is used, every
call has a timeout and no answer is read without end. Must never log an endpoint.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from restock.channels.push.batch import Batch, Services
from restock.channels.push.endpoints import EndpointError, check_endpoint, origin_of
from restock.channels.push.http.engine import Engine, Limits
from restock.channels.push.http.sites import Origin, origin_from
from restock.channels.push.sealing import Sealer
from restock.channels.push.vapid import VapidSigner
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict

_MOST_ORIGINS = 256


class PushChannel:
    """Send browser notifications; one instance per process and thread.

    `connections` is how many may be open to one push service at a time; they are opened as they are needed.
    """

    name = ChannelName.push
    doubt = Doubt.resend_once  # the topic and the tag are the same: the repeat replaces the first

    def __init__(
        self,
        signer: VapidSigner,
        *,
        extra_hosts: Sequence[str] = (),
        connections: int = 128,
        connect_seconds: float = 3.0,
        read_seconds: float = 10.0,
        batch_seconds: float = 25.0,
    ) -> None:
        self._extra_hosts = frozenset(extra_hosts)
        self._limits = Limits(connections, connect_seconds, read_seconds)
        self._batch_seconds = batch_seconds
        self._sealer = Sealer(signer)
        self._services = Services()
        self._origins: dict[str, Origin] = {}
        self._engine: Engine | None = None

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        """Hand over a batch, many at a time; see `Channel.send`."""
        deadline = time.monotonic() + self._batch_seconds
        if self._engine is None:
            self._engine = Engine(self._limits)
        self._engine.tidy()
        batch = Batch(self._engine, self._sealer, self._services, deadline)
        for envelope in envelopes:
            try:
                origin, path = self._address(envelope)
            except EndpointError:
                yield Outcome(envelope.delivery_id, Verdict.refused, "endpoint_not_allowed", Blame.address)
            else:
                batch.add(origin, path, envelope)
        try:
            yield from batch.run()
        finally:
            self._engine.abort()

    def service_of(self, envelope: Envelope) -> str | None:
        """Name the push service a message goes to, as its outcome will; None where it may go to none."""
        with suppress(EndpointError):
            return self._address(envelope)[0].authority
        return None

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:  # noqa: ARG002 (the port's name)
        """Push services cannot be asked: always {}."""
        return {}

    def close(self) -> None:
        """Close the connections; the channel may be used again."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _address(self, envelope: Envelope) -> tuple[Origin, str]:
        """Check an endpoint again, whatever was kept; raise EndpointError."""
        endpoint = check_endpoint(envelope.recipient.address, self._extra_hosts)
        url = origin_of(endpoint)
        origin = self._origins.get(url)
        if origin is None:
            if len(self._origins) >= _MOST_ORIGINS:  # anybody may name another host below a push service's
                self._origins.clear()
            origin = self._origins[url] = origin_from(url, is_local=url.partition("://")[2] in self._extra_hosts)
        return origin, endpoint[len(url) :]
