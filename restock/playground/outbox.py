"""The messages that the local stand-ins received: one JSON line each in one bounded file.

One process writes, others read along. Development only: real providers' messages are never kept.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE_NAME = "outbox.jsonl"
KEPT_COUNT = 2_000
SLACK_COUNT = 500  # so that the file is rewritten once in a while, not for each message
READ_COUNT = 200
LONGEST_FILE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One received message. `id` rises by one and is never used again while the file lives.

    `content` by channel: e-mail `from, subject, text, html, headers`; SMS `from, body`; push `payload`.
    """

    id: int
    channel: str
    to: str
    received_at: str  # ISO 8601, UTC
    content: Mapping[str, Any] = field(default_factory=dict)


class OutboxWriter:
    """Append messages to `folder`, keeping the newest KEPT_COUNT. For one process; safe across its threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        lines = _whole_lines(self._path)
        self._count = len(lines)
        self._last_id = int(json.loads(lines[-1])["id"]) if lines else 0
        self._rewrite(lines)  # drops a line that a crash left half-written

    def append(self, channel: str, to: str, content: Mapping[str, Any]) -> OutboxMessage:
        """Keep one message and return it with its id."""
        with self._lock:
            message = OutboxMessage(self._last_id + 1, channel, to, datetime.now(UTC).isoformat(), content)
            line = json.dumps(asdict(message), ensure_ascii=False).encode() + b"\n"
            with self._path.open("ab") as file:
                file.write(line)
                size = file.tell()
            self._last_id, self._count = message.id, self._count + 1
            if self._count > KEPT_COUNT + SLACK_COUNT or size > LONGEST_FILE:
                self._rewrite(_whole_lines(self._path))
            return message

    def _rewrite(self, lines: list[bytes]) -> None:
        """Put the newest lines into a new file, so that a reader sees the old one whole or the new one whole."""
        kept = lines[-KEPT_COUNT:]
        while len(kept) > 1 and sum(map(len, kept)) > LONGEST_FILE // 2:
            kept = kept[len(kept) // 2 :]
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(line + b"\n" for line in kept)
        fresh.replace(self._path)
        self._count = len(kept)


class OutboxReader:
    """Read along with a writer in another process. Safe across threads; holds the newest READ_COUNT in memory."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._file_id = 0
        self._offset = 0
        self._newest: deque[OutboxMessage] = deque(maxlen=READ_COUNT)

    def after(self, last_id: int, limit: int = 50) -> list[OutboxMessage]:
        """Return the newest `limit` messages with a higher id, oldest first."""
        with self._lock:
            self._catch_up()
            return [message for message in self._newest if message.id > last_id][-limit:]

    def find(self, message_id: int) -> OutboxMessage | None:
        """Return one of the newest messages; None when it is not among them."""
        return next((message for message in self.after(message_id - 1, READ_COUNT) if message.id == message_id), None)

    def _catch_up(self) -> None:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            self._file_id, self._offset = 0, 0
            self._newest.clear()
            return
        with file:
            state = os.fstat(file.fileno())
            if state.st_ino != self._file_id or state.st_size < self._offset:
                self._file_id, self._offset = state.st_ino, 0
                self._newest.clear()
            file.seek(self._offset)
            tail = file.read()
        whole = tail[: tail.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._newest.extend(OutboxMessage(**json.loads(line)) for line in whole.splitlines()[-READ_COUNT:])


def _whole_lines(path: Path) -> list[bytes]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return data[: data.rfind(b"\n") + 1].splitlines()
