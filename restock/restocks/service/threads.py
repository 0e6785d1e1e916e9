"""A few threads in which shops are asked side by side, so that one that does not answer holds up no other.

A shop has one thread at a time. What a thread was asked to do must be safe to lose: the rows know what is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from psycopg.errors import ForeignKeyViolation
from sqlalchemy.exc import IntegrityError

log = structlog.get_logger(__name__)

SHOPS_AT_ONCE = 8


class ShopThreads:
    """Up to `size` shops at once; more wait their turn. Threads start at first use, and end with the process."""

    def __init__(self, size: int = SHOPS_AT_ONCE) -> None:
        self._size = size
        self._pool: ThreadPoolExecutor | None = None
        self._running: set[int] = set()
        self._ended = self._noticed = 0
        self._changed = threading.Condition()

    def busy(self) -> list[int]:
        """List the shops that have work under way or waiting here."""
        with self._changed:
            return sorted(self._running)

    def free(self) -> int:
        """Count the threads with nothing to do."""
        with self._changed:
            return max(0, self._size - len(self._running))

    def start(self, shop_id: int, work: Callable[[], None]) -> bool:
        """Do a shop's work in a thread; False when it has one already."""
        with self._changed:
            if shop_id in self._running:
                return False
            self._pool = self._pool or ThreadPoolExecutor(self._size, thread_name_prefix="shop")
            self._running.add(shop_id)
            self._pool.submit(self._run, shop_id, work)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until some work has ended since this was last asked; False when none runs or the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended != self._noticed or not self._running, max(0.0, seconds))
            ended, self._noticed = self._ended != self._noticed, self._ended
            return ended

    def close(self, seconds: float) -> None:
        """Wait up to so many seconds for all work to end, and let the threads go; they start again when needed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _run(self, shop_id: int, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # the door of a shop's work: the others go on, and this one is found in its rows
            if is_of_nobody(error):
                log.info("shop_gone", shop_id=shop_id)
            else:
                log.exception("shop_work_failed", shop_id=shop_id)
        finally:
            with self._changed:
                self._running.discard(shop_id)
                self._ended += 1
                self._changed.notify_all()


def is_of_nobody(error: Exception) -> bool:
    """Say whether something was written of a shop that was erased meanwhile: nothing is left of it, and all is well."""
    return isinstance(error.orig if isinstance(error, IntegrityError) else error, ForeignKeyViolation)
