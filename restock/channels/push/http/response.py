"""Read one HTTP/1.1 response as it comes in, strictly, and no more of it than we need (RFC 9112).

Pure: bytes in, an answer out. What is not a response is said to be none; nothing is guessed or repaired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LARGEST_HEAD = 16_384
LARGEST_BODY = 8_192
_MOST_INTERIM = 8  # responses 1xx before the one that counts
_LARGEST_CHUNK_LINE = 256

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\x00]*)?\r\n")
_FIELD_LINES = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\x00]*\r\n)*\r\n")
_KNOWN = re.compile(
    rb"(?:^|\n)(content-length|transfer-encoding|connection|retry-after):[ \t]*([^\r\n]*)", re.IGNORECASE
)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")


class GarbledError(Exception):
    """What came is no HTTP/1.1 response."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. `body` is cut off where it is large; `keeps`: the connection can take another request."""

    status: int
    retry_after: str | None = None
    body: bytes = field(default=b"", repr=False)
    keeps: bool = False


@dataclass(slots=True)
class _Head:
    status: int
    version: bytes
    size: int
    fields: dict[bytes, bytes]

    def answer(self, body: bytes | bytearray, *, keeps: bool) -> Answer:
        wait = self.fields.get(b"retry-after")
        return Answer(self.status, wait.decode("latin-1") if wait else None, bytes(body[:LARGEST_BODY]), keeps)

    @property
    def may_keep(self) -> bool:
        said = self.fields.get(b"connection", b"").lower()
        return self.version == b"1" and b"close" not in said


class ResponseReader:
    """Collect the bytes of one response."""

    __slots__ = ("_buffer", "_head", "_interim")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._interim = 0

    @property
    def has_begun(self) -> bool:
        """Something of the response has come."""
        return bool(self._buffer) or self._head is not None

    def feed(self, data: bytes) -> Answer | None:
        """Take what has come; return the answer once it is whole, raise GarbledError for what is none."""
        self._buffer += data
        while self._head is None:
            head = _read_head(self._buffer)
            if head is None:
                return None
            if head.status >= 200:
                self._head = head
            elif head.status == 101 or self._interim >= _MOST_INTERIM:
                raise GarbledError
            self._interim += 1
            del self._buffer[: head.size]
        return _finish(self._head, self._buffer)

    def ended(self) -> Answer | None:
        """Return what is known when nothing more comes: the status counts, whatever is missing of the body."""
        return None if self._head is None else self._head.answer(self._buffer, keeps=False)


def _read_head(buffer: bytearray) -> _Head | None:
    if (line := _STATUS_LINE.match(buffer)) is None:
        if b"\n" in buffer or len(buffer) > LARGEST_HEAD or not b"HTTP/1.".startswith(bytes(buffer[:7])):
            raise GarbledError
        return None
    if (lines := _FIELD_LINES.match(buffer, line.end())) is None:
        if b"\r\n\r\n" in buffer or len(buffer) > LARGEST_HEAD:
            raise GarbledError
        return None
    if lines.end() > LARGEST_HEAD:
        raise GarbledError
    return _Head(int(line[2]), line[1], lines.end(), _fields(buffer[line.end() : lines.end()]))


def _fields(lines: bytearray) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in _KNOWN.findall(lines):
        key, said = name.lower(), value.strip(b" \t")
        if key in fields and key != b"retry-after" and fields[key] != said:
            said = fields[key] + b", " + said
        fields[key] = said
    return fields


def _finish(head: _Head, buffer: bytearray) -> Answer | None:
    """Take the body off the buffer, by the rules of RFC 9112 section 6.3; None while it is not whole."""
    length = head.fields.get(b"content-length")
    coding = head.fields.get(b"transfer-encoding")
    if head.status in (204, 304):
        return head.answer(b"", keeps=head.may_keep and not buffer)
    if coding is not None:
        return _finish_chunks(head, buffer) if coding.lower() == b"chunked" else head.answer(b"", keeps=False)
    if length is None:  # up to the end of the connection, which we do not wait for
        return head.answer(buffer, keeps=False)
    if not length.isdigit():
        return head.answer(b"", keeps=False)
    size = int(length[:9])
    if size > LARGEST_BODY or len(length) > 9:
        return head.answer(buffer, keeps=False)
    return head.answer(buffer[:size], keeps=head.may_keep and len(buffer) == size) if len(buffer) >= size else None


def _finish_chunks(head: _Head, buffer: bytearray) -> Answer | None:
    body, at = bytearray(), 0
    while (line := _CHUNK_LINE.match(buffer, at)) is not None:
        size, start = int(line[1], 16), line.end()
        if len(body) + size > LARGEST_BODY:
            return head.answer(body, keeps=False)
        if size == 0:
            return _after_chunks(head, buffer, start, body)
        if len(buffer) < start + size + 2:
            return None
        if buffer[start + size : start + size + 2] != b"\r\n":
            return head.answer(body, keeps=False)
        body += buffer[start : start + size]
        at = start + size + 2
    is_line = b"\n" in buffer[at:] or len(buffer) - at > _LARGEST_CHUNK_LINE
    return head.answer(body, keeps=False) if is_line else None


def _after_chunks(head: _Head, buffer: bytearray, at: int, body: bytearray) -> Answer | None:
    """End at the empty line behind the last chunk; fields may stand before it, and say nothing to us."""
    trailer = _FIELD_LINES.match(buffer, at)
    if trailer is not None:
        return head.answer(body, keeps=head.may_keep and trailer.end() == len(buffer))
    is_wrong = b"\r\n\r\n" in buffer[at:] or len(buffer) - at > LARGEST_HEAD
    return head.answer(body, keeps=False) if is_wrong else None
