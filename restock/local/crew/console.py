"""What a person sees while everything runs: one line per line of a part, its name in front, and a short welcome."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO

_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)  # cyan, green, yellow, magenta, blue, and their bright sisters
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Console:
    """Print to a stream that may be a terminal, a file, or gone.

    A stream that is gone is not an error: what runs must be able to end in good order.
    """

    def __init__(self, stream: TextIO | None = None, *, colour: bool | None = None, bare: bool = False) -> None:
        """`bare` leaves the parts' lines as they are, for logs that a machine reads."""
        chosen = stream or sys.stdout
        self._stream: TextIO | None = chosen
        self._bare = bare
        on_terminal = chosen.isatty() and "NO_COLOR" not in os.environ
        self._colour = on_terminal if colour is None else colour
        self._names: dict[str, str] = {}
        self._width = 0

    def introduce(self, names: Sequence[str]) -> None:
        """Give every part its colour, and all names one width."""
        self._width = max(self._width, *(len(name) for name in names))
        for name in names:
            self._names.setdefault(name, str(_COLOURS[len(self._names) % len(_COLOURS)]))

    def line(self, name: str, text: str) -> None:
        """Print one line of a part."""
        if self._bare:
            self._print(text)
            return
        label = self._paint(f"{name:<{self._width}} │", self._names.get(name, "0"))
        self._print(f"{label} {text if self._colour else _ESCAPE.sub('', text)}")

    def say(self, text: str = "") -> None:
        """Print a line of our own."""
        self._print(text)

    def bold(self, text: str) -> str:
        return self._paint(text, "1")

    def dim(self, text: str) -> str:
        return self._paint(text, "2")

    def welcome(self, title: str, rows: Sequence[tuple[str, str]], farewell: str) -> None:
        """Print the addresses to open, aligned, with air around them."""
        width = max(len(name) for name, _ in rows)
        lines = [f"    {self.dim(f'{name:<{width}}')}   {value}" for name, value in rows]
        self._print("\n".join(["", f"  {self.bold(title)}", "", *lines, "", f"  {self.dim(farewell)}", ""]))

    def _paint(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text

    def _print(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            print(text, file=self._stream, flush=True)
        except (OSError, ValueError):  # the reader or the terminal is gone
            self._stream = None
