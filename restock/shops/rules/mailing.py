"""What a shop must say to send e-mail by a provider of its own: read, judged, and nothing of it looked up. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from restock.channels.email.message import Sender, parse_sender
from restock.channels.email.providers.catalogue import KINDS, Kind, ProviderName
from restock.channels.email.reports.signatures import is_public_key
from restock.channels.email.reports.sns import topic_region
from restock.errors import Fault, ValidationError

LONGEST_SECRET = 512
# Mail from a public mailbox that another company sends is refused for want of DMARC alignment, by these first of all.
_PUBLIC_MAILBOXES = re.compile(
    r"(?:gmail|googlemail|ymail|aol|outlook|hotmail|live|msn|icloud|me|mac|mail|protonmail|zoho|yandex)\.com"
    r"|yahoo\.[a-z.]{2,6}|gmx\.(?:com|net|de|at|ch)|web\.de|proton\.me|mail\.ru"
)


@dataclass(frozen=True, slots=True)
class Mailing:
    """What was typed, checked. A secret None: the one that is kept stays."""

    kind: Kind
    sender: Sender
    options: Mapping[str, str]
    secret: str | None = field(default=None, repr=False)
    hook_secret: str | None = field(default=None, repr=False)


def read_mailing(typed: Mapping[str, str], *, has_secret: ProviderName | None = None) -> Mailing:
    """Read `provider`, `from`, `secret`, `hook_secret` and the provider's options.

    `has_secret` names the provider a secret is kept of, None: there is none yet. Raises ValidationError with every
    fault.
    """
    name = typed.get("provider", "").strip().lower()
    if name not in [known.value for known in ProviderName]:
        allowed = ", ".join(known.value for known in ProviderName)
        fault = Fault("provider", "INVALID_PROVIDER", f"must be one of {allowed}")
        raise ValidationError("This is no provider we know.", faults=[fault])
    kind = KINDS[ProviderName(name)]
    faults: list[Fault] = []
    sender = _sender(typed.get("from", ""), faults)
    options = {option.name: _option(kind, option.name, typed, faults) for option in kind.options}
    secret = _secret(kind, "secret", typed.get("secret", ""), faults)
    if secret is None and has_secret is not kind.name:
        faults.append(Fault("secret", "REQUIRED", f"is required: {kind.secret}"))
    hook_secret = _secret(kind, "hook_secret", typed.get("hook_secret", ""), faults)
    if faults:
        raise ValidationError("The e-mail provider was not changed.", faults=faults)
    return Mailing(kind, sender, options, secret, hook_secret)


def is_public_mailbox(domain: str) -> bool:
    """Say whether a domain is one that everybody has an address at."""
    return _PUBLIC_MAILBOXES.fullmatch(domain.lower()) is not None


def _sender(text: str, faults: list[Fault]) -> Sender:
    try:
        sender = parse_sender(text.strip())
    except ValueError:
        sender = Sender("")
    if "." not in sender.domain:
        faults.append(Fault("from", "INVALID_SENDER", "must be an address of yours such as Shop <hello@example.com>"))
    elif is_public_mailbox(sender.domain):
        sentence = "must be an address at a domain of yours: mailboxes refuse what others send from a public one"
        faults.append(Fault("from", "PUBLIC_MAILBOX", sentence))
    return sender


def _option(kind: Kind, name: str, typed: Mapping[str, str], faults: list[Fault]) -> str:
    option = next(one for one in kind.options if one.name == name)
    text = typed.get(name, "").strip().lower() or option.default
    if text is None or not option.pattern.fullmatch(text):
        faults.append(Fault(name, "REQUIRED" if text is None else "INVALID_OPTION", f"must be {option.allowed}"))
        return ""
    return text


def _secret(kind: Kind, name: str, text: str, faults: list[Fault]) -> str | None:
    text = text.strip()
    if not text:
        return None
    if len(text) > LONGEST_SECRET or not (text.isascii() and text.isprintable() and " " not in text):
        faults.append(Fault(name, "INVALID_SECRET", f"must be 1 to {LONGEST_SECRET} plain characters without spaces"))
    elif not _has_form(kind.name, name, text):
        wanted = kind.secret if name == "secret" else kind.hook_secret
        faults.append(Fault(name, "INVALID_SECRET", f"must be {wanted}"))
    return text


def _has_form(provider: ProviderName, name: str, text: str) -> bool:
    """Say whether a key looks like one, where providers give theirs a form."""
    match provider, name:
        case ProviderName.ses, "secret":
            return ":" in text
        case ProviderName.sendgrid, "hook_secret":
            return is_public_key(text)
        case ProviderName.ses, "hook_secret":
            return topic_region(text) is not None
        case ProviderName.resend, "hook_secret":
            return text.startswith("whsec_")
    return True
