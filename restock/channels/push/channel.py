"""Hand messages to the browsers' push services.

Encryption is pywebpush's; the HTTP is ours, so that no redirect is followed, no proxy of the environment is used, every
call has a timeout and no answer is read without end. Must never log an endpoint.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import urllib3
from pywebpush import WebPusher, WebPushException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from restock.channels.port import ChannelError
from restock.channels.push.endpoints import EndpointError, check_endpoint, origin_of
from restock.channels.push.message import compose
from restock.channels.push.replies import outcome_of
from restock.channels.push.subscription import decode_key, is_public_key
from restock.channels.push.vapid import VapidSigner
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, PushKeys, Verdict

_TTL_SECONDS = 4 * 3600  # older news about stock is worth nothing
_MOST_READ = 8192
_PROOF_SECONDS = 15 * 60
_NOT_SENT = (NewConnectionError, ConnectTimeoutError, NameResolutionError, SSLError)


class PushChannel:
    """Send browser notifications; one instance per process."""

    name = ChannelName.push
    doubt = Doubt.resend_once  # the topic and the tag are the same: the repeat replaces the first

    def __init__(
        self,
        signer: VapidSigner,
        *,
        extra_hosts: Sequence[str] = (),
        threads: int = 8,
        connect_seconds: float = 3.0,
        read_seconds: float = 10.0,
        batch_seconds: float = 25.0,
    ) -> None:
        self._signer = signer
        self._extra_hosts = frozenset(extra_hosts)
        self._threads = threads
        self._timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        self._batch_seconds = batch_seconds
        self._pool: urllib3.PoolManager | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._proven_at: dict[str, float] = {}

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        """Hand over a batch, several at a time; see `Channel.send`."""
        workers, pool = self._open()
        deadline = time.monotonic() + self._batch_seconds
        futures = [workers.submit(self._send_one, pool, envelope, deadline) for envelope in envelopes]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:  # noqa: ARG002 (the port's name)
        """Push services cannot be asked: always {}."""
        return {}

    def close(self) -> None:
        """Finish what is under way and close the connections."""
        if self._workers is not None:
            self._workers.shutdown(wait=True, cancel_futures=True)
            self._workers = None
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    def _open(self) -> tuple[ThreadPoolExecutor, urllib3.PoolManager]:
        if self._workers is None:
            self._workers = ThreadPoolExecutor(self._threads, thread_name_prefix="push")
        if self._pool is None:
            self._pool = urllib3.PoolManager(num_pools=16, maxsize=self._threads, timeout=self._timeout, retries=False)
        return self._workers, self._pool

    def _send_one(self, pool: urllib3.PoolManager, envelope: Envelope, deadline: float) -> Outcome:
        if time.monotonic() > deadline:
            return Outcome(envelope.delivery_id, Verdict.deferred, "batch_time_over")
        try:
            endpoint, body = self._prepare(envelope)
        except ChannelError as error:
            return error.outcome(envelope.delivery_id)
        return self._post(pool, envelope, endpoint, body)

    def _prepare(self, envelope: Envelope) -> tuple[str, bytes]:
        try:
            endpoint = check_endpoint(envelope.recipient.address, self._extra_hosts)
        except EndpointError:
            raise ChannelError("endpoint_not_allowed", permanent=True, blame=Blame.address) from None
        return endpoint, encrypt(compose(envelope), endpoint, envelope.recipient.push_keys)

    def _post(self, pool: urllib3.PoolManager, envelope: Envelope, endpoint: str, body: bytes) -> Outcome:
        origin = origin_of(endpoint)
        try:
            status, retry_after = _exchange(pool, endpoint, body, self._headers(envelope, origin))
        except _NOT_SENT:
            # One service away, or a host that does not exist: never everybody's fault.
            return Outcome(envelope.delivery_id, Verdict.deferred, "push_service_unreachable")
        except ReadTimeoutError:
            return Outcome(envelope.delivery_id, Verdict.unanswered, "timeout")
        except (HTTPError, OSError):
            return Outcome(envelope.delivery_id, Verdict.unanswered, "connection_lost")
        proven = time.monotonic() - self._proven_at.get(origin, float("-inf")) < _PROOF_SECONDS
        outcome = outcome_of(envelope.delivery_id, status, retry_after, proven=proven, now=time.time())
        if outcome.verdict is Verdict.accepted:
            self._proven_at[origin] = time.monotonic()
        return outcome

    def _headers(self, envelope: Envelope, origin: str) -> dict[str, str]:
        return {
            "Authorization": self._signer.header(origin),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(_TTL_SECONDS),
            "Topic": topic_of(envelope.identity),
            "Urgency": "high",
        }


def topic_of(identity: str) -> str:
    """Make the `Topic` (RFC 8030 section 5.4): 32 letters and digits, the same for the same identity."""
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def encrypt(payload: bytes, endpoint: str, keys: PushKeys | None) -> bytes:
    """Encrypt for one browser (RFC 8291, aes128gcm); raise ChannelError for keys that are none."""
    p256dh, auth = (decode_key(keys.p256dh), decode_key(keys.auth)) if keys else (None, None)
    if keys is None or auth is None or len(auth) != 16 or not is_public_key(p256dh):
        raise ChannelError("invalid_keys", permanent=True, blame=Blame.address)
    subscription = {"endpoint": endpoint, "keys": {"p256dh": keys.p256dh, "auth": keys.auth}}
    try:
        encoded = WebPusher(subscription).encode(payload, content_encoding="aes128gcm")
    except (WebPushException, ValueError, TypeError):
        raise ChannelError("invalid_keys", permanent=True, blame=Blame.address) from None
    body: bytes = encoded["body"]
    return body


def _exchange(pool: urllib3.PoolManager, endpoint: str, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
    response = pool.request("POST", endpoint, body=body, headers=headers, redirect=False, preload_content=False)
    try:
        response.read(_MOST_READ)  # so that the connection can be used again
        return response.status, response.headers.get("Retry-After")
    finally:
        if response.connection is not None:  # more than we read: not fit to be used again
            response.close()
