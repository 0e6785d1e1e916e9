"""Where a push service is: its origin, and the addresses behind its name.

Names are resolved in threads of their own, since a resolver may take its time. A known push service is never sought
at an address that is nobody's in public: what a name server says opens no door into our own network.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from restock.channels.public_addresses import is_public

_FRESH_SECONDS = 60.0
_NOWHERE_SECONDS = 2.0  # a name that leads nowhere is not asked about for each message
_MOST_ADDRESSES = 4
_NOBODYS = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

Address = tuple[int, tuple[Any, ...]]  # family, what `connect` takes
Resolve = Callable[..., Sequence[tuple[Any, ...]]]


class Origin(NamedTuple):
    """Scheme, host and port of a push service. `is_local`: an own test peer, which may be anywhere."""

    scheme: str
    host: str
    port: int
    is_local: bool = False

    @property
    def authority(self) -> str:
        """The `Host` of a request: the port is named where it is not the usual one."""
        usual = 443 if self.scheme == "https" else 80
        return self.host if self.port == usual else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}"


def origin_from(url: str, *, is_local: bool = False) -> Origin:
    """Split what `origin_of` returns."""
    parts = urlsplit(url)
    return Origin(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), is_local)


@dataclass(slots=True)
class _Known:
    addresses: list[Address]
    until: float
    is_nowhere: bool


class AddressBook:
    """Know the addresses of origins for a minute. `wake` is called, in another thread, when an answer has come."""

    def __init__(self, wake: Callable[[], None], resolve: Resolve = socket.getaddrinfo) -> None:
        self._wake = wake
        self._resolve = resolve
        self._threads: ThreadPoolExecutor | None = None
        self._asked: dict[Origin, Future[tuple[list[Address], bool]]] = {}
        self._known: dict[Origin, _Known] = {}

    def look(self, origin: Origin, now: float) -> list[Address] | None:
        """Return the addresses, [] when there are none that may be used; None while they are being looked up."""
        known = self._known.get(origin)
        if known is not None and now < known.until:
            return known.addresses
        asked = self._asked.get(origin)
        if asked is None:
            self._asked[origin] = asked = self._ask(origin)
        if not asked.done():
            return None
        del self._asked[origin]
        found, is_nowhere = asked.result()
        self._known[origin] = _Known(found, now + (_FRESH_SECONDS if found else _NOWHERE_SECONDS), is_nowhere)
        return found

    def is_nowhere(self, origin: Origin) -> bool:
        """Say whether the name was found to be nobody's, which is no fault of any service."""
        known = self._known.get(origin)
        return known is not None and known.is_nowhere

    def prefer(self, origin: Origin, address: Address) -> None:
        """Begin with this address next time: it answers."""
        known = self._known.get(origin)
        if known is not None and known.addresses[:1] != [address]:
            known.addresses.sort(key=lambda one: one != address)

    def forget(self, origin: Origin) -> None:
        """Ask anew next time: nobody answers there."""
        self._known.pop(origin, None)

    def tidy(self, now: float) -> None:
        """Forget what is known no longer: anybody may name another host below a push service's."""
        self._known = {origin: known for origin, known in self._known.items() if now < known.until}

    def close(self) -> None:
        """End the threads; a look-up under way is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
        self._asked.clear()

    def _ask(self, origin: Origin) -> Future[tuple[list[Address], bool]]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(2, thread_name_prefix="push-names")
        future = self._threads.submit(self._addresses, origin)
        future.add_done_callback(lambda _: self._wake())
        return future

    def _addresses(self, origin: Origin) -> tuple[list[Address], bool]:
        try:
            found = self._resolve(origin.host, origin.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            return [], error.errno in _NOBODYS
        except (OSError, UnicodeError):
            return [], False
        addresses = [(int(family), tuple(where)) for family, _, _, _, where in found]
        allowed = [one for one in addresses if origin.is_local or is_public(str(one[1][0]))]
        return allowed[:_MOST_ADDRESSES], not allowed
