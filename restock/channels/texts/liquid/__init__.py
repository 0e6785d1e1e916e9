"""Liquid, locked down: few tags, few filters, plain values, and a bound on everything a text can use up.

The bound is a number of steps, not a time: the same message is the same on a busy machine, and says the same at its
second attempt. Whatever a template computes stands in a block, and a block takes its toll whenever it is entered: a
step for each mark, branch, comparison and value in it, reached or not, and for each stretch of its words. What one step
can cost is bounded by the filters (see `filters.py`) and by the lengths of the parts; what is as long as it likes (a
list, a captured text) is paid for by its length where it is looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TextIO, cast

from liquid import Environment
from liquid.ast import BlockNode, Node
from liquid.builtin import content, illegal, output
from liquid.builtin.content import ContentNode
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
from liquid.token import Token

from restock.channels.texts.liquid.filters import FILTERS
from restock.channels.texts.liquid.scanning import line_of, scan
from restock.channels.texts.values import TextError

MOST_STEPS = 20_000
MOST_COMPUTED = 4_000
_LETTERS_A_STEP = 256
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
    """One rendering, which pays for each block, look-up, filter, loop and assignment."""

    __slots__ = ("at", "left")

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.left = MOST_STEPS
        self.at: Token | None = None

    def spend(self, steps: int, token: Token | None = None) -> None:
        """Pay; raises TextError when nothing is left. `token` is what is paid for, where that is known."""
        self.left -= steps
        if token is not None:
            self.at = token
        if self.left < 0:
            raise TextError("too_much", "takes too many steps to write: fewer or shorter loops help")

    def get(self, path: list[object], *, token: Token | None, **named: Any) -> object:
        """Look a variable up."""
        found = super().get(path, token=token, **named)
        size = len(found) if isinstance(found, str | list | tuple) else 0
        self.spend(1 + len(path) + size // _LETTERS_A_STEP, token)
        return found

    def filter(self, name: str, token: Any) -> Callable[..., object]:
        """Find a filter."""
        self.spend(1, token)
        return super().filter(name, token)

    def assign(self, key: str, val: Any) -> None:
        """Keep a value; the library then measures all that are kept."""
        size = len(val) if isinstance(val, str) else 0
        self.spend(1 + len(self.locals) + size // _LETTERS_A_STEP)
        super().assign(key, val)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Pay for all rounds of a loop before the first."""
        self.spend(length)
        super().raise_for_loop_limit(length)


class _Toll(Node):
    """What entering a block costs; it stands first in it and says nothing."""

    __slots__ = ("price",)

    def __init__(self, token: Token, price: int) -> None:
        super().__init__(token)
        self.price = price

    def __str__(self) -> str:
        return ""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:  # noqa: ARG002 (the library's names)
        """Take the toll."""
        cast("_Context", context).spend(self.price, self.token)
        return 0


class _Template(BoundTemplate):
    context_class = _Context

    def render_with_context(self, context: RenderContext, buffer: TextIO, *args: Any, **named: Any) -> None:
        """Say of what could not be written in which line it is."""
        try:
            super().render_with_context(context, buffer, *args, **named)
        except TextError as error:
            error.line = error.line or _line(cast("_Context", context).at)
            raise


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
    if template.nodes:
        _take_tolls(template.nodes[0].token, template.nodes, MOST_COMPUTED)
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
    for child in _children(node):
        yield from _expressions(child)


def _take_tolls(token: Token, nodes: list[Node], left: int) -> int:
    """Put a toll before these nodes and into all blocks within; return what is left of `left`.

    Raises TextError with the line where a template has more to compute than any message needs.
    """
    price = 0
    for node in nodes:
        price += (own := _price(node))
        left -= own
        if left < 0:
            sentence = f"has more than {MOST_COMPUTED} values and comparisons in all; the limit is passed here"
            raise TextError("too_much", sentence, _line(node.token))
        for block in _blocks(node):
            left = _take_tolls(block.token, block.nodes, left)
    nodes.insert(0, _Toll(token, price))
    return left


def _price(node: Node) -> int:
    """Count what a node computes by itself and in its branches' conditions, all of them."""
    price = 1 + (len(node.text) // _LETTERS_A_STEP if isinstance(node, ContentNode) else 0)
    waiting = list(node.expressions())
    while waiting:
        price += 1
        waiting.extend(waiting.pop().children())
    return price + sum(_price(child) for child in _children(node) if not isinstance(child, BlockNode))


def _blocks(node: Node) -> Iterator[BlockNode]:
    """Find the blocks right within a node, its branches' too."""
    for child in _children(node):
        if isinstance(child, BlockNode):
            yield child
        else:
            yield from _blocks(child)


def _children(node: Node) -> Iterator[Node]:
    yield from node.children(None, include_partials=False)  # type: ignore[arg-type]  # no tag here looks at it


def _line(token: Token | None) -> int | None:
    return line_of(token.source, token.start_index) if token is not None and token.start_index >= 0 else None


def _readable(error: LiquidError, source: str) -> TextError:
    token = error.token
    line = line_of(source, token.start_index) if token is not None and token.start_index >= 0 else None
    reason = "too_much" if "limit" in str(error.message) else "syntax"
    said = str(error.message).replace("end of expression", "the end").replace("end of file", "the end")
    return TextError(reason, f"cannot be read: {said}", line)
