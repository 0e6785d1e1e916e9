"""The providers a shop may choose, and what each of them has to know. Pure.

Every address a message is handed to is made here from a closed list: nothing a merchant types becomes a host name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from restock.channels.values import Doubt


class ProviderName(StrEnum):
    """Whom a shop may send its e-mail by, besides the instance's own mail server."""

    postmark = "postmark"
    sendgrid = "sendgrid"
    mailgun = "mailgun"
    resend = "resend"
    ses = "ses"  # Amazon SES, by its mail servers


@dataclass(frozen=True, slots=True)
class Option:
    """Something that is no secret. `default` None: it must be given."""

    name: str
    pattern: re.Pattern[str]
    allowed: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One provider. `secret` and `hook_secret` say where its keys are found; `hook_secret` None: we make that one.

    `hosts` is the address by region, where there are several. `doubt`: what a hand-over nobody answered comes to.
    """

    name: ProviderName
    title: str
    secret: str
    hosts: Mapping[str, str]
    options: Sequence[Option] = ()
    hook_secret: str | None = None
    doubt: Doubt = Doubt.resend_once

    def host_of(self, options: Mapping[str, str]) -> str:
        """Give the address messages are handed to."""
        region = options.get("region", "")
        return (self.hosts.get(region) or next(iter(self.hosts.values()))).format(region=region)


AMAZON_REGION = re.compile(r"[a-z]{2}-(?:gov-)?(?:central|(?:north|south)?(?:east|west)|north|south)-[1-9]")
_REGION = Option("region", re.compile(r"us|eu"), "us or eu", "us")
_DOMAIN = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")

KINDS: Mapping[ProviderName, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            ProviderName.postmark,
            "Postmark",
            "the API token of a server, under its API Tokens",
            {"": "https://api.postmarkapp.com"},
            (Option("stream", re.compile(r"[a-z0-9-]{1,30}"), "the id of a message stream", "outbound"),),
        ),
        Kind(
            ProviderName.sendgrid,
            "SendGrid",
            "an API key that may send mail, under Settings, API Keys",
            {"us": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"},
            (_REGION,),
            "the verification key of the signed event webhook, under Settings, Mail Settings, Event Webhooks",
        ),
        Kind(
            ProviderName.mailgun,
            "Mailgun",
            "a sending key of the domain, under Sending, Domain settings, Sending API keys",
            {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"},
            (Option("domain", _DOMAIN, "the domain as Mailgun has it, such as mg.example.com"), _REGION),
            "the HTTP webhook signing key, under API Security",
        ),
        Kind(
            ProviderName.resend,
            "Resend",
            "an API key that may send, under API Keys",
            {"": "https://api.resend.com"},
            (),
            "the signing secret of the webhook, which begins with whsec_",
            # It writes a Message-ID of its own, and its idempotency keys are tried within the batch: a repeat later
            # on could be a second message.
            doubt=Doubt.at_most_once,
        ),
        Kind(
            ProviderName.ses,
            "Amazon SES",
            "the SMTP user name and password as NAME:PASSWORD, under SMTP settings (no access key of AWS itself)",
            {"": "email-smtp.{region}.amazonaws.com"},
            (Option("region", AMAZON_REGION, "a region of AWS such as eu-west-1", "us-east-1"),),
            "the ARN of the SNS topic it publishes its feedback to, such as arn:aws:sns:eu-west-1:123456789012:mail",
        ),
    )
}
