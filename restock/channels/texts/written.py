"""Saying a message in the shop's own words, part by part; a part that cannot be written is said in our phrases.

Pure. A template is read once for each version of a text and kept with it. What went wrong is remembered, not raised:
the message leaves in any case, and whoever sends it tells the merchant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from liquid.template import BoundTemplate

from restock.channels.alerts.values import AlertLinks, ShopAlert
from restock.channels.alerts.variables import alert_values
from restock.channels.personal import Bases, Frame, FramedWords, Tokens, rest_of, split, stand_ins
from restock.channels.sms.message import finish
from restock.channels.sms.segments import cost_of
from restock.channels.texts.liquid import compile_text, render_text
from restock.channels.texts.parts import PARTS, Part, parts_of
from restock.channels.texts.plain import says_links_only
from restock.channels.texts.safety import check_html, looks_at_each
from restock.channels.texts.values import STAGES, Source, Stage, TextError, TextKey
from restock.channels.texts.variables import LONGEST_NAME, values_of
from restock.channels.tongues import nearest
from restock.channels.values import ChannelName, MessageLinks, Notice
from restock.channels.wording import one_line, phrases_for

MOST_SEGMENTS = 3
_MOST_FOUND = 256
_MOST_FRAMES = 64
_SHORTER_NAMES = (LONGEST_NAME, 60, 45, 32, 24, 16)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Written:
    """One text, ready to be used. `faults` has a reason for each part that cannot be read."""

    source: Source
    templates: Mapping[str, BoundTemplate]
    faults: Mapping[str, TextError]
    says_links_only: bool = False  # and does nothing else with them
    looks_at_each: bool = False  # what is filled in may make the layout unsafe


@dataclass(frozen=True)
class ShopTexts:
    """All texts of a shop as of one version; read one after the other when they are first needed."""

    sources: Mapping[TextKey, Source] = field(default_factory=dict)
    shop_locale: str = "en"
    _ready: dict[TextKey, Written] = field(default_factory=dict, compare=False, repr=False)
    _found: dict[tuple[ChannelName, Stage, str], TextKey | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    def find(self, notice: Notice, channel: ChannelName) -> tuple[TextKey, Written] | None:
        """Choose the text for a message; None: we say it."""
        return self.find_for(channel, STAGES[notice.occasion], notice.locale)

    def find_for(self, channel: ChannelName, stage: Stage, locale: str) -> tuple[TextKey, Written] | None:
        """Choose the text for an occasion and a reader's language; None: we say it."""
        asked = (channel, stage, locale)
        if asked not in self._found:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[asked] = self._choose(*asked)
        key = self._found[asked]
        if key is None:
            return None
        if key not in self._ready:
            self._ready[key] = read(self.sources[key], channel)
        return key, self._ready[key]

    def _choose(self, channel: ChannelName, stage: Stage, person: str) -> TextKey | None:
        locales = {key.locale for key in self.sources if (key.channel, key.stage) == (channel, stage)}
        locale = choose_locale(locales, person, self.shop_locale) if locales else None
        return TextKey(channel, stage, locale) if locale is not None else None


@dataclass
class Speaker:
    """Says the messages of one batch. `broken` collects which texts could not be said as written, and why.

    What is the same for several of them is written once, around what stands for their links.
    """

    texts: ShopTexts
    broken: dict[TextKey, TextError] = field(default_factory=dict)
    _frames: dict[object, tuple[Frame, Mapping[str, TextError]] | None] = field(default_factory=dict, repr=False)

    def say(self, notice: Notice, channel: ChannelName) -> Notice:
        """Put the shop's words into a message; one the shop has no words for stays as it is."""
        found = self.texts.find(notice, channel) if self.texts.sources else None
        if found is None:
            return notice
        key, written = found
        spoken = notice if notice.locale.partition("-")[0] == key.locale else replace(notice, locale=key.locale)
        words, faults = self._written(written, spoken, channel)
        if faults:
            self.broken.setdefault(key, next(iter(faults.values())))
        return replace(spoken, words=words) if words else notice

    def say_alert(self, alert: ShopAlert) -> ShopAlert:
        """Put the shop's words into what it is told itself; where it has none it stays as it is."""
        found = self.texts.find_for(ChannelName.email, Stage.merchant_alert, alert.locale)
        if found is None:
            return alert
        key, written = found
        spoken = alert if alert.locale.partition("-")[0] == key.locale else replace(alert, locale=key.locale)
        words, faults = say_alert_parts(written, spoken)
        if faults:
            self.broken.setdefault(key, next(iter(faults.values())))
        return replace(spoken, words=words) if words else alert

    def _written(
        self, written: Written, notice: Notice, channel: ChannelName
    ) -> tuple[Mapping[str, str], Mapping[str, TextError]]:
        parts = split(notice.links) if written.says_links_only else None
        if parts is None:
            return say_parts(written, notice, channel)
        bases, tokens = parts
        key = (channel, rest_of(notice), bases, tuple(map(len, tokens)))
        if key not in self._frames:  # what is seen for the first time may well be the last: it is not worth it
            if len(self._frames) >= _MOST_FRAMES:
                self._frames.clear()
            self._frames[key] = None
            return say_parts(written, notice, channel)
        known = self._frames[key] or frame_of(written, notice, channel, bases, tokens)
        if known is None:
            return say_parts(written, notice, channel)
        self._frames[key] = known
        return FramedWords(known[0], tokens), known[1]


