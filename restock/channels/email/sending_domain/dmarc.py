"""What a domain asks receivers to do with mail that is not its own, and which domain is the organization's. Pure.

There is no list of public suffixes here: the organizational domain is found by walking up the tree, as the successor of
RFC 7489 has it (DMARCbis), at most eight look-ups. Receivers of the older rule may take a higher parent for it, where
that parent has no record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from restock.channels.email.sending_domain.records import Ask, Record, Standing, silent, tags

_MOST_STEPS = 8
_VERSION = re.compile(r"\s*v\s*=\s*DMARC1\s*(;|$)")
_POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of receivers: `wish` is none, quarantine or reject; strict is the very same domain."""

    wish: str
    strict_dkim: bool
    strict_spf: bool


def judge_dmarc(domain: str, ask: Ask) -> tuple[Record, Policy | None]:
    """Judge the policy for From's domain, its own or the organization's; None: there is none that can be read."""
    top = organization_of(domain, ask)
    for name in _upward(domain):
        texts = ask(f"_dmarc.{name}")
        if texts is None:
            return silent("DMARC", f"_dmarc.{name}"), None
        found = _records(texts)
        if len(found) > 1:
            sentence = f"_dmarc.{name} has {len(found)} DMARC records, of which receivers take none: keep one"
            return Record("DMARC", Standing.wrong, sentence), None
        if found and name in (domain, top):
            return _judged(name, found[0], is_own=name == domain)
    sentence = f"there is no DMARC policy: publish at _dmarc.{domain}, to begin with: v=DMARC1; p=none"
    return Record("DMARC", Standing.absent, sentence), None


def organization_of(domain: str, ask: Ask) -> str | None:
    """Name the organizational domain: the highest with a record, or what a psd tag says; None: DNS is silent."""
    highest, below = domain, domain
    for name in _upward(domain):
        texts = ask(f"_dmarc.{name}")
        if texts is None:
            return None
        found = _records(texts)
        if len(found) == 1:
            if found[0].get("psd") == "n":
                return name
            if found[0].get("psd") == "y" and name != domain:
                return below
            highest = name
        below = name
    return highest


def _upward(domain: str) -> Iterator[str]:
    """Walk from a domain to its top, leaving out the middle of a long one."""
    labels = domain.split(".")
    yield domain
    for count in range(min(len(labels), _MOST_STEPS) - 1, 0, -1):
        yield ".".join(labels[-count:])


def _records(texts: Sequence[str]) -> list[Mapping[str, str]]:
    return [tags(text) for text in texts if _VERSION.match(text)]


def _judged(name: str, found: Mapping[str, str], *, is_own: bool) -> tuple[Record, Policy | None]:
    wish = (found.get("p", "") if is_own else found.get("sp", found.get("p", ""))).lower()
    if wish not in _POLICIES:
        sentence = f"the DMARC record at _dmarc.{name} names no policy: add p=none, p=quarantine or p=reject"
        return Record("DMARC", Standing.wrong, sentence), None
    policy = Policy(wish, found.get("adkim", "").lower() == "s", found.get("aspf", "").lower() == "s")
    return Record("DMARC", Standing.good, f"policy {wish}" + ("" if is_own else f", that of {name}")), policy
