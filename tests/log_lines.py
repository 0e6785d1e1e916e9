"""What the program says in its log, whatever an earlier test made of the logs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from structlog.testing import capture_logs


@contextmanager
def log_lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """Collect the lines. A logger that was used once keeps to the logs of that time: each is made to look again."""
    for name, module in list(sys.modules.items()):
        if name.startswith("restock.") and hasattr(module, "log"):
            vars(module.log).pop("bind", None)
    with capture_logs() as lines:
        yield lines
