"""Whom a domain lets send for it (SPF, RFC 7208), read as far as TXT records tell. Pure.

Who may send is not compared with anybody: which addresses a relay sends from is not known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network

from restock.channels.email.sending_domain.records import Ask, Record, Standing, silent

_MOST_LOOK_UPS = 10  # RFC 7208, section 4.6.4
_MECHANISM = re.compile(r"([+?~-]?)(all|(?:a|mx)(?:[:/].+)?|ptr(?::.+)?|(?:include|exists|ip4|ip6):.+)", re.IGNORECASE)
_MODIFIER = re.compile(r"[a-z][a-z0-9._-]*=.*", re.IGNORECASE)
_LOOKED_UP = ("include", "a", "mx", "ptr", "exists")


class _Broken(Exception):  # noqa: N818 (no error of ours: a finding)
    """A permerror: receivers take the whole record for none."""


class _Silent(Exception):  # noqa: N818 (the same)
    """DNS did not answer for a name."""


def judge_spf(domain: str, ask: Ask) -> Record:
    """Judge the SPF record of the domain mail comes back to, with all that it includes."""
    reading = _Reading(ask)
    try:
        if not reading.records(domain):
            sentence = f"{domain} names no senders: publish the SPF record of your mail provider there"
            return Record("SPF", Standing.absent, sentence)
        others = reading.others(domain)
    except _Silent as name:
        return silent("SPF", str(name))
    except _Broken as fault:
        return Record("SPF", Standing.wrong, str(fault))
    if others == "+":
        return Record(
            "SPF", Standing.wrong, f"the SPF record of {domain} lets everybody send: end it with ~all or -all"
        )
    if others == "?":
        return Record(
            "SPF", Standing.wrong, f"the SPF record of {domain} leaves open who may not send: end it with ~all or -all"
        )
    return Record("SPF", Standing.good, f"{domain} names who may send for it")


@dataclass
class _Reading:
    """One judgement: what it asks, and how many look-ups a receiver would have spent on it by now."""

    ask: Ask
    spent: int = 0

    def records(self, domain: str) -> list[str]:
        """List the SPF records of a domain: none, or one."""
        texts = self.ask(domain)
        if texts is None:
            raise _Silent(domain)
        found = [text for text in texts if text.lower().split(" ")[0] == "v=spf1"]
        if len(found) > 1:
            raise _Broken(f"{domain} has {len(found)} SPF records and may have one: merge them")
        return found

    def others(self, domain: str) -> str:
        """Give the qualifier for whoever is not named: +, ?, ~ or -. Nobody says: ? (section 4.7)."""
        found = self.records(domain)
        if not found:
            raise _Broken(f"SPF asks {domain}, which has no SPF record: leave it out, or correct its name")
        terms = found[0].split()[1:]
        _check(domain, terms)
        for term in terms:
            qualifier, name, value = _parts(term)
            if name == "all":
                return qualifier
            if name in _LOOKED_UP:
                self._spend()
            if qualifier == "+" and (_is_everybody(name, value) or self._includes_everybody(name, value)):
                return "+"
        return self._redirected(terms)

    def _includes_everybody(self, name: str, value: str) -> bool:
        """Read what is included for its faults; what depends on the message (macros) is nobody's to read."""
        return name == "include" and "%" not in value and self.others(value.lower().rstrip(".")) == "+"

    def _redirected(self, terms: list[str]) -> str:
        for term in terms:
            name, _, value = term.partition("=")
            if name.lower() == "redirect":
                self._spend()
                return "?" if "%" in value else self.others(value.lower().rstrip("."))
        return "?"

    def _spend(self) -> None:
        self.spent += 1
        if self.spent > _MOST_LOOK_UPS:
            raise _Broken(
                "the SPF record takes more than 10 look-ups, where receivers give up: take out what no longer sends"
            )


def _check(domain: str, terms: list[str]) -> None:
    """Find what receivers cannot read; one such term spoils the record."""
    for term in terms:
        if not _MECHANISM.fullmatch(term) and not _MODIFIER.fullmatch(term):
            raise _Broken(f"the SPF record of {domain} has {term!r}, which is not SPF: correct it")
        _, name, value = _parts(term)
        if name in ("ip4", "ip6") and _size(value) is None:
            raise _Broken(f"the SPF record of {domain} has {term!r}, which is no address: correct it")


def _parts(term: str) -> tuple[str, str, str]:
    """Split into qualifier, name in lower case, and value; a modifier has the name it begins with."""
    found = _MECHANISM.fullmatch(term)
    if found is None:
        return "", "", ""
    name = re.split("[:/]", found[2], maxsplit=1)[0]
    return found[1] or "+", name.lower(), found[2].partition(":")[2]


def _is_everybody(name: str, value: str) -> bool:
    return name in ("ip4", "ip6") and _size(value) == 0


def _size(network: str) -> int | None:
    """Give the length of a network's prefix; None: it is none."""
    try:
        return ip_network(network, strict=False).prefixlen
    except ValueError:
        return None
