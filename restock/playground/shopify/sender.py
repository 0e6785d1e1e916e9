"""Sends webhooks as Shopify does: signed, at least once, in no order, again when the answer is no success.

What goes wrong is chosen in `WebhookFaults`. It must never send to another machine than the app's own door.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import urllib3

from restock.shopify.signatures import sign_webhook

TIMEOUT = urllib3.Timeout(connect=1.0, read=5.0)  # Shopify's own patience
API_VERSION = "2026-10"
RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)  # eight times as at Shopify, but in minutes, not hours
_SENDERS = 4
_SHUFFLE_SECONDS = 0.5


@dataclass
class WebhookFaults:
    """What goes wrong on the way. `copies` of each webhook; `is_lost`: none is sent; `is_shuffled`: in any order."""

    copies: int = 1
    delay_seconds: float = 0.0
    is_lost: bool = False
    is_shuffled: bool = False


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What the door said to one delivery, and how long it took; `status` 0: nobody answered."""

    topic: str
    webhook_id: str
    status: int
    milliseconds: float


@dataclass
class Delivery:
    """One webhook on its way. Every copy and retry has its webhook id; one deed's webhooks share the event id."""

    domain: str
    topic: str
    uri: str
    body: bytes
    webhook_id: str
    event_id: str
    triggered_at: str
    attempt: int = 0
    answer: WebhookAnswer | None = None
    answered: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float) -> WebhookAnswer | None:
        """Wait for the first answer; None when there was none in time."""
        self.answered.wait(seconds)
        return self.answer


@dataclass
class Tally:
    """How many webhooks were sent (copies and retries too), taken by the app with a 2xx, and lost on the way."""

    sent_count: int = 0
    taken_count: int = 0
    lost_count: int = 0


class WebhookSender:
    """Send in the background. `start` before the first webhook; `close` drops what is still due."""

    def __init__(self, secret: str, retry_seconds: tuple[float, ...] = RETRY_SECONDS) -> None:
        self.secret = secret
        self.faults = WebhookFaults()
        self.tally = Tally()
        self._retry_seconds = retry_seconds
        self._due: list[tuple[float, int, Delivery]] = []
        self._numbers = itertools.count()
        self._news = threading.Condition()
        self._is_closed = False
        self._pool = urllib3.PoolManager(maxsize=_SENDERS, timeout=TIMEOUT, retries=False)
        self._executor = ThreadPoolExecutor(_SENDERS, thread_name_prefix="webhook")
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Stop, once what is being sent is answered; safe to call twice."""
        with self._news:
            self._is_closed = True
            self._due.clear()
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join()  # it may have one in hand, for the executor
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._pool.clear()

    def send(self, domain: str, topic: str, uri: str, body: Mapping[str, object], event_id: str) -> Delivery | None:
        """Put one webhook on its way; None when it is lost."""
        if self.faults.is_lost:
            self.tally.lost_count += 1
            return None
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        raw = json.dumps(body).encode()
        delivery = Delivery(domain, topic, uri, raw, str(uuid.uuid4()), event_id, moment)
        for _ in range(self.faults.copies):
            shuffled = random.uniform(0, _SHUFFLE_SECONDS) if self.faults.is_shuffled else 0.0  # noqa: S311 - no secret
            self._put(delivery, self.faults.delay_seconds + shuffled)
        return delivery

    def is_idle(self) -> bool:
        """Say whether nothing waits to be sent (what is being sent now apart)."""
        with self._news:
            return not self._due

    def _put(self, delivery: Delivery, seconds: float) -> None:
        with self._news:
            if not self._is_closed:
                heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), delivery))
                self._news.notify()

    def _run(self) -> None:
        while (delivery := self._next()) is not None:
            self._executor.submit(self._deliver, delivery)

    def _next(self) -> Delivery | None:
        with self._news:
            while not self._is_closed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._news.wait(wait)
        return None

    def _deliver(self, delivery: Delivery) -> None:
        started = time.perf_counter()
        try:
            sent = self._pool.request("POST", delivery.uri, body=delivery.body, headers=self._headers(delivery))
            status = sent.status
        except urllib3.exceptions.HTTPError:
            status = 0
        milliseconds = (time.perf_counter() - started) * 1000
        self._note(delivery, WebhookAnswer(delivery.topic, delivery.webhook_id, status, milliseconds))

    def _note(self, delivery: Delivery, answer: WebhookAnswer) -> None:
        is_taken = 200 <= answer.status < 300
        with self._news:
            self.tally.sent_count += 1
            self.tally.taken_count += is_taken
            attempt, delivery.attempt = delivery.attempt, delivery.attempt + (not is_taken)
        if delivery.answer is None:
            delivery.answer = answer
            delivery.answered.set()
        if not is_taken and attempt < len(self._retry_seconds):
            self._put(delivery, self._retry_seconds[attempt])

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "X-Shopify-Topic": delivery.topic,
            "X-Shopify-Hmac-Sha256": sign_webhook(self.secret, delivery.body),
            "X-Shopify-Shop-Domain": delivery.domain,
            "X-Shopify-API-Version": API_VERSION,
            "X-Shopify-Webhook-Id": delivery.webhook_id,
            "X-Shopify-Event-Id": delivery.event_id,
            "X-Shopify-Triggered-At": delivery.triggered_at,
        }
