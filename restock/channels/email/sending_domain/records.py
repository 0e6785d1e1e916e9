"""TXT records: asking for them, reading their tags, and what is said of one. Only `look_up` asks DNS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_SECONDS = 3.0
Texts = Sequence[str] | None  # TXT records; None: DNS did not answer
Ask = Callable[[str], Texts]


class Standing(StrEnum):
    """How one record stands."""

    good = "good"
    absent = "absent"
    wrong = "wrong"
    unknown = "unknown"  # DNS did not answer, or does not know


@dataclass(frozen=True, slots=True)
class Record:
    """What was found of one matter, and what to do about it."""

    name: str
    standing: Standing
    sentence: str


def look_up(name: str) -> Texts:
    """Ask DNS for the TXT records of a name; empty when there are none, None when nobody answers in time."""
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except dns.exception.DNSException:
        return None
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def silent(record: str, name: str) -> Record:
    """Say that DNS did not answer."""
    return Record(record, Standing.unknown, f"{name} could not be looked up, DNS did not answer: try again later")


def tags(text: str) -> Mapping[str, str]:
    """Read `k=v; k=v`."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip(): "".join(value.split()) for name, _, value in pairs}
