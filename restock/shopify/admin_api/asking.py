"""Puts one question to one shop at the pace the shop allows, and hands back the data or the right error.

It must never wait for points, and never ask a shop that keeps silent more often than pacing.py allows.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from restock.shopify.admin_api import pacing
from restock.shopify.admin_api.answers import data_of, status_fault, take_apart, told_seconds
from restock.shopify.admin_api.pacing import Bucket, Pace
from restock.shopify.admin_api.reading import Part
from restock.shopify.admin_api.transport import StatusError, Transport
from restock.shopify.documents import Document
from restock.shopify.errors import AdminThrottledError, AdminUnavailableError
from restock.shopify.values import Access

MOST_SHOPS = 10_000  # whose pace is remembered; the longest unasked is forgotten first
_MOST_FACTOR = 5.0


class Paces:
    """The pace of every shop and the price of every document, as far as this process has seen. Safe across threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, most_shops: int = MOST_SHOPS) -> None:
        self._monotonic = monotonic
        self._most_shops = most_shops
        self._lock = threading.Lock()
        self._paces: OrderedDict[str, Pace] = OrderedDict()
        self._factors: dict[str, float] = {}  # what a document really costs, as a multiple of the estimate

    def reserve(self, domain: str, document: Document, estimate: float) -> float:
        """Note a question on its way and return its points; raise AdminThrottledError or AdminUnavailableError."""
        with self._lock:
            now, pace = self._monotonic(), self._paces.get(domain, Pace())
            points = estimate * self._factors.get(document.name, 1.0)
            if not pacing.may_try(pace, now):
                raise AdminUnavailableError("the shop did not answer lately")
            if wait := pacing.wait_for_points(pace, points, now):
                raise AdminThrottledError(wait)
            self._keep(domain, pacing.asked(pace, points, now))
            return points

    def answered(self, domain: str, points: float, bucket: Bucket | None) -> None:
        """Note that the shop answered, whatever it said."""
        with self._lock:
            self._keep(domain, pacing.answered(self._paces.get(domain, Pace()), points, bucket, self._monotonic()))

    def unanswered(self, domain: str, points: float) -> None:
        """Note that no answer came."""
        with self._lock:
            self._keep(domain, pacing.unanswered(self._paces.get(domain, Pace()), points, self._monotonic()))

    def throttled(self, domain: str, cost: float, told: float | None) -> float:
        """Note that the shop asks to wait; return how long."""
        with self._lock:
            now = self._monotonic()
            pace = pacing.throttled(self._paces.get(domain, Pace()), cost, told, now)
            self._keep(domain, pace)
            return pace.not_before - now

    def learn_price(self, document: Document, estimate: float, cost: float | None) -> None:
        """Remember what Shopify charged for a document instead of the estimate."""
        if cost and estimate:
            with self._lock:
                self._factors[document.name] = min(cost / estimate, _MOST_FACTOR)

    def _keep(self, domain: str, pace: Pace) -> None:
        self._paces[domain] = pace
        self._paces.move_to_end(domain)
        while len(self._paces) > self._most_shops:
            self._paces.popitem(last=False)


class Asker:
    """Asks. Safe across threads."""

    def __init__(self, transport: Transport, paces: Paces) -> None:
        self._transport = transport
        self._paces = paces

    def ask(self, access: Access, document: Document, variables: Mapping[str, object], estimate: float) -> Part:
        """Put a question of about so many points and return the data of its answer; raise any AdminError."""
        points = self._paces.reserve(access.domain, document, estimate)
        try:
            text = self._transport.exchange(access, document, variables)
            answer = take_apart(text)
        except StatusError as status:
            raise self._status_fault(access.domain, points, status) from None
        except AdminUnavailableError:
            self._paces.unanswered(access.domain, points)
            raise
        except BaseException:
            self._paces.answered(access.domain, points, None)  # its points must not stay reserved for ever
            raise
        self._paces.answered(access.domain, points, answer.bucket)
        self._paces.learn_price(document, estimate, answer.cost)
        is_throttled = "THROTTLED" in answer.codes
        wait = self._paces.throttled(access.domain, answer.cost or points, None) if is_throttled else 0.0
        return data_of(answer, wait)

    def _status_fault(self, domain: str, points: float, status: StatusError) -> Exception:
        if status.status != 429:
            fault = status_fault(status.status, 0.0)
            is_silence = isinstance(fault, AdminUnavailableError)
            self._paces.unanswered(domain, points) if is_silence else self._paces.answered(domain, points, None)
            return fault
        self._paces.answered(domain, points, None)
        return status_fault(429, self._paces.throttled(domain, points, told_seconds(status.retry_after)))
