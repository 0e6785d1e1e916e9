"""What goes wrong between the app and the Admin API, on demand: for the next requests, or until it is called off."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from restock.playground.fake_http import Answer, Trouble

PAGE = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_NO_ACCESS = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}

ANSWERS: dict[str, Answer] = {
    "outage": Answer(502, PAGE, _HTML),
    "too_many": Answer(429, {"errors": "Exceeded 2 calls per second for api client."}, {"Retry-After": "2.0"}),
    "truncated": Answer(200, b'{"data": {"nodes": [{"id": "gid://shop', missing_count=200),
    "not_json": Answer(200, b"<html>maintenance</html>", _HTML),
    "wrong_shape": Answer(200, {"data": {"nodes": "none", "shop": []}}),
    "empty": Answer(200, {}),
    "unauthorized": Answer(401, _NO_ACCESS),
    "payment_required": Answer(402, {"errors": "This shop's plan does not have access to this feature"}),
    "forbidden": Answer(403, {"errors": "User does not have access"}),
    "not_found": Answer(404, {"errors": "Not Found"}),
    "locked": Answer(423, {"errors": "Locked"}),
    "internal_error": Answer(
        200, {"errors": [{"message": "Internal error.", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}
    ),
    "throttled": Answer(200, {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}),
}
BREAKS = ("hang", "reset", "slow")  # `slow` answers after so many seconds, `hang` never does
NAMES = (*ANSWERS, *BREAKS)
WHERE = ("graphql", "token")


@dataclass(frozen=True, slots=True)
class _Next:
    name: str
    seconds: float
    where: str | None


@dataclass
class Troubles:
    """Whatever the next requests meet. `standing` is met by every request, until it is None again."""

    standing: str | None = None
    _next: deque[_Next] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, times: int = 1, seconds: float = 0.0, where: str | None = None) -> None:
        """Let the next requests (to graphql or token; None: either) meet one of NAMES; raises ValueError."""
        if name not in NAMES or where not in (None, *WHERE):
            raise ValueError(f"name must be one of {', '.join(NAMES)}, and where one of {', '.join(WHERE)}")
        with self._lock:
            self._next.extend([_Next(name, seconds, where)] * times)

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._next.clear()
            self.standing = None

    def meet(self, where: str) -> Answer | Trouble | None:
        """Take what this request meets; None: nothing."""
        with self._lock:
            found = next((one for one in self._next if one.where in (None, where)), None)
            if found is not None:
                self._next.remove(found)
        if found is None:
            return ANSWERS[self.standing] if self.standing else None
        if found.name in ANSWERS:
            return ANSWERS[found.name]
        return Trouble(hang=found.name == "hang", reset=found.name == "reset", delay_seconds=found.seconds)
