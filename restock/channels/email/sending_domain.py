"""What DNS says of the domain mail is sent from: SPF, DKIM, DMARC, as mailbox providers will judge it.

The judgements are pure; only `look_up` asks DNS, for a few seconds at most. DNS cannot say what a relay adds: what is
merely absent is said, never called broken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_SECONDS = 3.0
Texts = Sequence[str] | None  # TXT records; None: DNS did not answer


class Standing(StrEnum):
    """How one record stands."""

    good = "good"
    absent = "absent"
    wrong = "wrong"
    unknown = "unknown"  # DNS did not answer


@dataclass(frozen=True, slots=True)
class Record:
    """What was found under one name, and what to do about it."""

    name: str
    standing: Standing
    sentence: str


def judge_domain(domain: str, dkim: tuple[str, str] | None, ask: Callable[[str], Texts]) -> list[Record]:
    """Judge a domain's records; `dkim` names our key's record and what it should hold, None: nothing is signed here."""
    found = [_spf(domain, ask(domain))]
    if dkim is not None:
        found.append(_dkim(*dkim, ask(dkim[0])))
    found.append(_dmarc(domain, ask(f"_dmarc.{domain}"), organisation_of(domain), ask))
    return found


def organisation_of(domain: str) -> str | None:
    """Name the parent under which a DMARC record may stand as well; None where there is none."""
    parent = domain.partition(".")[2]
    return parent if "." in parent else None


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


def _spf(domain: str, texts: Texts) -> Record:
    if texts is None:
        return _silent("SPF", domain)
    records = [text for text in texts if text.lower().split(" ")[0] == "v=spf1"]
    if len(records) > 1:
        return Record("SPF", Standing.wrong, f"{domain} has {len(records)} SPF records and may have one: merge them")
    if not records:
        return Record(
            "SPF", Standing.absent, f"{domain} names no senders: publish the SPF record of your mail provider"
        )
    if records[0].lower().split()[-1] == "+all":
        return Record(
            "SPF", Standing.wrong, f"the SPF record of {domain} lets everybody send: end it with ~all or -all"
        )
    return Record("SPF", Standing.good, f"{domain} names who may send for it")


def _dkim(name: str, wanted: str, texts: Texts) -> Record:
    if texts is None:
        return _silent("DKIM", name)
    keys = [tags["p"] for text in texts if "p" in (tags := _tags(text))]
    if not keys:
        return Record("DKIM", Standing.absent, f"publish this TXT record at {name}: {wanted}")
    if _tags(wanted)["p"] not in keys:
        return Record("DKIM", Standing.wrong, f"{name} holds another key than DKIM_PRIVATE_KEY; it should be: {wanted}")
    return Record("DKIM", Standing.good, f"{name} holds the other half of our key")


def _dmarc(domain: str, texts: Texts, parent: str | None, ask: Callable[[str], Texts]) -> Record:
    if texts is None:
        return _silent("DMARC", domain)
    records = [tags for text in texts if (tags := _tags(text)).get("v") == "DMARC1"]
    if not records and parent is not None:
        records = [tags for text in ask(f"_dmarc.{parent}") or () if (tags := _tags(text)).get("v") == "DMARC1"]
    if not records:
        return Record("DMARC", Standing.absent, f"publish at _dmarc.{domain}, to begin with: v=DMARC1; p=none")
    return Record("DMARC", Standing.good, f"policy {records[0].get('p', 'none')}")


def _silent(record: str, name: str) -> Record:
    return Record(record, Standing.unknown, f"{name} could not be looked up: DNS did not answer")


def _tags(text: str) -> Mapping[str, str]:
    """Read `k=v; k=v`."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip(): "".join(value.split()) for name, _, value in pairs}
