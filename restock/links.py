"""Signed links that people and providers bring back to us, and secrets sealed for the database.

A token carries one id and nothing else: no address, no name. Each purpose has its own salt, so a click token never
unsubscribes anybody. Nothing here may be logged: whoever holds a token may do what it allows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from itsdangerous import BadData, HMACAlgorithm, URLSafeSerializer

from restock.signing import TAG_BYTES, IdSigner

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

REPORTS_USER = "restock"
CONFIRM_MAX_AGE_SECONDS = 7 * 24 * 3600
_LONGEST_TOKEN = 128
_LARGEST_ID = 2**63 - 1


class _ShortHmac(HMACAlgorithm):
    """HMAC-SHA256 cut to 128 bits (RFC 2104 section 5): half the length in a text message."""

    default_digest_method = staticmethod(hashlib.sha256)

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return super().get_signature(key, value)[:TAG_BYTES]


def _signer_settings() -> dict[str, object]:
    return {"key_derivation": "hmac", "digest_method": hashlib.sha256, "algorithm": _ShortHmac()}


class Links:
    """Make and read the links a message carries.

    The first key signs, every key verifies. A `read_` method returns None for a token that is forged, too old, or made
    for another purpose.
    """

    def __init__(self, keys: Sequence[str], public_url: str) -> None:
        if not keys:
            raise ValueError("Links needs at least one key")
        self._keys = list(reversed(keys))  # itsdangerous wants the oldest first and signs with the last
        self._base = public_url.rstrip("/")
        self._sign_click, self._sign_decline, self._sign_unsubscribe, self._sign_preferences = (
            IdSigner(keys[0], _salt(purpose)) for purpose in ("click", "decline", "unsubscribe", "preferences")
        )
        self._click = self._plain("click")
        self._decline = self._plain("decline")
        self._unsubscribe = self._plain("unsubscribe")
        self._preferences = self._plain("preferences")
        self._receipt = self._plain("receipt")
        self._confirm = self._plain("confirm")
        self._reports = self._plain("reports")

    @cached_property
    def _report_keys(self) -> Sequence[bytes]:
        return [_derive(key, b"links report mark", 32) for key in reversed(self._keys)]

    def _plain(self, purpose: str) -> URLSafeSerializer:
        return URLSafeSerializer(self._keys, salt=_salt(purpose), signer_kwargs=_signer_settings())

    def click(self, delivery_id: int) -> str:
        """Link to the goods, counted on the way."""
        return f"{self._base}/c/{self._sign_click.sign(delivery_id)}"

    def decline(self, delivery_id: int) -> str:
        """Link by which a shopper passes the turn on to the next in line."""
        return f"{self._base}/decline/{self._sign_decline.sign(delivery_id)}"

    def unsubscribe(self, contact_id: int) -> str:
        """Link that ends every alert of this shop to this contact; never expires."""
        return f"{self._base}/unsubscribe/{self._sign_unsubscribe.sign(contact_id)}"

    def preferences(self, contact_id: int) -> str:
        """Link to the page where a contact sees and ends single alerts; never expires."""
        return f"{self._base}/preferences/{self._sign_preferences.sign(contact_id)}"

    def confirm(self, contact_id: int, at: float | None = None) -> str:
        """Link by which a contact says yes; good for CONFIRM_MAX_AGE_SECONDS from `at` (epoch seconds, None: now).

        The same contact and second give the same link, so a message made again is the same message.
        """
        made_at = int(time.time() if at is None else at)
        return f"{self._base}/confirm/{_text(self._confirm.dumps([contact_id, made_at]))}"

    def receipt_token(self, delivery_id: int) -> str:
        """Make the token by which a provider's callback names a delivery."""
        return _text(self._receipt.dumps(delivery_id))

    def report_mark(self, delivery_id: int) -> str:
        """Make the mark by which whoever carries an e-mail names its delivery: in a provider's reports, and in the
        address it comes back to. Letters in lower case, digits and one `-`, and the same in any case of letters.
        """
        return f"{delivery_id}-{_report_tag(self._report_keys[0], delivery_id)}"

    def reports_address(self, provider: str, shop_id: int, *, with_login: bool) -> str:
        """Write the address a shop's provider reports to; `with_login`: it signs nothing, and has a password."""
        base = self._base
        if with_login:
            scheme, _, rest = base.partition("://")
            base = f"{scheme}://{REPORTS_USER}:{self.reports_password(shop_id)}@{rest}"
        return f"{base}/webhooks/email/{provider}/{self.reports_key(shop_id)}"

    def reports_key(self, shop_id: int) -> str:
        """Make the part of an address that a shop's provider reports to."""
        return _text(self._reports.dumps(shop_id))

    def reports_password(self, shop_id: int) -> str:
        """Make the password of that address, for providers that sign nothing."""
        return _text(self._reports.dumps([shop_id, "password"]))

    def read_click(self, token: str) -> int | None:
        """Return the delivery's id."""
        return _read(self._click, token)

    def read_decline(self, token: str) -> int | None:
        """Return the delivery's id."""
        return _read(self._decline, token)

    def read_unsubscribe(self, token: str) -> int | None:
        """Return the contact's id."""
        return _read(self._unsubscribe, token)

    def read_preferences(self, token: str) -> int | None:
        """Return the contact's id."""
        return _read(self._preferences, token)

    def read_confirm(self, token: str) -> int | None:
        """Return the contact's id."""
        match _loads(self._confirm, token):
            case [contact_id, int(made_at)] if time.time() - made_at <= CONFIRM_MAX_AGE_SECONDS:
                return _as_id(contact_id)
        return None

    def read_receipt(self, token: str) -> int | None:
        """Return the delivery's id."""
        return _read(self._receipt, token)

    def read_report_mark(self, mark: str) -> int | None:
        """Return the delivery's id."""
        number, _, tag = mark.lower().partition("-")
        if not (mark.isascii() and number.isdigit() and len(number) < 20 and 0 < int(number) <= _LARGEST_ID):
            return None
        known = (_report_tag(key, int(number)) for key in self._report_keys)
        found = [hmac.compare_digest(tag, one) for one in known]
        return int(number) if any(found) else None

    def read_reports_key(self, key: str) -> int | None:
        """Return the shop's id."""
        return _read(self._reports, key)

    def is_reports_password(self, shop_id: int, password: str) -> bool:
        """Say whether this is the password of that shop's address."""
        return _loads(self._reports, password) == [shop_id, "password"]


