"""The `doctor` command: looks at everything an instance needs and says what is amiss and how to mend it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import sqlalchemy.exc

from restock.channels.email.message import parse_sender
from restock.channels.email.sending_domain import SendingDomain, Standing, Texts, judge_domain, look_up
from restock.channels.push.subscription import key_name
from restock.channels.registry import channel_gaps, dkim_key, vapid_public_key
from restock.channels.values import ChannelName
from restock.commands.outages import say_outages
from restock.commands.surroundings import surroundings
from restock.config import Settings, has_password
from restock.database import server_fault
from restock.deliveries.limits.opening import pace_of
from restock.shops.values import ShopAccess

if TYPE_CHECKING:
    from restock.bootstrap import Services


class State(StrEnum):
    """How a part is, and the sign that says so."""

    well = "✓"
    off = "–"
    amiss = "✗"


@dataclass(frozen=True)
class Finding:
    """What was found about one part."""

    part: str
    state: State
    sentence: str


_NOBODYS = (".localhost", ".test", ".example", ".invalid")  # RFC 2606: in no DNS
_MOST_DOMAINS = 10  # each takes DNS that is silent some six seconds
_SIGNS = {
    Standing.good: State.well,
    Standing.absent: State.off,
    Standing.wrong: State.amiss,
    Standing.unknown: State.off,
}


def examine(_options: argparse.Namespace) -> int:
    """Print one line for each part; 1 when something is amiss."""
    with surroundings() as settings:
        from restock.bootstrap import build_services

        services = build_services(settings)
        findings = list(diagnose(settings, services))
        services.close()
    width = max(len(finding.part) for finding in findings)
    encodable = (sys.stdout.encoding or "").lower().startswith("utf")
    for finding in findings:
        sign = finding.state.value if encodable else finding.state.name
        print(f"{sign} {finding.part:<{width}}  {finding.sentence}")
    return int(any(finding.state is State.amiss for finding in findings))


def diagnose(settings: Settings, services: Services) -> Iterator[Finding]:
    """Look at every part in turn."""
    yield Finding("settings", State.well, f"readable, {settings.restock_env.value}, {settings.public_url}")
    yield from _database(services)
    yield _valkey(settings, services)
    yield from _shopify(settings)
    yield from _access(services)
    yield _email(settings)
    yield from _mail_domain(settings)
    yield from _shop_senders(services)
    yield _sms(settings)
    yield from _push(settings, services)
    yield from _providers(services)


def _providers(services: Services) -> Iterator[Finding]:
    """Say which providers take nothing now; what is configured well may be down all the same."""
    try:
        outages = services.deliveries.outages()
    except (sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError):
        return  # said above, of the database or its migrations
    yield Finding("providers", State.amiss if outages else State.well, say_outages(outages))


def _database(services: Services) -> Iterator[Finding]:
    try:
        at_head, fault = services.database.at_head(), server_fault(services.database.server_version())
    except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError):
        yield Finding("database", State.amiss, "does not answer: check DATABASE_URL and that PostgreSQL runs")
        return
    yield Finding("database", State.amiss, fault) if fault else Finding("database", State.well, "answers")
    mend = Finding("migrations", State.amiss, "not at the newest: run restock migrate")
    yield Finding("migrations", State.well, "at the newest") if at_head else mend


def _valkey(settings: Settings, services: Services) -> Finding:
    if not services.doorbell.answers():
        return Finding(
            "valkey", State.amiss, "does not answer (messages still go out, later): check REDIS_URL and that it runs"
        )
    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    protected = "with a password" if has_password(url) else "no password"
    return Finding("valkey", State.well, f"answers, {'private socket' if url.startswith('unix:') else protected}")


def _shopify(settings: Settings) -> Iterator[Finding]:
    if settings.shopify_api_secret is None:
        yield Finding("shopify", State.amiss, "hooks are refused: set SHOPIFY_API_SECRET")
    elif settings.is_production and not settings.shopify_api_key:
        yield Finding("shopify", State.amiss, "the admin cannot be opened: set SHOPIFY_API_KEY")
    else:
        yield Finding("shopify", State.well, f"secret set, Admin API {settings.shopify_api_version}")


def _access(services: Services) -> Iterator[Finding]:
    try:
        shops = services.shops.list()
    except (sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError):
        return  # said above, of the database or its migrations
    over = [shop.domain for shop in shops if shop.is_installed and shop.access is ShopAccess.needs_reauth]
    if over:
        named = ", ".join(over[:5]) + (f" and {len(over) - 5} more" if len(over) > 5 else "")
        yield Finding("shops", State.amiss, f"access is over, somebody must open the app in its admin: {named}")
    elif shops:
        granted = sum(shop.is_installed and shop.access is ShopAccess.granted for shop in shops)
        installed = sum(shop.is_installed for shop in shops)
        yield Finding("shops", State.well, f"{installed} with the app, {granted} of them can be asked about stock")


def _email(settings: Settings) -> Finding:
    if settings.smtp_url is None:
        return Finding("e-mail", State.off, "off: set SMTP_URL")
    if settings.is_production and settings.email_from.endswith("@localhost>"):
        return Finding("e-mail", State.amiss, "sent from localhost, which mailboxes refuse: set EMAIL_FROM")
    return Finding("e-mail", State.well, f"on, from {settings.email_from}")


def _mail_domain(settings: Settings, ask: Callable[[str], Texts] = look_up) -> Iterator[Finding]:
    """Look at what DNS says of the sender's domains; a name that is nobody's in DNS is passed over."""
    domain = parse_sender(settings.email_from).domain.lower()
    if settings.smtp_url is None or "." not in domain or domain.endswith(_NOBODYS):
        return
    key = dkim_key(settings)
    dkim = None if key is None else (f"{key.selector}._domainkey.{key.domain}", key.record)
    back = settings.email_bounce_address if settings.secret_keys else ""  # without a key no return path is made
    envelope = back.rpartition("@")[2].lower() or domain
    for record in judge_domain(SendingDomain(domain, envelope, dkim), ask):
        yield Finding(record.name, _SIGNS[record.standing], record.sentence)


def _shop_senders(services: Services, ask: Callable[[str], Texts] = look_up) -> Iterator[Finding]:
    """Look at the domains that shops with providers of their own send from; what is signed, and where mail comes back
    to, is the provider's to say.
    """
    try:
        addresses = services.shops.mailings.senders()
    except (sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError):
        return  # said above, of the database or its migrations
    domains = sorted({address.rpartition("@")[2].lower() for address in addresses.values()})
    for domain in [one for one in domains if not one.endswith(_NOBODYS)][:_MOST_DOMAINS]:
        for record in judge_domain(SendingDomain(domain), ask):
            yield Finding(f"{record.name} of a shop", _SIGNS[record.standing], record.sentence)


def _sms(settings: Settings) -> Finding:
    if not (settings.twilio_account_sid and settings.twilio_auth_token):
        return Finding("sms", State.off, "off: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN")
    if not (settings.twilio_messaging_service_sid or settings.twilio_from):
        return Finding("sms", State.amiss, "no sender: set TWILIO_MESSAGING_SERVICE_SID or TWILIO_FROM")
    inbound = f"{settings.public_url}/webhooks/twilio/inbound"
    pace = pace_of(settings)
    speed = f"{pace.segments_per_second:g} segments a second (SMS_SEGMENTS_PER_SECOND)" if pace else "unpaced"
    return Finding("sms", State.well, f"on, {speed}; have the sender's incoming messages posted to {inbound}")


def _push(settings: Settings, services: Services) -> Iterator[Finding]:
    """Look at the key, at whom push services may write to, and at browsers that are bound to another key."""
    gap = channel_gaps(settings).get(ChannelName.push)
    public_key = vapid_public_key(settings)
    if settings.vapid_private_key is None:
        yield Finding("web push", State.off, "off: make a key with restock secrets vapid, and set VAPID_PRIVATE_KEY")
    elif gap is not None or public_key is None:
        yield Finding("web push", State.amiss, gap or "VAPID_PRIVATE_KEY cannot be used")
    elif settings.is_production and _is_nobodys(settings.vapid_subject):
        yield Finding(
            "web push", State.amiss, "Apple refuses this contact: set VAPID_SUBJECT to a mailto: or https: of your own"
        )
    else:
        yield Finding("web push", State.well, f"on, key {key_name(public_key)}")
        yield from _browsers(services, key_name(public_key))


def _is_nobodys(subject: str) -> bool:
    """Say whether a VAPID subject leads to no host that is in DNS."""
    host = (urlsplit(subject).hostname or "") if subject.startswith("https://") else subject.rpartition("@")[2]
    return "." not in host or host.lower().endswith(_NOBODYS)


def _browsers(services: Services, ours: str) -> Iterator[Finding]:
    try:
        counts = services.reports.browsers_by_key()
    except (sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError):
        return  # said above, of the database or its migrations
    if lost := sum(count for name, count in counts.items() if name not in (None, ours)):
        others = ", ".join(sorted(name for name in counts if name not in (None, ours)))
        yield Finding(
            "browsers",
            State.amiss,
            f"{lost} that wait were subscribed with another key ({others}) and cannot be reached: put that key back "
            "into VAPID_PRIVATE_KEY, or they must sign up again",
        )
    elif counts:
        yield Finding("browsers", State.well, f"{sum(counts.values())} wait, none of another key")
