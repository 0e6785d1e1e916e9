"""Whether mail is From's own: signed for its domain, or coming back to it (RFC 7489, section 3.1). Pure.

One of both is enough. What a relay signs or writes anew is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

from restock.channels.email.sending_domain.dmarc import Policy, organization_of
from restock.channels.email.sending_domain.records import Ask, Record, Standing

_THEN = {
    "none": "DMARC fails, though nobody acts on it yet",
    "quarantine": "mailboxes take this mail for spam",
    "reject": "mailboxes refuse this mail",
}


@dataclass(frozen=True, slots=True)
class Author:
    """From's domain, and what it asks of receivers."""

    domain: str
    policy: Policy


def judge_alignment(author: Author, signer: str | None, envelope: str, ask: Ask) -> Record:
    """Compare the domain of our signatures (None: nothing is signed here) and the return path's with From's."""
    domain, policy = author.domain, author.policy
    signed = None if signer is None else _is_aligned(signer, domain, ask, strict=policy.strict_dkim)
    if signed:
        return _found(Standing.good, f"signatures of {signer} stand for {domain}")
    returned = _is_aligned(envelope, domain, ask, strict=policy.strict_spf)
    if (signed is None and signer is not None) or returned is None:
        asked = envelope if returned is None else signer
        sentence = f"whether {asked} stands for {domain} could not be looked up, DNS did not answer: try again later"
        return _found(Standing.unknown, sentence)
    if signer is None:
        return _unsigned(domain, envelope, returned=returned)
    if returned:
        return _found(
            Standing.absent,
            f"only the return path {envelope} stands for {domain}, which forwarding breaks: set DKIM_DOMAIN={domain}",
        )
    return _found(
        Standing.wrong,
        f"neither signatures of {signer} nor the return path {envelope} stand for {domain}{_strictness(policy)}, so "
        f"{_THEN[policy.wish]} unless your relay signs for it: set DKIM_DOMAIN={domain}, "
        f"or EMAIL_BOUNCE_ADDRESS to an address of {domain}",
    )


def _unsigned(domain: str, envelope: str, *, returned: bool) -> Record:
    if returned:
        return _found(Standing.good, f"the return path {envelope} stands for {domain}")
    sentence = f"the return path {envelope} does not stand for {domain}: have your mail server sign for {domain}"
    return _found(Standing.unknown, f"{sentence}, or set DKIM_PRIVATE_KEY")


def _is_aligned(given: str, domain: str, ask: Ask, *, strict: bool) -> bool | None:
    """Say whether a domain stands for From's; None: DNS is silent."""
    if given == domain or strict:
        return given == domain
    mine, theirs = organization_of(domain, ask), organization_of(given, ask)
    return None if mine is None or theirs is None else mine == theirs


def _strictness(policy: Policy) -> str:
    strict = [name for name, is_so in (("adkim=s", policy.strict_dkim), ("aspf=s", policy.strict_spf)) if is_so]
    return f" ({' and '.join(strict)} ask for the very same domain)" if strict else ""


def _found(standing: Standing, sentence: str) -> Record:
    return Record("alignment", standing, sentence)