def frame_of(
    written: Written, notice: Notice, channel: ChannelName, bases: Bases, tokens: Tokens
) -> tuple[Frame, Mapping[str, TextError]] | None:
    """Write a message around what stands for its links; None where different ones do not make the same message."""
    held, others = stand_ins(tokens), stand_ins(tokens, other=1)
    words, faults = say_parts(written, replace(notice, links=bases.links(held)), channel)
    again, other_faults = say_parts(written, replace(notice, links=bases.links(others)), channel)
    frame = Frame.of(words, bases, held)
    same = all(frame.fill(part, others) == again.get(part) for part in words)
    return (
        (frame, faults)
        if same and words and words.keys() == again.keys() and faults.keys() == other_faults.keys()
        else None
    )


def choose_locale(written: Collection[str], person: str, shop: str) -> str | None:
    """Choose among the locales a text is written in: `fr-CA`, `fr`, the shop's own, English; None: ours.

    Whose language we speak ourselves is never written to in another. `zh-HK` reads what is written for `zh-TW`.
    """
    ours = nearest(person)
    for locale in (*_widening(person), ours):
        if locale in written:
            return locale
    if ours is not None:
        return None
    return next((locale for locale in (*_widening(shop), "en") if locale in written), None)


def _widening(locale: str) -> tuple[str, ...]:
    """`zh-Hant-TW`, `zh-Hant`, `zh`."""
    words = locale[:35].replace("_", "-").split("-")
    spelled = [words[0].lower(), *(word.title() if len(word) == 4 else word.upper() for word in words[1:])]
    return tuple("-".join(spelled[:count]) for count in range(len(spelled), 0, -1))


def read(source: Source, channel: ChannelName) -> Written:
    """Read all parts of a text; those that cannot be read are its faults."""
    templates: dict[str, BoundTemplate] = {}
    faults: dict[str, TextError] = {}
    for part in PARTS[channel]:
        text = source.html if part.html else source.parts.get(part.name)
        if not text:
            continue
        try:
            templates[part.name] = compile_text(text, html=part.html)
        except TextError as error:
            faults[part.name] = error
    looks = source.html is not None and looks_at_each(source.html)
    return Written(source, templates, faults, all(map(says_links_only, templates.values())), looks)


def say_parts(written: Written, notice: Notice, channel: ChannelName) -> tuple[dict[str, str], dict[str, TextError]]:
    """Write every part for one message; return what could be written, and why the rest could not."""
    words: dict[str, str] = {}
    faults = dict(written.faults)
    values = values_of(notice, channel)
    for part in PARTS[channel]:
        template = written.templates.get(part.name)
        if template is None:
            continue
        try:
            if channel is ChannelName.sms:
                words[part.name] = _text_message(template, part, notice, written)
            else:
                words[part.name] = _checked(render_text(template, values), part, notice.links, written)
        except TextError as error:
            faults[part.name] = error
    return words, faults


def say_alert_parts(written: Written, alert: ShopAlert) -> tuple[dict[str, str], dict[str, TextError]]:
    """Write every part of what a shop is told; return what could be written, and why the rest could not."""
    words: dict[str, str] = {}
    faults = dict(written.faults)
    values = alert_values(alert)
    for part in parts_of(ChannelName.email, Stage.merchant_alert):
        if template := written.templates.get(part.name):
            try:
                words[part.name] = _checked(render_text(template, values), part, alert.links, written)
            except TextError as error:
                faults[part.name] = error
    return words, faults


def _text_message(template: BoundTemplate, part: Part, notice: Notice, written: Written) -> str:
    """Shorten names until the message costs no more than it may."""
    for longest in _SHORTER_NAMES:
        text = render_text(template, values_of(notice, ChannelName.sms, longest))
        said = _checked(text, part, notice.links, written)
        if cost_of(finish(said, notice, phrases_for(notice.locale))).segment_count <= MOST_SEGMENTS:
            return said
    raise TextError("too_long", f"takes more than {MOST_SEGMENTS} text messages")


def _checked(text: str, part: Part, links: MessageLinks | AlertLinks, written: Written) -> str:
    said = _NOT_TEXT.sub(" ", text) if part.html else one_line(text, 100_000)
    if not said.strip() and not part.may_be_empty:
        raise TextError("empty", "says nothing")
    if part.needs and len(said) > part.longest_said:
        raise TextError("too_long", f"has more than {part.longest_said} characters")
    for name in part.needs:
        link = getattr(links, name.removeprefix("links."))
        if link not in said and link.replace("&", "&amp;") not in said:
            raise TextError("no_link", f"does not say {{{{ {name} }}}} in every case")
    if part.html and written.looks_at_each:
        check_html(said)
    return said if part.html else one_line(said, part.longest_said)
