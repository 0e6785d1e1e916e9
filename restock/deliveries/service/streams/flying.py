"""A record on its way: written by the database while the channel goes on, and the slow way where that fails."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import structlog

from restock.batches.pipeline import Flight
from restock.failpoints import failpoint

log = structlog.get_logger(__name__)


class Flying:
    """What is known of it, in the words of a Future. `again`: writes it, waiting; what that raises is raised."""

    def __init__(self, flight: Flight, again: Callable[[], None]) -> None:
        self._flight, self._again = flight, again
        self._is_over = False
        self._error: Exception | None = None

    def done(self) -> bool:
        """Look, without waiting, whether it is over."""
        return self._is_over or self._flight.done()

    def result(self) -> None:
        """Wait for it; raise what writing it has raised."""
        if (error := self.exception()) is not None:
            raise error

    def exception(self) -> Exception | None:
        """Wait for it; return what writing it has raised."""
        if not self._is_over:
            self._is_over = True
            try:
                self._land()
            except Exception as error:  # noqa: BLE001 (as a Future has it: whoever asks is told)
                self._error = error
        return self._error

    def _land(self) -> None:
        try:
            self._flight.rows()
        except psycopg.Error as error:
            log.info("record_again", error=type(error).__name__)
            self._again()
        else:
            failpoint("record.after_commit")
