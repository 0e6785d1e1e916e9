"""Which routes may run on the event loop, and when: those that never wait, as long as what they need is in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Blueprint
from flask.sansio.app import App
from flask.sansio.blueprints import BlueprintSetupState

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MayRun = Callable[["WSGIEnvironment"], bool]
_ROUTES, _INLINE = "restock_inline", "restock.inline"


def run_inline(blueprint: Blueprint, path: str, may_run: MayRun) -> None:
    """Let POSTs to a blueprint's path run on the loop whenever `may_run` says that nothing of this one would wait.

    It is asked right before, in the same thread, and must not wait itself.
    """

    def tell(state: BlueprintSetupState) -> None:
        inline_routes(state.app)[path] = may_run

    blueprint.record(tell)


def inline_routes(app: App) -> dict[str, MayRun]:
    """Give the paths that may run on the loop."""
    routes: dict[str, MayRun] = app.extensions.setdefault(_ROUTES, {})
    return routes


def mark_inline(environ: WSGIEnvironment) -> None:
    """Say that this request runs on the loop."""
    environ[_INLINE] = True


def is_inline(environ: WSGIEnvironment) -> bool:
    """Say whether this request runs on the loop, and so must not wait."""
    return _INLINE in environ


def said_length(environ: WSGIEnvironment) -> int | None:
    """Read how long the body is said to be; None when it is not said, or not in digits."""
    text = environ.get("CONTENT_LENGTH") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
