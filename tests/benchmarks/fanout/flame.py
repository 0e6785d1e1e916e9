"""Where the time went, as a picture: stacks as an icicle, the outermost call on top. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

_WIDTH, _ROW, _LETTER = 1200.0, 18, 6.6
_NARROWEST = 1.5  # pixels
_DEEPEST = 60
_COLOURS = {
    "claiming": "#8fb4d9",
    "claims": "#8fb4d9",
    "envelopes": "#a8cf9a",
    "message": "#a8cf9a",
    "skeleton": "#a8cf9a",
    "recording": "#e5b37a",
    "outcomes": "#e5b37a",
    "smtp_pool": "#d79a9a",
    "smtp_talk": "#d79a9a",
}


@dataclass
class _Frame:
    seconds: float = 0.0
    inner: dict[str, _Frame] = field(default_factory=dict)


def icicle(stacks: Mapping[str, float], title: str) -> str:
    """Draw stacks (`outer;inner` -> seconds) as SVG; what is narrower than a hair is left out."""
    root = _Frame(sum(stacks.values()) or 1.0)
    for stack, seconds in stacks.items():
        frame = root
        for name in stack.split(";")[:_DEEPEST]:
            frame = frame.inner.setdefault(name, _Frame())
            frame.seconds += seconds
    boxes: list[str] = []
    depth = _draw(root, 0.0, 0, root.seconds, boxes)
    height = (depth + 2) * _ROW
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height}" font-family="monospace"'
        f' font-size="11"><rect width="100%" height="100%" fill="#fff"/><text x="4" y="13">{escape(title)}</text>'
    )
    return "\n".join([head, *boxes, "</svg>\n"])


def _draw(frame: _Frame, left: float, depth: int, total: float, boxes: list[str]) -> int:
    deepest = depth
    for name, inner in sorted(frame.inner.items(), key=lambda one: -one[1].seconds):
        width = inner.seconds / total * _WIDTH
        if width >= _NARROWEST:
            boxes.append(_box(name, left, depth + 1, width, inner.seconds / total))
            deepest = max(deepest, _draw(inner, left, depth + 1, total, boxes))
        left += width
    return deepest


def _box(name: str, left: float, depth: int, width: float, share: float) -> str:
    letters = int(width / _LETTER)
    label = escape(name[:letters]) if letters > 2 else ""
    colour = _COLOURS.get(name.partition(".")[0], "#d9d4c7")
    return (
        f'<g><title>{escape(name)} {share:.1%}</title><rect x="{left:.1f}" y="{depth * _ROW}" width="{width:.1f}"'
        f' height="{_ROW - 1}" fill="{colour}"/><text x="{left + 3:.1f}" y="{depth * _ROW + 12}">{label}</text></g>'
    )
