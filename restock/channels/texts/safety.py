"""Whether an email could do something to its reader: looked for in what is sent, its entities read as browsers do.

Pure. A layout's typed source cannot tell: what Liquid leaves out joins what stands around it. So a layout is tried on
messages when it is saved. At send what is filled in is escaped, and cannot open an element or an attribute; where a
layout leaves to Liquid how an address or a style begins, or makes words of its own, each message is looked at again.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from restock.channels.texts.values import TextError

FORBIDDEN = frozenset(
    [
        *("script", "iframe", "frame", "object", "embed", "form", "input", "button", "textarea", "select"),
        *("base", "meta", "link", "svg", "math", "video", "audio"),
    ]
)
_OWN_META = ("x-ua-compatible", "content-type", "")  # what the compiler writes itself
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\ufeff]+")
_SCRIPT = re.compile(r"(?:javascript|vbscript|livescript|data|file|blob):(?!image/)")
_CSS_ESCAPE = re.compile(r"\\(?:([0-9a-f]{1,6})[ \t\n\r\f]?|(.))", re.IGNORECASE | re.DOTALL)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_CSS_UNSAFE = re.compile(r"@import|@font-face|expression\(|behavior:|-moz-binding|(?:javascript|vbscript):")
_CONDITIONAL = re.compile(r"\s*\[if[^\]]{0,80}\]>(.*?)(?:<!(?:\[endif\])?)?\Z", re.DOTALL)
_STRAY = re.compile(r"<[^<>]*(?:<|\Z)")
_STYLES = ("style", "mj-style")  # the second is the same in what is typed
_MARK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_PLAIN_ADDRESS = re.compile(
    r"\{\{-?\s{0,20}(?:links\.(?:action|unsubscribe|preferences|decline|settings)|shop\.url|product\.image_url)\s{0,20}-?\}\}"
)
_MAKES_WORDS = re.compile(r"\{%-?\s{0,20}(?:assign|capture|cycle)\b|(?:\{\{|\{%)[^}]{0,300}[\"'][^\"']{0,300}[<>&]")
_FILLED_IN = "\ue000"
_ADDRESSES = frozenset(["href", "src", "background", "action", "cite", "data", "poster", "srcset", "xlink:href"])


def check_html(html: str) -> None:
    """Raise TextError for what no e-mail may do, with the line it is in."""
    _Reader().read(html)


def looks_at_each(template: str) -> bool:
    """Say whether a layout, as HTML with Liquid in it, may become unsafe by what is filled in: it is looked at then."""
    shown = _MARK.sub(_FILLED_IN, _PLAIN_ADDRESS.sub("https://filled.in/", template))
    try:
        return bool(_MAKES_WORDS.search(template)) or _Reader(with_marks=True).read(shown)
    except TextError:
        return True


class _Reader(HTMLParser):
    """Reads a message to its end. `with_marks`: places that are filled in later are told rather than trusted."""

    def __init__(self, *, with_marks: bool = False, first_line: int = 1) -> None:
        super().__init__(convert_charrefs=True)
        self.with_marks = with_marks
        self.first_line = first_line
        self.is_open_ended = False
        self.style: list[str] | None = None

    def read(self, html: str) -> bool:
        """Raise TextError for what is unsafe; return whether that depends on what is filled in."""
        text = self._without_comments(html)
        if found := _STRAY.search(text):  # the library's time is square in these
            raise TextError("unsafe", "comes to have a < that begins no element", self._line(text, found.start()))
        try:
            self.feed(text)
            self.close()
        except AssertionError:  # how the library says that it cannot read a declaration
            raise self._fault("comes to have a declaration that cannot be read") from None
        return self.is_open_ended

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag in FORBIDDEN and not (tag == "meta" and named.get("http-equiv", "").lower() in _OWN_META):
            raise self._fault(f"comes to have <{tag}>, which no e-mail may have")
        self._note(tag)
        for name, value in named.items():
            self._attribute(name, value)
        self.style = [] if tag in _STYLES else None

    def handle_endtag(self, tag: str) -> None:
        if tag in _STYLES and self.style is not None:
            self._css("".join(self.style))
            self.style = None

    def handle_data(self, data: str) -> None:
        if self.style is not None:
            self.style.append(data)

    def _without_comments(self, html: str) -> str:
        """Blank comments out; read what only some mail programs read, and a browser takes for a comment."""
        pieces, place = [], 0
        while (start := html.find("<!--", place)) >= 0:
            end = html.find("-->", start)
            if end < 0:
                raise TextError("unsafe", "comes to have <!-- without its -->", self._line(html, start))
            inside = html[start + 4 : end]
            if found := _CONDITIONAL.match(inside):
                within = _Reader(with_marks=self.with_marks, first_line=self._line(html, start))
                self.is_open_ended |= within.read(found.group(1).replace("<!--", ""))
            else:
                self._note(inside)
            pieces += [html[place:start], "\n" * inside.count("\n")]
            place = end + 3
        return "".join((*pieces, html[place:]))

    def close(self) -> None:
        super().close()
        self.handle_endtag("style")

    def _attribute(self, name: str, value: str) -> None:
        self._note(name)
        if name.startswith("on") or name in {"srcdoc", "formaction"}:
            raise self._fault(f"comes to have the attribute {name[:20]}, which no e-mail may have")
        if _SCRIPT.match(_BLANKS.sub("", value).lower()):
            raise self._fault(f"comes to have an address that is none: {value.strip()[:40]}")
        if name == "style":
            self._css(value)
        elif name in _ADDRESSES:
            self._note(re.split(r"[:/?#]", value, maxsplit=1)[0])

    def _css(self, style: str) -> None:
        self._note(style)
        read = _CSS_ESCAPE.sub(_unescaped, _CSS_COMMENT.sub("", style))
        if found := _CSS_UNSAFE.search(_BLANKS.sub("", read).lower()):
            raise self._fault(f"comes to have {found.group()} in a style, which runs or loads what is elsewhere")

    def _note(self, text: str) -> None:
        self.is_open_ended |= self.with_marks and _FILLED_IN in text

    def _line(self, text: str, place: int) -> int:
        return self.first_line + text.count("\n", 0, place)

    def _fault(self, sentence: str) -> TextError:
        return TextError("unsafe", sentence, self.first_line + self.getpos()[0] - 1)


def _unescaped(found: re.Match[str]) -> str:
    code = int(found.group(1), 16) if found.group(1) else 0
    return chr(code) if 0 < code <= 0x10FFFF else found.group(2) or ""
