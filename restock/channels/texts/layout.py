"""A whole e-mail as MJML with Liquid in it: looked through, then turned into HTML once, when it is saved. Pure.

The compiler ends the whole process on elements some thousands deep, leaves out elements it does not know without a
word, and loads fonts from elsewhere; none of that must get as far as there.
https://documentation.mjml.io
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from mjml import mjml2html

from restock.channels.texts.liquid import TAGS
from restock.channels.texts.liquid.scanning import line_of, scan
from restock.channels.texts.safety import FORBIDDEN
from restock.channels.texts.values import TextError

DEEPEST = 40
MOST_TAGS = 2_000
_FONT = '<mj-attributes><mj-all font-family="Helvetica, Arial, sans-serif" /></mj-attributes>'
_MARK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]{0,40})((?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*)>")
_KNOWN = frozenset(
    f"mj{name}"
    for name in (
        *("ml", "-head", "-body", "-attributes", "-all", "-class", "-style", "-title", "-preview", "-breakpoint"),
        *("-raw", "-section", "-column", "-group", "-wrapper", "-hero", "-text", "-button", "-image", "-divider"),
        *("-spacer", "-table", "-social", "-social-element", "-navbar", "-navbar-link", "-accordion"),
        *("-accordion-element", "-accordion-title", "-accordion-text"),
    )
)
_VOID = frozenset(["br", "hr", "img", "col", "wbr"])
_UNSAFE = re.compile(r"\son[a-z]{3,}\s*=|(?:javascript|vbscript|data)\s*:(?!image/)", re.IGNORECASE)
_FROM_ELSEWHERE = re.compile(r"@(?:import|font-face)\b", re.IGNORECASE)
_PLACE = re.compile(r"position (\d+):")


def compile_layout(source: str) -> str:
    """Turn MJML into HTML, its Liquid untouched; raises TextError with the line for what cannot be used."""
    scan(source, TAGS)
    masked = _without_comments(_MARK.sub(lambda found: _blank(found.group(), "x"), source))
    _look_through(source, masked)
    try:
        return mjml2html(_with_defaults(source), disable_comments=False, fonts={})
    except ValueError as error:
        place = _PLACE.search(str(error))
        line = line_of(source, int(place.group(1))) if place else None
        raise TextError("mjml", f"is not well-formed MJML: {error}", line) from None


def _look_through(source: str, masked: str) -> None:
    """Refuse what the compiler must not see; raises TextError."""
    if not re.match(r"\s*<mjml[\s>]", masked):
        raise TextError("mjml", "must begin with <mjml>", 1)
    if found := _UNSAFE.search(masked):
        raise _fault("has a script or an address that is none", source, found.start())
    if found := _FROM_ELSEWHERE.search(masked):
        raise _fault("loads styles or fonts from elsewhere, which tells that place who reads", source, found.start())
    around: list[str] = []
    end = 0
    for count, tag in enumerate(_TAG.finditer(masked)):
        if (stray := masked.find("<", end, tag.start())) >= 0:
            raise _fault("has a < that begins no element: write &lt;", source, stray)
        end = tag.end()
        _check_name(tag, source)
        _step(tag, around, source)
        if count >= MOST_TAGS or len(around) > DEEPEST:
            raise _fault("is too deep or has too many elements", source, tag.start())
    if (stray := masked.find("<", end)) >= 0:
        raise _fault("has a < that begins no element: write &lt;", source, stray)
    if around:
        raise TextError("mjml", f"has <{around[-1]}> without its end")


def _step(tag: re.Match[str], around: list[str], source: str) -> None:
    """Go into an element or out of it; `around` are those one is in."""
    closes, name, rest = tag.groups()
    if not closes and not rest.endswith("/"):
        around.append(name)
    elif closes:
        if not around or around[-1] != name:
            due = f", where </{around[-1]}> is due" if around else ""
            raise _fault(f"has </{name}>{due}", source, tag.start())
        around.pop()


def _without_comments(text: str) -> str:
    """Blank out comments, line ends apart."""
    pieces, place = [], 0
    while (start := text.find("<!--", place)) >= 0:
        end = text.find("-->", start)
        if end < 0:
            raise _fault("has <!-- without its -->", text, start)
        pieces += [text[place:start], _blank(text[start : end + 3], " ")]
        place = end + 3
    return "".join((*pieces, text[place:]))


def _blank(text: str, letter: str) -> str:
    return re.sub(r"[^\n]", letter, text)


def _check_name(tag: re.Match[str], source: str) -> None:
    name = tag.group(2).lower()
    if name in FORBIDDEN:
        raise _fault(f"has <{name}>, which no e-mail may have", source, tag.start())
    if name in _VOID and not tag.group(1) and not tag.group(3).endswith("/"):
        raise _fault(f"has <{name}> without its end: write <{name} />", source, tag.start())
    if name.startswith("mj") and name not in _KNOWN:
        near = get_close_matches(name, _KNOWN, 1)
        hint = f": did you mean <{near[0]}>?" if near else ""
        raise _fault(f"has <{name}>, which is not known{hint}", source, tag.start())


def _with_defaults(source: str) -> str:
    """Set the language and a font, in the author's own first line: without a font one is loaded from elsewhere."""
    source = re.sub(r"<mjml(?![^>]*\slang=)", '<mjml lang="{{ locale }}"', source, count=1)
    if re.search(r"<mj-head[\s>]", source):
        return re.sub(r"(<mj-head[^>]*>)", lambda found: found.group() + _FONT, source, count=1)
    return re.sub(r"(<mjml[^>]*>)", lambda found: f"{found.group()}<mj-head>{_FONT}</mj-head>", source, count=1)


def _fault(sentence: str, source: str, place: int) -> TextError:
    return TextError("mjml", sentence, line_of(source, place))
