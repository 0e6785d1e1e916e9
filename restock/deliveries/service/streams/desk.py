"""Where the rows are read and written meanwhile: a thread of its own beside a channel that streams, else right here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Desk(Protocol):
    """Does one thing after the other, in the order they were given."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]: ...


class Here:
    """Does it at once, in the caller's thread; what it raises is raised to the caller."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(work(*args, **kwargs))
        return done


class _Beside:
    """Does it in one thread, whose log lines say what the caller's say."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread, self._context = thread, copy_context()

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._thread.submit(lambda: self._context.run(work, *args, **kwargs))


@contextmanager
def open_beside() -> Iterator[Desk]:
    """Open a desk in a thread of its own, which begins with the first thing to do; all is done when this ends."""
    with ThreadPoolExecutor(1, "desk") as thread:
        yield _Beside(thread)
