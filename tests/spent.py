"""How much CPU something takes, for tests of what nobody may make slow: a busy machine does not matter.

Only for limits many times what is needed. How fast something is, benchmarks say.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(cpu_seconds: float) -> Iterator[None]:
    """Fail when this thread needs more CPU for what happens inside; others' threads and garbage do not count."""
    was_collecting = gc.isenabled()
    gc.disable()
    began = time.thread_time()
    try:
        yield
        spent = time.thread_time() - began
    finally:
        if was_collecting:
            gc.enable()
    assert spent < cpu_seconds
