"""`restock demo`: the story goes as told, its promises are checked, and nothing of it stays."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from restock.playground.demo.instance import Instance, InstanceError
from restock.playground.demo.paper import Paper
from restock.playground.demo.story import StoryError, tell
from restock.playground.demo.visitor import Person
from restock.playground.shopify.sender import WebhookAnswer

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = [
    Person(name, "email", quantity, {"email": f"{name.lower()}@example.com"})
    for name, quantity in (("Ada", 2), ("Bo", 3), ("Cleo", 1), ("Dov", 1), ("Elif", 1))
]


class FakeVisitor:
    """A program that tells, at each restock, the people it was scripted to tell."""

    def __init__(self, *told: Sequence[str]) -> None:
        self._script = list(told)
        self._messages: list[dict[str, Any]] = []

    def open_store(self) -> None: ...

    def people(self) -> list[Person]:
        return PEOPLE

    def join(self, person: Person, variant_id: int) -> float:
        return 1.0

    def restock(self, variant_id: int, available: int) -> WebhookAnswer:
        for name in self._script.pop(0):
            now = datetime.now(UTC).isoformat()
            to = f"{name.lower()}@example.com"
            self._messages.append({"id": len(self._messages) + 1, "to": to, "received_at": now})
        return WebhookAnswer("inventory_levels/update", "id", 200, 1.0)

    def admin_calls(self) -> int | None:
        return None

    def received(self, after: int) -> list[dict[str, Any]]:
        return self._messages[after:]

    def waiting(self, variant_id: int) -> list[Mapping[str, Any]]:
        told = {message["to"] for message in self._messages}
        return [{"reason": "Waits."} for person in PEOPLE if person.address not in told]


def story(*told: Sequence[str]) -> str:
    stream = io.StringIO()
    tell(FakeVisitor(*told), Paper(stream))  # type: ignore[arg-type]
    return stream.getvalue()


def test_a_story_that_goes_well_names_everybody_and_why_some_wait() -> None:
    text = story(["Ada", "Cleo"], ["Bo", "Dov", "Elif"])
    assert text.count("Bo") == 3  # asks, waits, is told
    assert "Waits." in text
    assert "promised to somebody else" in text
    assert text.count("believed on the webhooks' word") == 2


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        (["Ada", "Cleo", "Bo"], "Bo heard of units that were already promised"),
        (["Ada", "Ada", "Cleo"], "told twice"),
        (["Ada", "Cleo", "Zoe"], "had not asked"),
    ],
)
def test_a_broken_promise_fails_the_demo(told: list[str], complaint: str) -> None:
    with pytest.raises(StoryError, match=complaint):
        story(told)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_colour", "is_coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, no_colour: str, is_coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    Paper(stream).heading(1, "Begin")
    assert ("\x1b[" in stream.getvalue()) is is_coloured


def test_tables_align_whatever_their_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    paper = Paper(stream)
    paper.table(("who", "after"), [("Ada", paper.paint("good", "1 s")), ("Cleopatra", "2 s")])
    plain = stream.getvalue().replace("\x1b[0m", "").replace("\x1b[32m", "").replace("\x1b[2m", "")
    starts = {line.index(word) for line, word in zip(plain.split("\n")[1:4], ("after", "1 s", "2 s"), strict=True)}
    assert starts == {14}


def start_demo(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "restock.cli", "demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.whole_app
def test_the_demo_tells_the_story_and_leaves_nothing(tmp_path: Path) -> None:
    with start_demo(tmp_path) as demo:
        text, complaint = demo.communicate(timeout=120)
    assert (demo.returncode, complaint) == (0, "")
    assert "\x1b[" not in text
    assert all(word in text for word in ("e-mail", "SMS", "push", "not told", "3 units arrive", "5 units arrive"))
    assert text.count("read from Shopify's Admin API") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.whole_app
def test_a_demo_that_is_interrupted_leaves_nothing_either(tmp_path: Path) -> None:
    with start_demo(tmp_path) as demo:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob("restock-demo-*/data")) and time.monotonic() < deadline:
            time.sleep(0.05)
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_an_instance_that_ends_at_once_shows_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # no Python starts like that
    with Instance() as instance, pytest.raises(InstanceError, match="ended while it started"):
        instance.wait_until_ready()
