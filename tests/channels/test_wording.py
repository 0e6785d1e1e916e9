"""Every language says everything, in the same slots; a stranger's text never breaks a line."""

from __future__ import annotations

import string
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.tongues import LANGUAGES
from restock.channels.values import NoticeKind, ProductFacts
from restock.channels.wording import duration, isolate, one_line, phrases_for, product_name
from tests.channels.benches import notice_for

ENGLISH = phrases_for("en")


def slots(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_phrase_with_the_same_slots(language: str) -> None:
    phrases = phrases_for(language)
    assert phrases.language == language
    assert set(phrases.texts) == set(ENGLISH.texts)
    for key, text in phrases.texts.items():
        assert slots(text) == slots(ENGLISH.texts[key]), key
        assert text == text.strip() != "", key


def test_every_phrase_file_is_a_known_language() -> None:
    files = resources.files("restock.channels").joinpath("locales").iterdir()
    assert {path.name.removesuffix(".json") for path in files if path.name.endswith(".json")} == set(LANGUAGES)


@pytest.mark.parametrize(
    ("locale", "language"),
    [("fr-CA", "fr"), ("fr_FR", "fr"), ("DE", "de"), ("es-419", "es"), ("ar-EG", "ar"), ("el", "en"),
     ("", "en"), ("../../etc", "en"), ("x" * 500, "en")],
)  # fmt: skip
def test_a_locale_falls_back_to_its_language_and_then_to_english(locale: str, language: str) -> None:
    assert phrases_for(locale).language == language


@given(text=st.text(alphabet=st.characters(), max_size=400), longest=st.integers(1, 300))
def test_any_text_becomes_one_printable_line_within_its_length(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert len(line) <= longest
    assert len(line.splitlines()) <= 1
    assert not set("\u202e\u2066\u2069\x00\x1b") & set(line)
    line.encode()


def test_goods_are_named_by_title_and_variant_or_in_general_words() -> None:
    notice = notice_for(1)
    assert product_name(notice, ENGLISH) == "Harbour Vase – Deep green"
    assert product_name(replace(notice, product=ProductFacts("Vase")), ENGLISH) == "Vase"
    assert product_name(replace(notice, product=ProductFacts(" \n")), ENGLISH) == "the item you asked for"
    assert product_name(replace(notice, product=None), ENGLISH) == "the item you asked for"


@pytest.mark.parametrize(
    ("minutes", "language", "said"),
    [(1, "en", "1 minute"), (45, "en", "45 minutes"), (60, "en", "1 hour"), (90, "en", "90 minutes"),
     (120, "de", "2 Stunden"), (1440, "es", "1 día"), (10080, "en", "1 week"), (60, "ar", "ساعة")],
)  # fmt: skip
def test_a_turn_s_length_is_said_in_the_largest_unit_it_fills(minutes: int, language: str, said: str) -> None:
    assert duration(minutes, language) == said


def test_names_are_isolated_only_where_lines_run_right_to_left() -> None:
    assert isolate("Vase", ENGLISH) == "Vase"
    assert isolate("Vase", phrases_for("ar")) == "\u2068Vase\u2069"


def test_a_test_message_speaks_like_the_offer_it_is_a_sample_of() -> None:
    said = [
        ENGLISH.kind("push", notice_for(1, kind), "body", shop="A", product="B")
        for kind in (NoticeKind.test, NoticeKind.offer)
    ]
    assert said[0] == said[1]
