"""Random identifiers that nobody can guess.

A customer's handle is a capability (http.md): it carries 122 random bits and is never derived from anything.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import uuid
from collections import deque
from collections.abc import Iterator

_AT_ONCE = 256
_VERSION_4 = 0x40
_VARIANT_RFC = 0x80


def new_handle() -> uuid.UUID:
    """Make a customer handle: a version 4 UUID (RFC 9562), 122 random bits."""
    return uuid.UUID(new_handle_hex())


def new_handle_hex() -> str:
    """Make a customer handle as its 32 hexadecimal digits."""
    return _handles.take()


def new_token() -> uuid.UUID:
    """Make the token that fences one claim of a batch."""
    return new_handle()


class _Handles:
    """Handles, made many at once: asking the system for randomness costs 20 µs and gives up the interpreter.

    None is ever given out twice, in no thread and in no child process.
    """

    def __init__(self) -> None:
        self._ready: deque[str] = deque()
        os.register_at_fork(after_in_child=self._ready.clear)

    def take(self) -> str:
        """Give the 32 hexadecimal digits of one that nobody else gets."""
        while True:
            try:
                return self._ready.pop()
            except IndexError:
                self._ready.extend(_made(os.urandom(16 * _AT_ONCE)))


def _made(randomness: bytes) -> Iterator[str]:
    for at in range(0, len(randomness), 16):
        raw = bytearray(randomness[at : at + 16])
        raw[6] = (raw[6] & 0x0F) | _VERSION_4
        raw[8] = (raw[8] & 0x3F) | _VARIANT_RFC
        yield raw.hex()


_handles = _Handles()


def new_request_id() -> str:
    """Make the id that ties an answer to its log lines: 20 hexadecimal characters, unique and not secret.

    A random beginning for each process and a counter: asking the system for randomness at every request gives up the
    interpreter each time.
    """
    return f"{_requests.prefix}{next(_requests.count):010x}"


class _Requests:
    """What the request ids of one process are made of; a child begins anew before any thread of it asks."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self.prefix, self.count = secrets.token_hex(5), itertools.count(1)


_requests = _Requests()


def address_hash(channel: str, address: str) -> bytes:
    """Hash a normalised address: 32 bytes, the key under which a contact and a suppression are found.

    The channel is part of the input, so one string on two channels never meets.
    """
    return hashlib.sha256(f"{channel}:{address}".encode()).digest()
