"""The picture of a run: two bars a policy, readable on a phone and in the dark. Pure; writes SVG and no other thing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tests.benchmarks.policies.measures import per_hundred_units
from tests.benchmarks.policies.results import Results

_WIDTH, _MARGIN, _ROW, _BAR = 400, 16, 58, 11
_HEAD, _FOOT = 112, 74
_ROOM = _WIDTH - 2 * _MARGIN - 48  # for a bar, beside its figure
_STYLE = """
  svg { color-scheme: light dark }
  .page { fill: #ffffff } .ours { fill: #eef6f1 } .ink { fill: #1f2328 } .soft { fill: #59636e }
  .told { fill: #c2410c } .left { fill: #2563a8 } .rule { stroke: #d1d9e0 }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
  .title { font-size: 17px; font-weight: 600 } .small { font-size: 11.5px } .name { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .ours { fill: #12261e } .ink { fill: #f0f6fc } .soft { fill: #9198a1 }
    .told { fill: #f0883e } .left { fill: #58a6ff } .rule { stroke: #3d444d }
  }
"""
_BARS = (("disappointed", "told", "told, came, and could not buy it"), ("unsold", "left", "units unsold after a day"))


def picture(results: Results) -> str:
    """Draw every policy's two figures for each hundred units that came back."""
    figures = {
        name: [per_hundred_units(results.of(name), figure) for figure, _, _ in _BARS] for name in results.policies()
    }
    top = max(1.0, *(value for values in figures.values() for value in values))
    height = _HEAD + _ROW * len(figures) + _FOOT
    rows = [
        _row(_HEAD + _ROW * place, results.of(name)[0].policy.title, values, top)
        for place, (name, values) in enumerate(figures.items())
    ]
    return "\n".join(
        [*_opening(height, len({s.scenario.name for s in results.scores})), *rows, *_foot(height), "</svg>\n"]
    )


def _opening(height: int, kinds: int) -> list[str]:
    title = "Who is told of a restock"
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t d">',
        f'<title id="t">{title}</title>',
        '<desc id="d">For each policy two bars: people disappointed and units unsold, for each hundred units.</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="10"/>',
        _text(_MARGIN, 32, title, "title ink"),
        _text(_MARGIN, 53, f"For each 100 units that came back, over {kinds} kinds of restock", "small soft"),
        *(_key(74 + 18 * place, colour, words) for place, (_, colour, words) in enumerate(_BARS)),
    ]


def _key(y: int, colour: str, words: str) -> str:
    return f'<rect class="{colour}" x="{_MARGIN}" y="{y - 9}" width="10" height="10" rx="2"/>' + _text(
        _MARGIN + 17, y, words, "small ink"
    )


def _row(y: int, title: str, values: Sequence[float], top: float) -> str:
    parts = [f'<rect class="ours" x="6" y="{y + 1}" width="{_WIDTH - 12}" height="{_ROW - 3}" rx="6"/>'] * (
        title.startswith("ours")
    )
    parts.append(_text(_MARGIN, y + 17, title, "name ink"))
    for place, (value, (_, colour, _)) in enumerate(zip(values, _BARS, strict=True)):
        width, bar_y = _ROOM * value / top, y + 23 + place * (_BAR + 3)
        parts.append(f'<rect class="{colour}" x="{_MARGIN}" y="{bar_y}" width="{width:.1f}" height="{_BAR}" rx="2"/>')
        parts.append(_text(_MARGIN + width + 6, bar_y + 9.5, f"{value:.1f}", "small ink"))
    return "".join(parts)


def _foot(height: int) -> list[str]:
    y = height - _FOOT + 12
    lines = (
        "Rows without “ours” are models of other systems’ public",
        "documentation; none was tried on a live service. Each policy",
        "meets the same simulated people. restock bench policies",
    )
    rule = f'<line class="rule" x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{y}" y2="{y}"/>'
    return [rule, *(_text(_MARGIN, y + 20 + 16 * place, line, "small soft") for place, line in enumerate(lines))]


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words, quote=False)}</text>'
