"""Noticing that this process was asked to end, wherever it is at that moment.

It reads what the interpreter itself notes of every signal, so it works beside the handlers that RQ installs: a drain
ends after its batch instead of being killed in it.
"""

from __future__ import annotations

import select
import signal
import socket
import time
from collections.abc import Sequence
from types import FrameType

ASKED_TO_END = frozenset({signal.SIGTERM, signal.SIGINT})


class StopFlag:
    """Whether SIGTERM or SIGINT has come. Make it once, in the main thread, and `close` it."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._handlers_before = {number: signal.getsignal(number) for number in ASKED_TO_END}
        self._set = False
        self.listen()

    def listen(self) -> None:
        """Have the signals noted instead of ending the process; again after someone else has handled them."""
        for number in ASKED_TO_END:
            signal.signal(number, _note)

    def set(self) -> None:
        """Ask this process to end, as a signal would."""
        self._set = True

    def requested(self) -> bool:
        """Say whether this process was asked to end. Other signals are let go; that one stays for all who look."""
        while not self._set:
            try:
                noted = self._reader.recv(4096, socket.MSG_PEEK)
            except BlockingIOError:
                return False
            if not noted or not ASKED_TO_END.isdisjoint(noted):
                self._set = True
            else:
                self._reader.recv(len(noted))
        return True

    def wait(self, seconds: float, also: Sequence[int] = ()) -> bool:
        """Wait until this process is asked to end, one of the file descriptors is readable, or the time is up.

        True when one of `also` is readable.
        """
        until = time.monotonic() + seconds
        while not self.requested():
            readable, _, _ = select.select([self._reader.fileno(), *also], [], [], max(0.0, until - time.monotonic()))
            if any(fd in readable for fd in also):
                return True
            if not readable:
                return False
        return False

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        signal.set_wakeup_fd(self._fd_before)
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()


def _note(_number: int, _frame: FrameType | None) -> None:
    """Nothing more: the interpreter has written the signal's number down."""


class NeverStop(StopFlag):
    """For work outside a process of its own: nobody asks it to end but by `set`."""

    def __init__(self) -> None:
        self._set = False

    def requested(self) -> bool:
        return self._set

    def wait(self, seconds: float, also: Sequence[int] = ()) -> bool:
        readable, _, _ = select.select(list(also), [], [], seconds)
        return bool(readable)

    def close(self) -> None:
        """Nothing was taken."""
