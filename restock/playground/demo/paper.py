"""What the terminal shows: headings, sentences, aligned tables. Colour only on a terminal, never with NO_COLOR."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "good": "32"}
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Paper:
    """Write to one stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._in_colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def paint(self, style: str, text: str) -> str:
        """Give a text one of the styles bold, dim, good; plain where there is no colour."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self._in_colour else text

    def say(self, text: str = "") -> None:
        """Write one line at once."""
        print(text, file=self._stream, flush=True)

    def heading(self, number: int, text: str) -> None:
        """Begin a step of the story."""
        self.say(f"\n{self.paint('good', str(number))}  {self.paint('bold', text)}")

    def note(self, text: str) -> None:
        """Write a sentence below a heading."""
        self.say(f"   {text}")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows in aligned columns; nothing when there are none."""
        if not rows:
            return
        lines = [tuple(self.paint("dim", word) for word in head), *rows]
        widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
        self.say()
        for line in lines:
            cells = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
            self.say(f"   {'  '.join(cells)}".rstrip())


def _width(text: str) -> int:
    return len(_ESCAPES.sub("", text))
