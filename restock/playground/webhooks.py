"""Send webhooks as Shopify does: signed, over HTTP, to this program's own door."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import urllib3

from restock.errors import UnavailableError

TIMEOUT = urllib3.Timeout(connect=2.0, read=5.0)
API_VERSION = "2026-10"


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What the door said, and how long it took."""

    topic: str
    webhook_id: str
    status: int
    milliseconds: float


@dataclass(frozen=True)
class WebhookSender:
    """Send to one instance in one shop's name. `base_url` has no trailing slash."""

    base_url: str
    secret: str
    shop_domain: str
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(timeout=TIMEOUT, retries=False))

    def send(self, topic: str, body: Mapping[str, object]) -> WebhookAnswer:
        """Sign and post one webhook; raises UnavailableError when nobody answers."""
        raw = json.dumps(body).encode()
        webhook_id = str(uuid.uuid4())
        started = time.perf_counter()
        try:
            headers = self._headers(topic, webhook_id, raw)
            answer = self._pool.request("POST", f"{self.base_url}/webhooks/shopify", body=raw, headers=headers)
        except urllib3.exceptions.HTTPError:
            raise UnavailableError(f"Nobody answers at {self.base_url}/webhooks/shopify.") from None
        return WebhookAnswer(topic, webhook_id, answer.status, (time.perf_counter() - started) * 1000)

    def _headers(self, topic: str, webhook_id: str, raw: bytes) -> dict[str, str]:
        digest = hmac.digest(self.secret.encode(), raw, hashlib.sha256)
        return {
            "Content-Type": "application/json",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
            "X-Shopify-Shop-Domain": self.shop_domain,
            "X-Shopify-API-Version": API_VERSION,
            "X-Shopify-Webhook-Id": webhook_id,
            "X-Shopify-Event-Id": str(uuid.uuid4()),
            "X-Shopify-Triggered-At": datetime.now(UTC).isoformat(),
        }
