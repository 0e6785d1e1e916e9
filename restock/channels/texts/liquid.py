"""Liquid, locked down: few tags, few filters, plain values, and a bound on everything a text can use up.

The bound is a number of steps, not a time: the same message is the same on a busy machine, and says the same at its
second attempt. What a step can cost is bounded by the filters (see `filters.py`) and by the lengths of the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from liquid import Environment
from liquid.ast import Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    comment_tag,
    cycle_tag,
    echo_tag,
    for_tag,
    if_tag,
    inline_comment_tag,
    unless_tag,
)
from liquid.context import RenderContext
from liquid.exceptions import LiquidError
from liquid.expression import Expression
from liquid.template import BoundTemplate

from restock.channels.texts.filters import FILTERS
from restock.channels.texts.scanning import line_of, scan
from restock.channels.texts.values import TextError

MOST_STEPS = 20_000
_TAGS = (
    content.Literal,
    output.Output,
    illegal.Illegal,
    assign_tag.AssignTag,
    capture_tag.CaptureTag,
    case_tag.CaseTag,
    comment_tag.CommentTag,
    cycle_tag.CycleTag,
    echo_tag.EchoTag,
    for_tag.BreakTag,
    for_tag.ContinueTag,
    for_tag.ForTag,
    if_tag.IfTag,
    inline_comment_tag.InlineCommentTag,
    unless_tag.UnlessTag,
)
_CLAUSES = {"when", "else", "elsif", "endcapture", "endcase", "endcomment", "endfor", "endif", "endunless"}
TAGS = frozenset({tag.name for tag in _TAGS} | _CLAUSES)


class _Context(RenderContext):
    """One rendering, which pays for each look-up, filter, loop and assignment."""

    __slots__ = ("left",)

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.left = MOST_STEPS

    def spend(self, steps: int) -> None:
        """Pay; raises TextError when nothing is left."""
        self.left -= steps
        if self.left < 0:
            raise TextError("too_much", "takes too many steps to write")

    def get(self, path: list[object], **named: Any) -> object:
        """Look a variable up."""
        self.spend(1 + len(path))
        return super().get(path, **named)

    def filter(self, name: str, token: Any) -> Callable[..., object]:
        """Find a filter."""
        self.spend(1)
        return super().filter(name, token)

    def assign(self, key: str, val: Any) -> None:
        """Keep a value; the library then measures all that are kept."""
        self.spend(1 + len(self.locals))
        super().assign(key, val)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Pay for all rounds of a loop before the first."""
        self.spend(length)
        super().raise_for_loop_limit(length)


class _Template(BoundTemplate):
    context_class = _Context


class _Locked(Environment):
    """The one environment; its limits are the library's own."""

    template_class = _Template
    block_nesting_limit: ClassVar[int] = 10
    context_depth_limit: ClassVar[int] = 15
    loop_iteration_limit: ClassVar[int | None] = 1_000
    local_namespace_limit: ClassVar[int | None] = 100_000
    output_stream_limit: ClassVar[int | None] = 10_000

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:  # noqa: ARG002 (the library's name)
        """Know these tags and filters, and no other."""
        for tag in _TAGS:
            self.add_tag(tag)
        self.filters.update(FILTERS)


class _LockedHtml(_Locked):
    output_stream_limit: ClassVar[int | None] = 200_000


_PLAIN = _Locked()
_HTML = _LockedHtml(autoescape=True)


def compile_text(source: str, *, html: bool = False) -> BoundTemplate:
    """Read a template; raises TextError with the line for one that cannot be read. `html` escapes what is filled in."""
    scan(source, TAGS)
    try:
        template = (_HTML if html else _PLAIN).from_string(source)
    except LiquidError as error:
        raise _readable(error, source) from None
    if any(isinstance(one, RangeLiteral) for node in template.nodes for one in _expressions(node)):
        raise TextError("syntax", "has a range such as (1..9), which cannot be used here")
    return template


def render_text(template: BoundTemplate, values: Mapping[str, object]) -> str:
    """Fill a template in; raises TextError, and nothing else, where that cannot be done within the bounds."""
    try:
        return template.render(values)
    except TextError:
        raise
    except LiquidError as error:
        raise _readable(error, str(getattr(error.token, "source", ""))) from None
    except Exception as error:  # noqa: BLE001 (a merchant's words in a library's code: no fault of theirs stops a message)
        raise TextError("unusable", f"cannot be written ({type(error).__name__})") from None


def variables_of(template: BoundTemplate, source: str) -> list[tuple[list[object], int]]:
    """List the variables a text expects from outside, each as its path with the line it is in."""
    found = template.analyze(include_partials=False).globals
    return [(list(one.segments), line_of(source, one.span.index)) for same in found.values() for one in same]


def unknown_filters(template: BoundTemplate, source: str) -> list[tuple[str, int]]:
    """List the filters a text asks for that there are none of, each with its line: reading it does not tell."""
    found = template.analyze(include_partials=False).filters
    return [(name, line_of(source, spans[0].index)) for name, spans in found.items() if name not in FILTERS]


def _expressions(node: Node) -> Iterator[Expression]:
    """Walk through everything a node computes."""
    waiting = list(node.expressions())
    while waiting:
        expression = waiting.pop()
        yield expression
        waiting.extend(expression.children())
    for child in node.children(None, include_partials=False):  # type: ignore[arg-type]  # no tag here looks at it
        yield from _expressions(child)


def _readable(error: LiquidError, source: str) -> TextError:
    token = error.token
    line = line_of(source, token.start_index) if token is not None and token.start_index >= 0 else None
    reason = "too_much" if "limit" in str(error.message) else "syntax"
    said = str(error.message).replace("end of expression", "the end").replace("end of file", "the end")
    return TextError(reason, f"cannot be read: {said}", line)
