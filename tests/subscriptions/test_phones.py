"""What people type as a phone number, and what becomes of it."""

from __future__ import annotations

import csv
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from restock.subscriptions.rules.phones import PhoneFault, PhoneHints, normalise_phone, read_whole
from tests.spent import at_most

TABLE = list(csv.DictReader((Path(__file__).parent / "phones.tsv").read_text().splitlines(), delimiter="\t"))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['phone']}-{row['country']}-{row['note']}")
def test_every_agreed_number_is_read_as_agreed(row: dict[str, str]) -> None:
    hints = PhoneHints(row["country_code"].lstrip("+") or None, row["country"].upper() or None)
    found = normalise_phone(row["phone"], hints)
    if row["expected_e164"]:
        assert found == row["expected_e164"]
    else:
        assert isinstance(found, PhoneFault)


@pytest.mark.parametrize(
    ("typed", "hints", "expected"),
    [
        ("0812 3676393", PhoneHints(region="IN"), "+918123676393"),
        ("8123676393", PhoneHints(shop_region="IN"), "+918123676393"),
        ("4155552671", PhoneHints(shop_region="US"), "+14155552671"),
        ("918123676393", PhoneHints(shop_region="US"), "+918123676393"),
        ("tel:+918123676393", PhoneHints(), "+918123676393"),
        ("(+91) 8123-676393", PhoneHints(), "+918123676393"),
        ("+918123676393", PhoneHints(), "+918123676393"),
        ("00918123676393", PhoneHints(), "+918123676393"),
        ("00918123676393", PhoneHints(shop_region="US"), "+918123676393"),
        ("+918123676393", PhoneHints("44", "GB", "US"), "+918123676393"),
    ],
)
def test_a_number_is_read_by_the_most_certain_hint(typed: str, hints: PhoneHints, expected: str) -> None:
    assert normalise_phone(typed, hints) == expected


@pytest.mark.parametrize(
    ("typed", "hints"),
    [
        ("+442079460018", PhoneHints()),
        ("02079460018", PhoneHints("44", "GB", "US")),
        ("+18005550199", PhoneHints()),
    ],
)
def test_a_line_that_gets_no_sms_is_called_that(typed: str, hints: PhoneHints) -> None:
    assert normalise_phone(typed, hints) is PhoneFault.PHONE_NOT_SMS_CAPABLE


@pytest.mark.parametrize(
    "typed", ["", " ", "+", "12", "1-800-FLOWERS", "+1 415 555 2671 ext 5", "a@b.c", "9" * 41, "٠"]
)
def test_what_is_no_number_is_refused(typed: str) -> None:
    assert normalise_phone(typed, PhoneHints(shop_region="US")) is PhoneFault.INVALID_PHONE


@pytest.mark.parametrize("text", ["\u0315" * 16_000 + "\u0316" * 16_000, "\ufdfa" * 21_000], ids=["marks", "ligatures"])
def test_a_long_text_is_refused_before_anything_is_made_of_it(text: str) -> None:
    """To put tens of thousands of marks in order takes seconds."""
    with at_most(0.3):
        assert normalise_phone(text, PhoneHints()) is PhoneFault.INVALID_PHONE


def test_spaces_around_a_number_are_forgiven_however_many() -> None:
    assert normalise_phone(" " * 500 + "tel:+918123676393" + "\t" * 500, PhoneHints()) == "+918123676393"


@given(st.text(max_size=60), st.sampled_from([None, "1", "91", "999"]), st.sampled_from([None, "IN", "US", "ZZ"]))
def test_anything_typed_gets_an_answer(typed: str, calling_code: str | None, region: str | None) -> None:
    found = normalise_phone(typed, PhoneHints(calling_code, region, "DE"))
    assert isinstance(found, PhoneFault) or found.startswith("+")


_CODES = sorted(COUNTRY_CODE_TO_REGION_CODE)
_EXAMPLES = [
    phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    if (example := phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE))
]


@given(
    st.one_of(
        st.sampled_from(_EXAMPLES),
        st.builds(
            lambda code, rest: f"+{code}{rest}", st.sampled_from(_CODES), st.from_regex("[0-9]{2,13}", fullmatch=True)
        ),
        st.builds(
            lambda text, more: text[:-1] + more, st.sampled_from(_EXAMPLES), st.from_regex("[0-9]{0,2}", fullmatch=True)
        ),
    )
)
def test_the_short_way_reads_a_number_as_the_library_does(text: str) -> None:
    ours = read_whole(text)
    assert ours is None or ours == phonenumbers.parse(text, None)


@pytest.mark.parametrize("between", ["0", "1", "8", "06", "15", "national"])
def test_what_stands_between_calling_code_and_number_is_read_as_the_library_does(between: str) -> None:
    """Where it may be a national prefix, the library cuts it off."""
    for text in _EXAMPLES:
        code = str(phonenumbers.parse(text, None).country_code)
        region = COUNTRY_CODE_TO_REGION_CODE[int(code)][0]
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        inserted = (metadata.national_prefix if metadata else "") or "" if between == "national" else between
        longer = f"+{code}{inserted}{text.removeprefix('+' + code)}"
        ours = read_whole(longer)
        assert ours is None or ours == phonenumbers.parse(longer, None), longer


def test_most_mobile_numbers_go_the_short_way() -> None:
    assert sum(read_whole(text) is not None for text in _EXAMPLES) > len(_EXAMPLES) / 2
