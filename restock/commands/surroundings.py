"""Finds the servers a command run by hand works on.

In development that is the running instance of the data directory, or else its embedded servers, started for as long as
the command takes. In production the settings say everything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from restock.light_settings import load_light_settings
from restock.local.instance import Instance
from restock.logs import configure_logging
from restock.sentry import report_errors

if TYPE_CHECKING:
    from restock.config import Settings


@contextmanager
def surroundings() -> Iterator[Settings]:
    """Yield settings with the addresses of both servers; raises ConfigurationError and StartError.

    What was found or started is in this process's environment meanwhile, for the processes it makes.
    """
    settings = load_light_settings()
    configure_logging(settings)
    report_errors(settings)
    if settings.is_production:
        yield settings
        return
    instance = Instance(settings)
    with ExitStack() as stack:
        stack.callback(_restore, dict(os.environ))
        if not (settings.database_url and settings.redis_url):
            found = instance.published()
            if found is None:
                stack.enter_context(instance.claimed())
                found = stack.enter_context(instance.servers())
            os.environ.update(found)
        os.environ.update(Instance(load_light_settings()).keys())
        yield load_light_settings()


def _restore(before: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(before)
