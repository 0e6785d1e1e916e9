"""Work that goes on beside whoever starts it: in a thread of its own, one at a time in this process.

It must never know what the work is, nor keep anything of it: what is cut off has to be due again by its rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Beside:
    """One place for one kind of work, named after it; the thread ends with the process."""

    name: str
    _under_way: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def start(self, work: Callable[[], object]) -> None:
        """Begin the work, unless some is under way here; returns at once. What it raises is logged and ends it.

        Raises RuntimeError where no thread can be had; the next start tries again.
        """
        if not self._under_way.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._run_and_release, args=(work,), name=self.name, daemon=True).start()
        except RuntimeError:
            self._under_way.release()
            raise

    def wait(self, seconds: float) -> bool:
        """Wait until what was started has ended; False when it has not within so many seconds."""
        if has_ended := self._under_way.acquire(timeout=seconds):
            self._under_way.release()
        return has_ended

    def _run_and_release(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:  # the outer door of the thread: what is due stays due
            log.exception("work_failed", work=self.name)
        finally:
            self._under_way.release()
