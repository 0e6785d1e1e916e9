"""Where the rows are read and written while a channel streams: at once, in the same thread, unless told otherwise.

A thread of its own beside the channel was slower: the two wait for the interpreter more than for the database. What is
under way on the connections goes on meanwhile by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
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
