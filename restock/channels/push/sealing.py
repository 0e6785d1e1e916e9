"""From an envelope to the bytes of its request: said, encrypted for one browser, signed for its push service.

Encryption is pywebpush's (RFC 8291). Must never log an endpoint or a key.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Hashable
from typing import Any

from pywebpush import WebPusher, WebPushException

from restock.channels.port import ChannelError
from restock.channels.push.http.sites import Origin
from restock.channels.push.message import Wording, compose, wording_key, wording_of
from restock.channels.push.vapid import VapidSigner
from restock.channels.values import Blame, Envelope, Notice, PushKeys

TTL_SECONDS = 4 * 3600  # older news about stock is worth nothing
LARGEST_BODY = 4096  # RFC 8030 section 7.2: what every push service takes


_MOST_WORDINGS = 64


class Sealer:
    """Write the requests of one instance; for one thread."""

    def __init__(self, signer: VapidSigner) -> None:
        self._signer = signer
        # Its keys are set for each browser. One of its own for each copies and decodes them twice, which costs a
        # fifth of the encryption.
        self._pusher: Any = WebPusher({"endpoint": ""})
        self._wordings: dict[Hashable, Wording] = {}

    def signature(self, origin: Origin) -> str:
        """Return the signature a request to this service carries now."""
        return self._signer.header(origin.url)

    def head(self, origin: Origin, signature: str) -> bytes:
        """Write what every request to a service has in common while its signature lasts."""
        fields = {
            "Host": origin.authority,
            "Authorization": signature,
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_SECONDS),
            "Urgency": "high",
        }
        return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("ascii") + b"\r\n"

    def seal(self, path: str, head: bytes, envelope: Envelope) -> bytes:
        """Return the whole request; raise ChannelError for what can never be sent to this browser."""
        keys = envelope.recipient.push_keys
        if keys is None:
            raise ChannelError("invalid_keys", permanent=True, blame=Blame.address)
        if keys.vapid not in (None, self._signer.key_name):  # the service would refuse it: nobody's address is to blame
            raise ChannelError("other_vapid_key", permanent=True)
        body = self.encrypt(compose(envelope, self._wording(envelope.notice)), keys)
        line = f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\nTopic: {topic_of(envelope.identity)}\r\n"
        return b"".join((line.encode("ascii"), head, body))

    def encrypt(self, payload: bytes, keys: PushKeys) -> bytes:
        """Encrypt for one browser (RFC 8291, aes128gcm); raise ChannelError for keys that are none."""
        point, secret = _raw(keys.p256dh), _raw(keys.auth)
        if len(point) != 65 or point[0] != 4 or len(secret) != 16:
            raise ChannelError("invalid_keys", permanent=True, blame=Blame.address)
        self._pusher.receiver_key, self._pusher.auth_key = point, secret
        try:
            body: bytes = self._pusher.encode(payload, content_encoding="aes128gcm")["body"]
        except (WebPushException, ValueError, TypeError):  # no point on the curve
            raise ChannelError("invalid_keys", permanent=True, blame=Blame.address) from None
        if len(body) > LARGEST_BODY:
            raise ChannelError("too_large", permanent=True)
        return body

    def _wording(self, notice: Notice) -> Wording:
        """Say a notice once for all who are told the same."""
        key = wording_key(notice)
        known = self._wordings.get(key)
        if known is None:
            if len(self._wordings) >= _MOST_WORDINGS:
                self._wordings.clear()
            known = self._wordings[key] = wording_of(notice)
        return known


def topic_of(identity: str) -> str:
    """Make the `Topic` (RFC 8030 section 5.4): 32 letters and digits, the same for the same identity."""
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _raw(key: str) -> bytes:
    """Decode a key as the intake has written it; what is none is empty, or as long as no key is."""
    try:
        return base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    except ValueError:
        return b""
