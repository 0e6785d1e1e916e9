"""The two things asked of Amazon SNS: the certificate it signs with, and that it goes on telling us.

Both addresses are of SNS in a topic's own region, made or checked in `sns`; redirects are not followed, answers are
bounded, and every wait ends. Must never be given an address that `sns` has not passed.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from restock.channels.email.reports.sns import Delivery, confirmation_url

log = structlog.get_logger(__name__)

LARGEST_ANSWER = 64 * 1024
_MOST_KEPT = 16  # certificates: one for each region at a time
_KEPT_SECONDS = 24 * 3600.0
_FAILED_SECONDS = 30.0  # so long a certificate that was not to be had is not asked for again


class AmazonAwayError(Exception):
    """SNS gave no usable answer; what was to be done may be tried again."""


class Answer(NamedTuple):
    """What was answered."""

    status: int
    body: bytes


Get = Callable[[str], Answer]


class _Kept(NamedTuple):
    key: RSAPublicKey | None  # None: it was not to be had
    until: float


def fetch(url: str) -> Answer:
    """Get one address; raise AmazonAwayError where there is no answer. A redirect is an answer."""
    import urllib3  # by nobody who sends otherwise

    timeout = urllib3.Timeout(connect=3.0, read=5.0, total=8.0)
    with urllib3.PoolManager(timeout=timeout, retries=False) as pool:
        try:
            answer = pool.request("GET", url, redirect=False, preload_content=False)
            return Answer(answer.status, answer.read(LARGEST_ANSWER, decode_content=False))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise AmazonAwayError(type(error).__name__) from None


@dataclass
class AmazonSns:
    """SNS, as one process knows it; safe across threads."""

    get: Get = fetch
    now: Callable[[], float] = time.time
    _kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def key(self, delivery: Delivery) -> RSAPublicKey:
        """Give the key a delivery says it is signed with, kept for a day; raise AmazonAwayError without one."""
        url = delivery.certificate_url
        with self._lock:
            known = self._kept.get(url)
        if known is None or known.until < self.now():
            known = self._ask(url)
            with self._lock:
                self._kept[url] = known
                self._kept.move_to_end(url)
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        if known.key is None:
            raise AmazonAwayError("no_certificate")
        return known.key

    def confirm(self, delivery: Delivery) -> None:
        """Confirm a subscription, which may be done twice; raise AmazonAwayError where that can be tried again."""
        answer = self.get(confirmation_url(delivery))
        if answer.status >= 500 or answer.status == 429:
            raise AmazonAwayError("busy")
        if answer.status == 200:
            log.info("sns_subscription_confirmed", topic=delivery.topic)
        else:  # its token is three days old, or the topic is gone
            log.warning("sns_subscription_refused", topic=delivery.topic, status=answer.status)

    def _ask(self, url: str) -> _Kept:
        now = self.now()
        try:
            answer = self.get(url)
            key, until = _valid(answer.body, now) if answer.status == 200 else (None, now)
        except AmazonAwayError:
            key, until = None, now
        return _Kept(key, min(until, now + _KEPT_SECONDS) if key else now + _FAILED_SECONDS)


def _valid(pem: bytes, now: float) -> tuple[RSAPublicKey | None, float]:
    """Read a certificate's key and the end of its time; no key for one that is none, or of another time."""
    from cryptography.x509 import load_pem_x509_certificate

    try:
        certificate = load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except (ValueError, TypeError):
        return None, now
    is_of_now = certificate.not_valid_before_utc <= datetime.fromtimestamp(now, UTC) <= certificate.not_valid_after_utc
    is_usable = isinstance(key, RSAPublicKey) and key.key_size >= 2048 and is_of_now
    return (key if is_usable and isinstance(key, RSAPublicKey) else None), certificate.not_valid_after_utc.timestamp()
