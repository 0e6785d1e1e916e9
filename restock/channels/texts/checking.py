"""Looking a text over before it is kept: all faults at once, each with its part, its line and how to mend it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from liquid.template import BoundTemplate

from restock.channels.alerts.values import AlertFacts, AlertKind
from restock.channels.alerts.variables import sample_alert
from restock.channels.texts.layout import compile_layout
from restock.channels.texts.liquid import compile_text, unknown_filters, variables_of
from restock.channels.texts.liquid.filters import FILTERS
from restock.channels.texts.parts import Part, part_of, parts_of, stages_of
from restock.channels.texts.values import Source, Stage, TextError, TextKey
from restock.channels.texts.variables import VARIABLES, barest, sample
from restock.channels.texts.written import Written, read, say_alert_parts, say_parts
from restock.channels.values import ChannelName
from restock.channels.wording import known_locale
from restock.errors import Fault, ValidationError

_MOST_TOLD = 20  # of a kind; looking for what was meant takes its time


@dataclass(frozen=True, slots=True)
class Checked:
    """A text as it may be kept, empty parts left out, and every fault found."""

    source: Source
    faults: tuple[Fault, ...] = ()


def read_key(channel: str, stage: str, locale: str) -> TextKey:
    """Read which message a text is for; raises ValidationError with a fault for each word that names nothing."""
    faults = []
    if channel not in list(ChannelName):
        faults.append(Fault("channel", "INVALID_CHANNEL", f"must be one of {', '.join(ChannelName)}"))
    if stage not in list(Stage):
        faults.append(Fault("stage", "INVALID_STAGE", f"must be one of {', '.join(Stage)}"))
    known = known_locale(locale) if locale.isascii() and len(locale) <= 35 else None
    if known is None:
        faults.append(Fault("locale", "INVALID_LOCALE", "must be a language such as fr or fr-CA"))
    if not faults and stage not in stages_of(ChannelName(channel)):
        faults.append(Fault("stage", "INVALID_STAGE", "a shop is told by email alone"))
    if faults or known is None:
        raise ValidationError("There is no such message.", faults=faults)
    return TextKey(ChannelName(channel), Stage(stage), str(known).replace("_", "-"))


def check_texts(key: TextKey, typed: Mapping[str, str]) -> Checked:
    """Look all parts of a text over, compile its layout, and try it on a full message and on the barest."""
    parts = {name: text.replace("\r\n", "\n").strip() for name, text in typed.items()}
    kept = {name: text for name, text in parts.items() if text}
    faults = list(_name_faults(key, kept))
    html: str | None = None
    for part in parts_of(key.channel, key.stage):
        if (text := kept.get(part.name)) is None:
            continue
        found = check_part(text, part, key.stage)
        faults += found
        if part.html and not found:
            html = compile_layout(text)
    source = Source(kept, html)
    if not kept:
        faults.append(
            Fault(parts_of(key.channel, key.stage)[0].name, "EMPTY_TEXT", "write at least one part, or drop the text")
        )
    return Checked(source, tuple(faults or _tried(key, source)))


def check_part(text: str, part: Part, stage: Stage) -> list[Fault]:
    """Look one part over: its length, its marks, its variables, its layout."""
    if len(text) > part.longest:
        return [Fault(part.name, "TEXT_TOO_LONG", f"must have at most {part.longest} characters; it has {len(text)}")]
    faults: list[Fault] = []
    try:
        template = compile_text(text, html=part.html)
    except TextError as error:
        return [_fault(part.name, error)]
    if part.html:
        try:
            compile_text(compile_layout(text), html=True)
        except TextError as error:
            faults.append(_fault(part.name, error))
    for name, line in unknown_filters(template, text)[:_MOST_TOLD]:
        near = get_close_matches(name, FILTERS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        faults.append(Fault(part.name, "UNKNOWN_FILTER", f"line {line}: the filter {name} is not known here{hint}"))
    return [*faults, *_variable_faults(template, text, part, stage)]


def _variable_faults(template: BoundTemplate, text: str, part: Part, stage: Stage) -> Iterator[Fault]:
    known, used, unknown = VARIABLES[stage], set(), 0
    for path, line in variables_of(template, text):
        name = ".".join(str(one) for one in path) if all(isinstance(one, str) for one in path) else None
        used.add(name)
        if name is not None and (name in known or name.removesuffix(".size") in known):
            continue
        unknown += 1
        if unknown <= _MOST_TOLD:
            said = f"{name[:80]} is not known here{_hint(name, known)}" if name else "write out which variable is meant"
            yield Fault(part.name, "UNKNOWN_VARIABLE", f"line {line}: {said}")
    for name in part.needs:
        if name not in used:
            yield Fault(part.name, "MISSING_LINK", f"must say {{{{ {name} }}}}")


def _hint(name: str, names: Sequence[str]) -> str:
    last = name.rpartition(".")[2]
    near = get_close_matches(name, names, 1, 0.6) or [one for one in names if one.rpartition(".")[2] == last]
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(names)}"


def _tried(key: TextKey, source: Source) -> Iterator[Fault]:
    """Write the text for a full message and for the barest; each part's first fault."""
    told: dict[str, TextError] = {}
    for faults in _trials(key, replace(read(source, key.channel), looks_at_each=True)):
        told = dict(faults) | told
    for name, error in told.items():
        part = part_of(key.channel, name)
        if part is not None and part.html:
            error.line = _line_as_typed(key, source, name, error.reason)
        yield _fault(name, error)


def _line_as_typed(key: TextKey, source: Source, name: str, reason: str) -> int | None:
    """Find the line of a layout's fault in what was typed; the compiled layout has other lines."""
    as_typed = replace(read(Source({}, source.parts[name]), key.channel), looks_at_each=True)
    found = (faults.get(name) for faults in _trials(key, as_typed))
    return next((error.line for error in found if error is not None and error.reason == reason), None)


def _trials(key: TextKey, written: Written) -> Iterator[Mapping[str, TextError]]:
    if key.stage is Stage.merchant_alert:
        for kind in AlertKind:
            yield say_alert_parts(written, sample_alert(kind, key.locale))[1]
        yield say_alert_parts(written, sample_alert(AlertKind.digest, key.locale, facts=AlertFacts()))[1]
        return
    full = sample(key.stage, key.locale)
    for notice in (full, replace(full, missed_before=True), barest(full)):
        yield say_parts(written, notice, key.channel)[1]


def _name_faults(key: TextKey, parts: Mapping[str, str]) -> Iterator[Fault]:
    names = ", ".join(part.name for part in parts_of(key.channel, key.stage))
    for name in parts:
        if part_of(key.channel, name) is None:
            yield Fault(name[:40], "UNKNOWN_PART", f"is no part of this message; its parts are {names}")


def _fault(name: str, error: TextError) -> Fault:
    where = f"line {error.line}: " if error.line else ""
    code = (
        "TEXT_TOO_MUCH" if error.reason in ("too_much", "too_large", "too_long", "too_many_marks") else "INVALID_TEXT"
    )
    return Fault(name, code, f"{where}{error.sentence}")
