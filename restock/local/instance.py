"""One data directory and what runs on it: who holds it, and where its servers are.

It must never let two instances share a data directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from restock.local.keys import development_keys, write_private
from restock.local.lifeline import StartError

if TYPE_CHECKING:
    from restock.config import Settings

_STARTING_SECONDS = 10.0
_OWN_SECRETS = ("SECRET_KEY", "SHOPIFY_API_SECRET", "VAPID_PRIVATE_KEY")
_LOCAL_SUBJECT = "mailto:restock@example.com"  # push services want a contact; development has none


class Instance:
    """The data directory of one instance."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.restock_data_dir.absolute()
        self._lock = self.folder / "lock"
        self._card = self.folder / "runtime.json"

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the data directory for ourselves, until the end of this process at the latest. Raises StartError."""
        handle = self._open_lock()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise StartError(self._taken()) from None
        try:
            os.truncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
            self._card.unlink(missing_ok=True)  # a killed instance's
            yield
        finally:
            self._card.unlink(missing_ok=True)
            os.close(handle)

    @contextlib.contextmanager
    def servers(self) -> Iterator[dict[str, str]]:
        """Run the embedded servers whose addresses the settings lack; yields DATABASE_URL and REDIS_URL.

        The caller has claimed the instance.
        """
        given = {"DATABASE_URL": self.settings.database_url, "REDIS_URL": self.settings.redis_url}
        urls = {name: secret.get_secret_value() for name, secret in given.items() if secret is not None}
        with ExitStack() as stack:
            if "DATABASE_URL" not in urls:
                from restock.local.postgres import start_postgres  # for the one process that starts them

                postgres = start_postgres(self.folder / "postgres")
                stack.callback(postgres.stop)
                urls["DATABASE_URL"] = postgres.url()
            if "REDIS_URL" not in urls:
                from restock.local.valkey import start_valkey

                valkey = start_valkey(self.folder / "valkey")
                stack.callback(valkey.stop)
                urls["REDIS_URL"] = valkey.url()
            yield urls

    def keys(self) -> dict[str, str]:
        """Return the secrets that development makes for itself and the settings do not bring. Raises StartError."""
        if self.settings.is_production:
            return {}
        made = self.made_keys()
        found = {name: made[name] for name in _OWN_SECRETS if not getattr(self.settings, name.lower())}
        if "VAPID_PRIVATE_KEY" in found and not self.settings.vapid_subject:
            found["VAPID_SUBJECT"] = _LOCAL_SUBJECT
        return found

    def made_keys(self) -> dict[str, str]:
        """Return every key of this data directory, made if absent. Raises StartError."""
        self._make_folder()
        return development_keys(self.folder)

    def publish(self, environment: Mapping[str, str]) -> None:
        """Leave a card that tells commands run by hand where everything is."""
        write_private(self._card, json.dumps(dict(environment), indent=2))

    def published(self) -> dict[str, str] | None:
        """Read the card of the instance that runs on this data directory; None when nothing runs.

        Waits while one is starting. Raises StartError.
        """
        deadline = time.monotonic() + _STARTING_SECONDS
        while self._is_held():
            with contextlib.suppress(FileNotFoundError):
                return {str(name): str(value) for name, value in json.loads(self._card.read_text()).items()}
            if time.monotonic() > deadline:
                raise StartError(f"{self._taken()} It has not come up yet; try again in a moment.")
            time.sleep(0.1)
        return None

    def _is_held(self) -> bool:
        if not self._lock.exists():
            return False
        handle = self._open_lock()
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def _open_lock(self) -> int:
        self._make_folder()
        try:
            return os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from None

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> StartError:
        return StartError(
            f"The data directory {self.folder} cannot be used ({error.strerror}): "
            "make it yours, or set RESTOCK_DATA_DIR to another folder."
        )

    def _taken(self) -> str:
        with contextlib.suppress(OSError):
            if pid := self._lock.read_text().strip():
                return (
                    f"Restock already runs on {self.folder} (process {pid}): "
                    "stop it first, or set RESTOCK_DATA_DIR to another folder."
                )
        return f"Restock already runs on {self.folder}: stop it first, or set RESTOCK_DATA_DIR to another folder."
