"""From what a person typed to the one number an SMS goes to (E.164), or the reason why not. Pure.

Numbers are judged by Google's numbering data; nothing is ever repaired by adding or dropping a digit. Whether a line
exists nobody can say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumber, PhoneNumberType

_LONGEST = 40
_SCHEME = "tel:"
_TYPED = re.compile(r"[+0-9 ().\-/\u2010-\u2015]+", re.ASCII)
_WHOLE = re.compile(r"\+([1-9][0-9]{6,14})", re.ASCII)
_REACHABLE = frozenset(
    {
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
    }
)


class PhoneFault(StrEnum):
    """Why a number is refused."""

    INVALID_PHONE = "INVALID_PHONE"  # no such number in any reading of it
    PHONE_NOT_SMS_CAPABLE = "PHONE_NOT_SMS_CAPABLE"  # a real number, but of a kind that gets no SMS


@dataclass(frozen=True, slots=True)
class PhoneHints:
    """What else was said about a number. `calling_code` is digits, a region two letters; None: not said."""

    calling_code: str | None = None
    region: str | None = None
    shop_region: str | None = None


def normalise_phone(typed: str, hints: PhoneHints) -> str | PhoneFault:
    """Return the number in E.164, or why it is refused; the first reading that is a real number decides.

    Only where neither country nor calling code was given may a later reading win over one that gets no SMS: there the
    reading is a guess.
    """
    plain = typed.strip()
    if len(plain) > _LONGEST + len(_SCHEME):  # before it is normalised: thousands of marks take seconds
        return PhoneFault.INVALID_PHONE
    text = unicodedata.normalize("NFKC", plain).strip().removeprefix(_SCHEME)
    if len(text) > _LONGEST or not _TYPED.fullmatch(text):
        return PhoneFault.INVALID_PHONE
    guessing = "+" not in text and not (hints.calling_code or hints.region)
    verdict: str | PhoneFault = PhoneFault.INVALID_PHONE
    for number in _readings(text, hints):
        kind = phonenumbers.number_type(number)
        if kind != PhoneNumberType.UNKNOWN:  # the library's word for a number that is not valid
            if kind in _REACHABLE:
                return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            verdict = PhoneFault.PHONE_NOT_SMS_CAPABLE
            if not guessing:
                break
    return verdict


def read_whole(text: str) -> PhoneNumber | None:
    """Read a number in E.164 exactly as the library does, at a tenth of its cost; None: the library is to be asked.

    It is asked where a national prefix may stand between the calling code and the rest.
    """
    match = _WHOLE.fullmatch(text)
    if match is None:
        return None
    digits = match[1]
    code = next((code for size in (1, 2, 3) if (code := int(digits[:size])) in COUNTRY_CODE_TO_REGION_CODE), None)
    if code is None:
        return None
    rest = digits[len(str(code)) :]
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, COUNTRY_CODE_TO_REGION_CODE[code][0])
    if metadata is None or rest.startswith("0"):
        return None
    prefix = metadata.national_prefix_for_parsing
    if prefix and re.match(prefix, rest):
        return None
    return PhoneNumber(country_code=code, national_number=int(rest))


def warm_up(regions: Iterable[str]) -> None:
    """Load the numbering data of these regions, so that no shopper waits the milliseconds it takes."""
    for region in regions:
        phonenumbers.is_possible_number_string("1", region)


def _readings(text: str, hints: PhoneHints) -> Iterator[PhoneNumber]:
    """Yield what the text can mean, the most certain reading first."""
    if "+" in text:
        yield from _parse(text, None)
        return
    digits = re.sub(r"[^0-9]", "", text)
    region, calling_code = hints.region, hints.calling_code
    if calling_code is None and region is not None:
        calling_code = str(phonenumbers.country_code_for_region(region)) if region else None
    if calling_code and digits.startswith(calling_code):
        yield from _parse(f"+{digits}", None)
    if region is None and calling_code:
        region = phonenumbers.region_code_for_country_code(int(calling_code))
    if region:
        yield from _parse(text, region)
    yield from _parse("+" + digits.removeprefix("00"), None)
    if hints.shop_region and not (hints.region or hints.calling_code):
        yield from _parse(text, hints.shop_region)


def _parse(text: str, region: str | None) -> Iterator[PhoneNumber]:
    try:
        yield read_whole(text) or phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return
