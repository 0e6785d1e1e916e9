"""From what a person typed to the one e-mail address a message goes to, or the reason why not. Pure.

email-validator is the judge. Plain ASCII addresses take a short way that gives exactly its verdict at a twentieth of
its cost; no name is ever looked up.
"""

from __future__ import annotations

import re

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

LONGEST_ADDRESS = 254
_LONGEST_LOCAL_PART = 64

# Narrower than the library on purpose: no hyphen next to another, no digit in the last label, lower-case domain.
_LABEL = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_PLAIN = re.compile(rf"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@((?:{_LABEL}\.)+[a-z]{{2,63}})", re.ASCII)
_LONG_LABEL = re.compile(r"[^.]{64}")
_SPECIAL = tuple(f".{name}" for name in SPECIAL_USE_DOMAIN_NAMES)


def normalise_email(typed: str) -> str | None:
    """Return the address as it goes onto the wire (the domain lower-case, in ASCII); None when it is not one.

    Spaces around it are forgiven. Addresses with letters outside ASCII before the @ are refused: most mail servers
    cannot deliver to them.
    """
    text = typed.strip()
    return text if _is_plain(text) else judge_email(text)


def judge_email(text: str) -> str | None:
    """Give the library's verdict."""
    if len(text) > LONGEST_ADDRESS:
        return None
    try:
        return validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True).ascii_email
    except EmailNotValidError:
        return None


def _is_plain(text: str) -> bool:
    match = _PLAIN.fullmatch(text) if len(text) <= LONGEST_ADDRESS else None
    if match is None:
        return False
    local, domain = match.groups()
    return (
        len(local) <= _LONGEST_LOCAL_PART
        and not f".{domain}".endswith(_SPECIAL)
        and (len(domain) <= 63 or _LONG_LABEL.search(domain) is None)
    )
