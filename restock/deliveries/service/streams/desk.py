"""Where the rows are read and written while a channel streams: at once, in the same thread, or in another beside it.

What is recorded is too little at a time for another thread: the two would wait for the interpreter more than for the
database. A claim is not: the database works on it for long. What is under way on the connections goes on by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Desk(Protocol):
    """Does one thing after the other, in the order they were given, at once or later."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]: ...


class Here:
    """Does it at once, in the caller's thread; what it raises is raised to whoever asks what came of it.

    Not to the caller, who is in the midst of what is under way: nothing of that is in doubt for it.
    """

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (as a Future has it: whoever asks is told)
            done.set_exception(error)
        return done


class _Beside:
    """Does it in a thread of its own, which says in the log whose work it does."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._thread.submit(copy_context().run, lambda: work(*args, **kwargs))


@contextmanager
def open_beside() -> Iterator[Desk]:
    """Open a desk in a thread of its own, which begins with the first thing to do; all is done when this ends."""
    with ThreadPoolExecutor(1, "desk") as thread:
        yield _Beside(thread)
