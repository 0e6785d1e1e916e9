"""A real browser in front of the whole program."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from restock.playground.demo.instance import Instance

PATIENCE_MS = 60_000.0  # a busy machine is not a failing test
expect.set_options(timeout=PATIENCE_MS)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Use the machine's own Chromium: nothing is downloaded."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium on the PATH")
    return {"executable_path": CHROMIUM, "args": list(FLAGS), "timeout": PATIENCE_MS}


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    """The plugin's, with our patience."""
    context.set_default_timeout(PATIENCE_MS)
    return context


@pytest.fixture(scope="session")
def base_url() -> None:
    """None: every test names its whole address (and the plugin's own fixture warns on this pytest)."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """The whole program on a free port, with a data directory of its own."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium on the PATH")
    with Instance() as running:
        running.wait_until_ready()
        yield running