def _report_tag(key: bytes, delivery_id: int) -> str:
    """Cut an HMAC to 80 bits, in an alphabet that mail servers cannot spoil by changing its case."""
    return base64.b32encode(hmac.digest(key, str(delivery_id).encode(), "sha256")[:10]).decode().lower()


def _salt(purpose: str) -> str:
    return f"restock.links.{purpose}"


def _text(token: str | bytes) -> str:
    return token.decode() if isinstance(token, bytes) else token


def _read(serializer: URLSafeSerializer, token: str) -> int | None:
    return _as_id(_loads(serializer, token))


def _loads(serializer: URLSafeSerializer, token: str) -> object:
    if len(token) > _LONGEST_TOKEN or not token.isascii():
        return None
    try:
        return serializer.loads(token)
    except BadData:
        return None


def _as_id(value: object) -> int | None:
    return value if type(value) is int and 0 < value <= _LARGEST_ID else None


class SealError(Exception):
    """A sealed secret does not open: another key, another context, or damage. Never says what was inside."""


class Vault:
    """Seal secrets for the database and open them again (AES-256-GCM, keys by HKDF-SHA256 from SECRET_KEY).

    A context such as "shops.access_token:42" is bound to the seal, so a value copied into another row does not open.
    The first key seals, every key opens.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("Vault needs at least one key")
        self._keys = tuple(keys)

    @cached_property
    def _ciphers(self) -> Mapping[bytes, AESGCM]:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # seven megabytes: only who has a secret to open

        return {self._id_of(key): AESGCM(_derive(key, b"vault seal", 32)) for key in reversed(self._keys)}

    @cached_property
    def _first_id(self) -> bytes:
        return self._id_of(self._keys[0])

    @cached_property
    def _hash_key(self) -> bytes:
        return _derive(self._keys[0], b"vault keyed hash", 32)

    @staticmethod
    def _id_of(key: str) -> bytes:
        return _derive(key, b"vault key id", 4)

    def seal(self, plaintext: str, context: str) -> bytes:
        """Return key id (4 bytes), nonce (12), ciphertext and tag."""
        nonce = os.urandom(12)
        return self._first_id + nonce + self._ciphers[self._first_id].encrypt(nonce, plaintext.encode(), _aad(context))

    def open(self, sealed: bytes, context: str) -> str:
        """Return what was sealed; raise SealError for another key, another context or a damaged value."""
        from cryptography.exceptions import InvalidTag

        sealed = bytes(sealed)  # the driver may hand over a memoryview
        cipher = self._ciphers.get(sealed[:4])
        if cipher is None:
            raise SealError("sealed with a key that SECRET_KEY no longer lists: add the old key at its end")
        try:
            return cipher.decrypt(sealed[4:16], sealed[16:], _aad(context)).decode()
        except (InvalidTag, ValueError):
            raise SealError("this value was sealed for another place, or is damaged") from None

    def needs_resealing(self, sealed: bytes) -> bool:
        """Say whether the value was sealed with a key that is no longer the first."""
        return bytes(sealed)[:4] != self._first_id

    def keyed_hash(self, value: str) -> bytes:
        """Return 16 bytes that only a holder of the first key can recompute: for IP addresses and limiter keys.

        BLAKE2b (RFC 7693): on the path of every post, and unlike OpenSSL's HMAC it does not hand the interpreter over.
        """
        return hashlib.blake2b(value.encode(), key=self._hash_key, digest_size=16).digest()


def _derive(key: str, purpose: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt=None, info=b"restock " + purpose).derive(key.encode())


def _aad(context: str) -> bytes:
    return b"restock:" + context.encode()
