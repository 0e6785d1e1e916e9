"""What is installed is what was looked at: each package by its version and by its bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PINNED = re.compile(r"[A-Za-z0-9._-]+(?:\[[a-z0-9,._-]+\])?==[A-Za-z0-9.!+_-]+(?: ; .+)?")


def requirements_of(lock: str) -> list[tuple[str, list[str]]]:
    """Read a lock: each requirement with its options."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    apart = [line.split(" --") for line in lines if line and not line.startswith("#")]
    return [(name.strip(), [option.strip() for option in options]) for name, *options in apart]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_by_its_bytes(lock: str) -> None:
    found = requirements_of(lock)
    assert len(found) > 30
    for name, options in found:
        assert PINNED.fullmatch(name), name
        assert options, name
        assert all(re.fullmatch(r"hash=sha256:[0-9a-f]{64}", option) for option in options), name


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_comes_from_anywhere_but_a_registry(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    for word in ("://", " @ ", "git+", "-e ", "--index-url", "--extra-index-url", "--find-links", "--trusted-host"):
        assert not [line for line in text.splitlines() if word in line and not line.lstrip().startswith("#")], word


def test_the_tests_own_packages_are_pinned_too() -> None:
    lock = json.loads((ROOT / "tests" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert [name for name, one in packages.items() if "integrity" not in one and not one.get("inBundle")] == []
