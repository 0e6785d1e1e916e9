"""The HTTP to a provider: kept connections, a limit for every wait and every answer, no redirects, no outside proxy.

It tells apart what the caller must know after a failure: surely not sent, or perhaps sent. Never logs a request: it
holds addresses and a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LARGEST_ANSWER = 1024 * 1024  # five hundred messages' worth of verdicts stay below a tenth of it


class NotSentError(Exception):
    """No connection: nothing was sent."""


class NoAnswerError(Exception):
    """Sent, and no whole answer came: the provider may have taken it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One POST. `body` is JSON text or a form, as `headers` say."""

    path: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a provider answered. `said` is the JSON of it; None for anything else."""

    status: int
    said: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Caller:
    """Talk to one provider's address; safe across threads."""

    def __init__(self, base: str, *, connections: int, connect_seconds: float, read_seconds: float) -> None:
        import urllib3  # where a shop has a provider of its own, and nowhere else

        self._base = base.rstrip("/")
        timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        self._pool = urllib3.PoolManager(maxsize=connections, block=False, timeout=timeout, retries=False)

    def post(self, call: Call) -> Reply:
        """Make one call; raise NotSentError or NoAnswerError when it got no answer. A redirect is an answer."""
        from urllib3 import exceptions as urllib3

        try:
            answer = self._pool.request(
                "POST",
                self._base + call.path,
                body=call.body,
                headers=dict(call.headers),
                redirect=False,
                preload_content=False,
            )
        except (
            urllib3.NewConnectionError,
            urllib3.ConnectTimeoutError,
            urllib3.NameResolutionError,
            urllib3.SSLError,
            urllib3.LocationValueError,
        ):
            raise NotSentError from None
        except (urllib3.HTTPError, OSError):
            raise NoAnswerError from None
        try:
            read = answer.read(_LARGEST_ANSWER + 1, decode_content=False)  # packed answers were not asked for
        except (urllib3.HTTPError, OSError):
            answer.close()
            raise NoAnswerError from None
        if len(read) > _LARGEST_ANSWER:
            answer.close()  # what is left of it would be taken for the next answer
        else:
            answer.release_conn()
        return Reply(answer.status, _json(read), answer.headers)

    def close(self) -> None:
        """Close the connections; they open again at the next call."""
        self._pool.clear()


def _json(read: bytes) -> Any:
    if len(read) > _LARGEST_ANSWER:
        return None
    try:
        return json.loads(read)
    except (ValueError, RecursionError):
        return None


def in_json(value: object) -> bytes:
    """Write a body as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
