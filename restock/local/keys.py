"""The keys a development instance makes for itself, once, and keeps in its data directory.

Production brings its own. They must never be printed, logged or readable by other users.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from restock.local.lifeline import StartError

_FILE = "keys.json"


def _vapid_private_key() -> str:
    """Make a P-256 private key as 32 bytes in base64url, the form browsers' push tools exchange (RFC 8292)."""
    from cryptography.hazmat.primitives.asymmetric import ec  # once in the life of a data directory

    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


_MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(32),
    "SHOPIFY_API_KEY": lambda: secrets.token_hex(16),  # for the playground's Shopify; no real app
    "SHOPIFY_API_SECRET": lambda: secrets.token_hex(32),
    "VAPID_PRIVATE_KEY": _vapid_private_key,
    "TWILIO_ACCOUNT_SID": lambda: f"AC{secrets.token_hex(16)}",  # for the local peer; no real account
    "TWILIO_AUTH_TOKEN": lambda: secrets.token_hex(16),
}


def development_keys(folder: Path) -> dict[str, str]:
    """Return every key by the name of its setting; what is missing is made and kept. Raises StartError.

    Several processes may call it at once: all get the same keys.
    """
    path = folder / _FILE
    with _locked(folder):
        try:
            kept = json.loads(path.read_text())
        except FileNotFoundError:
            kept = {}
        except (OSError, ValueError) as error:
            cause = type(error).__name__
            raise StartError(f"{path} cannot be read ({cause}): mend it, or remove it to get new keys.") from None
        missing = {name: make() for name, make in _MAKERS.items() if name not in kept}
        if missing:
            write_private(path, json.dumps(kept | missing, indent=2))
    return {name: str((kept | missing)[name]) for name in _MAKERS}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other makers out; the lock is on the folder itself."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner alone."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
