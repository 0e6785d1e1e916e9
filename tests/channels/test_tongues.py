"""Which language a person is written to in, and that each of ours says everything, in its own words and direction."""

from __future__ import annotations

import json
import string
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import restock
from restock.channels.sms.message import compose
from restock.channels.sms.segments import cost_of
from restock.channels.texts.values import Stage
from restock.channels.texts.variables import sample
from restock.channels.tongues import LANGUAGES, nearest, nearest_of
from restock.channels.values import Envelope, Recipient
from restock.channels.wording import duration, known_locale, phrases_for
from restock.web.people_texts import texts_for

ROOT = Path(restock.__file__).parent
FOLDERS = {
    "messages": ROOT / "channels" / "locales",
    "pages": ROOT / "web" / "texts",
    "own page": ROOT / "web" / "preferences" / "texts",
    "form": ROOT / "storefront" / "texts",
}
RIGHT_TO_LEFT = {"ar", "he"}
LETTERS = {
    "ar": "ARABIC", "he": "HEBREW", "ja": "HIRAGANA KATAKANA CJK", "ko": "HANGUL", "uk": "CYRILLIC",
    "zh-CN": "CJK", "zh-TW": "CJK",
}  # fmt: skip
# Words that another language spells as English does; a name, or a mark that is the same everywhere.
SAME_AS_ENGLISH = {"[Test] {subject}", "[Test] {text}", "E-mail"}


def sentences(folder: str, language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((FOLDERS[folder] / f"{language}.json").read_text(encoding="utf-8"))
    return found


def slots(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("fr-CA", "fr"), ("fr_FR", "fr"), ("DE", "de"), ("es-419", "es"), ("ar-EG", "ar"), ("iw", "he"),
        ("pt", "pt-BR"), ("pt-BR", "pt-BR"), ("PT_br", "pt-BR"), ("pt-PT", "pt-PT"), ("pt-AO", "pt-PT"),
        ("zh", "zh-CN"), ("zh-CN", "zh-CN"), ("zh-SG", "zh-CN"), ("zh-TW", "zh-TW"), ("zh-HK", "zh-TW"),
        ("zh-Hant", "zh-TW"), ("zh-Hant-TW", "zh-TW"), ("zh-Hans-HK", "zh-CN"), ("zh_Hant_MO", "zh-TW"),
        ("no", "nb"), ("nn-NO", "nb"), ("nb", "nb"), ("uk-UA", "uk"), ("ja-JP", "ja"),
        ("el", None), ("", None), ("-", None), ("../../etc", None), ("zhx", None), ("x" * 9_000, None),
    ],
)  # fmt: skip
def test_the_nearest_language_is_found_by_script_country_and_old_names(locale: str, language: str | None) -> None:
    assert nearest(locale) == language
    assert phrases_for(locale).language == texts_for(locale).language == (language or "en")


def test_of_several_wishes_the_first_we_can_meet_counts() -> None:
    assert nearest_of(None, "", "el", "zh-HK", "de") == "zh-TW"
    assert nearest_of(None, "el") == "en"


@given(st.text(max_size=60))
def test_any_text_has_a_language(locale: str) -> None:
    assert nearest(locale) in (*LANGUAGES, None)
    assert nearest_of(locale) in LANGUAGES


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_language_is_spoken_everywhere(folder: str) -> None:
    assert {file.stem for file in FOLDERS[folder].glob("*.json")} == set(LANGUAGES)
    assert len(LANGUAGES) >= 20


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_language_says_everything_with_the_same_slots_and_its_own_direction(folder: str, language: str) -> None:
    english, own = sentences(folder, "en"), sentences(folder, language)
    assert list(own) == list(english)
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    assert own.pop("direction", direction) == phrases_for(language).direction == direction
    for key, text in own.items():
        assert slots(text) == slots(english[key]), key
        assert text == " ".join(text.replace("\u00a0", " ").split()) != "", key
        assert unicodedata.is_normalized("NFC", text), key


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_left_in_english(folder: str, language: str) -> None:
    english, own = sentences(folder, "en"), sentences(folder, language)
    left = {key for key in english if own[key] == english[key] and own[key] not in SAME_AS_ENGLISH}
    assert left <= {"direction"}
    if scripts := LETTERS.get(language):
        foreign = {key for key, text in own.items() if not _has_letters(_bare(text), scripts)}
        assert foreign <= {"direction"}


def _bare(text: str) -> str:
    return "".join(word for word, *_ in string.Formatter().parse(text))


def _has_letters(text: str, scripts: str) -> bool:
    return any(unicodedata.name(letter, "").startswith(tuple(scripts.split())) for letter in text)


@pytest.mark.parametrize("stage", [Stage.restock, Stage.reminder, Stage.confirmation])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_message_about_ordinary_goods_costs_one_segment_or_two_where_letters_are_not_latin(
    language: str, stage: Stage
) -> None:
    """A shop, a product and a variant of 37 letters together, and a link of 59."""
    notice = sample(stage, language)
    said = compose(Envelope(1, "r0-1", Recipient("+14155550000"), notice))
    assert "Harbour Vase - Deep green" in said.replace("–", "-"), "names are whole"
    most = 2 if language in LETTERS else 1
    cost = cost_of(said)
    assert (cost.segment_count <= most, cost.gsm) == (True, language not in LETTERS), said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("minutes", [1, 2, 5, 45, 60, 90, 120, 300, 1440, 2880, 10080])
def test_a_turn_s_length_is_said_in_every_language(language: str, minutes: int) -> None:
    said = duration(minutes, language)
    assert "duration" not in said
    assert said != duration(minutes, "el")
    assert any(letter.isalpha() for letter in said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_one_that_prices_and_dates_can_be_written_in(language: str) -> None:
    known = known_locale(language)
    assert known is not None
    assert known.text_direction == phrases_for(language).direction


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_we_say_of_an_offer_is_honest_in_every_language(language: str) -> None:
    """Everywhere the same two sentences follow one another: that it is back, and that nobody holds it."""
    texts = phrases_for(language).texts
    assert texts["email.reminder.note"] == texts["email.offer.note"]
    assert texts["push.offer.body"].count("{shop}") == 1
    assert len(texts["sms.offer.text"]) > len(texts["sms.offer.short"])
    assert "STOP" in texts["sms.stop"], "the word every carrier knows"
