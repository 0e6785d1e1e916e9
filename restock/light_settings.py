"""The settings as plain values: what reads and checks them (`restock.config`, pydantic) lives and ends in a child.

For processes of which there are several: each takes 9 MB less. Nothing is checked here; where the child has no answer
the settings are read in this process, so that every fault is told as `load_settings` tells it.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, cast

if TYPE_CHECKING:
    from restock.config import Settings


class Environment(StrEnum):
    """Which promises the instance makes."""

    development = "development"  # local peers, generated keys, the playground
    production = "production"  # real servers only; refuses to start without them


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that is never printed."""

    _text: str = field(repr=False)

    def get_secret_value(self) -> str:
        return self._text


class LightSettings:
    """Says what the `Settings` say that it was made of."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        vars(self).update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"settings are never changed: {name}")


def load_light_settings() -> Settings:
    """Read the settings by a child; raise ConfigurationError naming every fault.

    A process that has pydantic loaded already reads them itself; so does one with threads, whose fork could get stuck.
    """
    is_alone = "pydantic" not in sys.modules and threading.active_count() == 1
    values = _read_by_child() if is_alone else None
    if values:
        return cast("Settings", LightSettings(values))
    from restock.config import load_settings

    return load_settings()


def values_of(settings: Settings) -> dict[str, Any]:
    """Name everything that can be asked of settings, secrets without their library."""
    kind = type(settings)
    computed = [name for name, member in vars(kind).items() if isinstance(member, property)]
    return {name: _plain(getattr(settings, name)) for name in (*kind.model_fields, *computed)}


def _read_by_child() -> dict[str, Any] | None:
    """Return what the child found; None when it found a fault, or could not say."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        try:
            child = os.fork()
        except OSError:  # as many processes as there may be
            os.close(writing)
            return None
        if child == 0:
            _answer(writing)
        os.close(writing)
        answer = pipe.read()
    with suppress(ChildProcessError):  # whoever started us has SIGCHLD ignored: the kernel has waited already
        os.waitpid(child, 0)
    with suppress(EOFError, pickle.UnpicklingError):  # nothing was said, or the child was ended in the middle of it
        return cast("dict[str, Any]", pickle.loads(answer))  # noqa: S301 (our own child's words)
    return None


def _answer(writing: int) -> NoReturn:
    """Write what the settings are, whole or not at all, and end at once: nothing of the parent's is closed here."""
    try:
        from restock.config import load_settings

        answer = pickle.dumps(values_of(load_settings()))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_plain(one) for one in value)
    return Secret(value.get_secret_value()) if hasattr(value, "get_secret_value") else value
