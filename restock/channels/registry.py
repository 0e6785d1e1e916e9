"""Open the channels this instance has, from its settings; the only place that names a concrete channel.

A channel is opened, and its libraries are loaded, when it is first asked for: a web process never does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from restock.channels.email.message import Sender, parse_sender
from restock.channels.email.smtp_server import parse_smtp_url
from restock.channels.port import Channel
from restock.channels.sms.prices import read_prices
from restock.channels.values import ChannelName
from restock.links import Links

if TYPE_CHECKING:
    from restock.channels.email.dkim import DkimKey
    from restock.config import Settings

OFFICIAL_TWILIO = "https://api.twilio.com"
_PACED_SECONDS = 5.0


class Channels(Mapping[ChannelName, Channel]):
    """Every channel whose provider is configured; a missing one is absent, and `channel_gaps` says why.

    Each is made when it is first asked for; nothing is connected until the first message. The timeouts stay well below
    the delivery lease. Safe across threads.
    """

    def __init__(self, settings: Settings) -> None:
        gaps = channel_gaps(settings)
        self._settings = settings
        self._names = tuple(name for name in _BUILDERS if name not in gaps)
        self._open: dict[ChannelName, Channel] = {}
        self._opening = Lock()

    def __getitem__(self, name: ChannelName) -> Channel:
        found = self._open.get(name)
        if found is None:
            if name not in self._names:
                raise KeyError(name)
            with self._opening:
                found = self._open.get(name) or self._open.setdefault(name, _BUILDERS[name](self._settings))
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[ChannelName]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def close(self) -> None:
        """Close those that were ever asked for; they open again when used."""
        for channel in list(self._open.values()):
            channel.close()


def open_email_channel(settings: Settings) -> Channel | None:
    """Make an e-mail channel besides the worker's, for whoever closes it soon; None where e-mail is off."""
    return None if ChannelName.email in channel_gaps(settings) else _open_email(settings)


def channel_gaps(settings: Settings) -> dict[ChannelName, str]:
    """Say for each channel that cannot be opened what is missing or wrong, in a sentence for the operator."""
    found = {name: "; ".join(check(settings)) for name, check in _CHECKS.items()}
    return {name: sentence for name, sentence in found.items() if sentence}


def provider_names(settings: Settings) -> dict[ChannelName, str]:
    """Name whom each channel hands its messages to: another mail server is another provider. Never a secret."""
    found = {ChannelName.sms: urlsplit(settings.twilio_api_url).netloc, ChannelName.push: "push services"}
    if settings.smtp_url is not None:
        with suppress(ValueError):  # said by `channel_gaps`
            server = parse_smtp_url(settings.smtp_url.get_secret_value())
            found[ChannelName.email] = f"{server.host}:{server.port}"
    return found


def provider_faults(settings: Settings) -> list[str]:
    """Say which values are set and cannot be right, a sentence each; one that is missing only keeps its channel off."""
    checks: list[tuple[str, Callable[[str], object], str]] = [("EMAIL_FROM", parse_sender, settings.email_from)]
    if settings.email_bounce_address:
        from restock.channels.email.reports.returned import check_bounce_address

        checks.append(("EMAIL_BOUNCE_ADDRESS", check_bounce_address, settings.email_bounce_address))
    if settings.sms_prices:
        checks.append(("SMS_PRICES", lambda text: read_prices(text, settings.sms_currency), settings.sms_prices))
    if settings.smtp_url is not None:
        checks.append(("SMTP_URL", parse_smtp_url, settings.smtp_url.get_secret_value()))
    if settings.dkim_private_key is not None:
        checks.append(("DKIM_PRIVATE_KEY", lambda _: dkim_key(settings), ""))
    if settings.vapid_private_key is not None or settings.vapid_subject:
        from restock.channels.push.vapid import check_subject, public_key_of

        if settings.vapid_private_key is not None:
            checks.append(("VAPID_PRIVATE_KEY", public_key_of, settings.vapid_private_key.get_secret_value()))
        if settings.vapid_subject:
            checks.append(("VAPID_SUBJECT", check_subject, settings.vapid_subject))
    return [sentence for check in checks for sentence in _refusal(*check)]


def vapid_public_key(settings: Settings) -> str | None:
    """Return the key browsers subscribe with (`applicationServerKey`); None when web push is off."""
    secret = settings.vapid_private_key
    if secret is None or ChannelName.push in channel_gaps(settings):
        return None
    from restock.channels.push.vapid import public_key_of

    return public_key_of(secret.get_secret_value())


def dkim_key(settings: Settings) -> DkimKey | None:
    """Read the key e-mails are signed with, None when there is none; raise ValueError for one that cannot be used."""
    if settings.dkim_private_key is None:
        return None
    from restock.channels.email.dkim import read_dkim_key

    domain = settings.dkim_domain or parse_sender(settings.email_from).domain
    return read_dkim_key(domain.lower(), settings.dkim_selector.lower(), settings.dkim_private_key.get_secret_value())


def _open_email(settings: Settings) -> Channel:
    """Open the instance's mail server, and behind it the way to the providers that shops have chosen."""
    from restock.channels.email.providers.routing import Patience, RoutingChannel

    sender = parse_sender(settings.email_from)
    url = settings.smtp_url.get_secret_value() if settings.smtp_url else ""
    read_seconds = min(20.0, settings.delivery_lease_seconds / 3)
    return RoutingChannel(
        instance=_open_mail_server(settings, url, sender, dkim_key(settings), _return_path(settings)),
        open_server=partial(_open_shops_server, settings),
        mark=Links(settings.secret_keys, settings.public_url).report_mark if settings.secret_keys else _no_mark,
        patience=Patience(min(3.0, read_seconds), read_seconds, _batch_seconds(settings)),
    )


def _no_mark(_delivery_id: int) -> str:
    return ""


def _open_shops_server(settings: Settings, url: str, sender: Sender) -> Channel:
    """Open a shop's own: it signs by itself, and takes no return path but of the shop's own domain."""
    from restock.channels.email.reports.events import amazon_id

    return _open_mail_server(settings, url, sender, None, None, given_id=amazon_id)


def _open_mail_server(
    settings: Settings,
    url: str,
    sender: Sender,
    key: DkimKey | None,
    return_path: Callable[[int], str] | None,
    *,
    given_id: Callable[[bytes], str | None] | None = None,
) -> Channel:
    from restock.channels.email.channel import EmailChannel
    from restock.channels.email.smtp_pool import SmtpPool
    from restock.channels.email.smtp_server import Patience

    read_seconds = min(20.0, settings.delivery_lease_seconds / 3)
    patience = Patience(connect_seconds=min(5.0, read_seconds), read_seconds=read_seconds)
    pool = SmtpPool(parse_smtp_url(url), sender.domain, sender.address, patience=patience)
    seconds = _batch_seconds(settings)
    return EmailChannel(pool, sender, batch_seconds=seconds, key=key, return_path=return_path, given_id=given_id)


def _return_path(settings: Settings) -> Callable[[int], str] | None:
    """Have what cannot be delivered come back to an address that names the delivery."""
    if not (settings.email_bounce_address and settings.secret_keys):
        return None
    from restock.channels.email.reports.returned import return_address

    mark = Links(settings.secret_keys, settings.public_url).report_mark
    return lambda delivery_id: return_address(settings.email_bounce_address, mark(delivery_id))


def _open_sms(settings: Settings) -> Channel:
    from restock.channels.sms.channel import SmsChannel, TwilioAccount

    account = TwilioAccount(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token.get_secret_value() if settings.twilio_auth_token else "",
        messaging_service_sid=settings.twilio_messaging_service_sid,
        sender=settings.twilio_from,
        api_url=settings.twilio_api_url,
    )
    read_seconds = min(10.0, settings.delivery_lease_seconds / 3)
    # What was let go at a sender's pace leaves within seconds or not at all: the pace holds however slow the answers.
    batch_seconds = min(_PACED_SECONDS, _batch_seconds(settings))
    return SmsChannel(
        account,
        callback=_twilio_callback(settings),
        connect_seconds=min(3.0, read_seconds),
        read_seconds=read_seconds,
        batch_seconds=batch_seconds,
    )


def _open_push(settings: Settings) -> Channel:
    from restock.channels.push.channel import PushChannel
    from restock.channels.push.vapid import VapidSigner

    key = settings.vapid_private_key.get_secret_value() if settings.vapid_private_key else ""
    read_seconds = min(10.0, settings.delivery_lease_seconds / 3)
    return PushChannel(
        VapidSigner(key, _vapid_subject(settings)),
        extra_hosts=settings.push_extra_hosts,
        connect_seconds=min(3.0, read_seconds),
        read_seconds=read_seconds,
        batch_seconds=_batch_seconds(settings),
    )


def _batch_seconds(settings: Settings) -> float:
    """Begin no call later than this in a batch: with one call's timeout on top it ends before the lease."""
    return settings.delivery_lease_seconds * 0.45


def _twilio_callback(settings: Settings) -> Callable[[int], str] | None:
    """Ask for reports only where Twilio can reach us: it rejects messages whose callback is not public."""
    is_public = urlsplit(settings.public_url).scheme == "https"
    if not settings.secret_keys or not (is_public or settings.twilio_api_url != OFFICIAL_TWILIO):
        return None
    links = Links(settings.secret_keys, settings.public_url)
    return lambda delivery_id: f"{settings.public_url}/webhooks/twilio/status?d={links.receipt_token(delivery_id)}"


def _vapid_subject(settings: Settings) -> str:
    """Say whom a push service may write to; in development the sender of our e-mails will do."""
    if settings.vapid_subject or settings.is_production:
        return settings.vapid_subject
    return f"mailto:{parse_sender(settings.email_from).address}"


def _email_faults(settings: Settings) -> list[str]:
    if settings.smtp_url is None:
        return ["SMTP_URL is not set: e-mail is off; set it to smtp://user:password@host:587"]
    url = settings.smtp_url.get_secret_value()
    return [*_refusal("SMTP_URL", parse_smtp_url, url), *_refusal("EMAIL_FROM", parse_sender, settings.email_from)]


def _sms_faults(settings: Settings) -> list[str]:
    needed = {
        "TWILIO_ACCOUNT_SID": bool(settings.twilio_account_sid),
        "TWILIO_AUTH_TOKEN": settings.twilio_auth_token is not None,
        "TWILIO_MESSAGING_SERVICE_SID or TWILIO_FROM": bool(
            settings.twilio_messaging_service_sid or settings.twilio_from
        ),
    }
    missing = [name for name, is_set in needed.items() if not is_set]
    return (
        [f"{', '.join(missing)} not set: text messages are off; Twilio's console shows the values"] if missing else []
    )


def _push_faults(settings: Settings) -> list[str]:
    if settings.vapid_private_key is None:
        return ["VAPID_PRIVATE_KEY is not set: web push is off; make a key once and keep it for good"]
    from restock.channels.push.vapid import check_subject, public_key_of

    key = settings.vapid_private_key.get_secret_value()
    subject = _vapid_subject(settings)
    return [*_refusal("VAPID_PRIVATE_KEY", public_key_of, key), *_refusal("VAPID_SUBJECT", check_subject, subject)]


def _refusal(name: str, check: Callable[[str], object], value: str) -> list[str]:
    try:
        check(value)
    except ValueError as error:
        return [f"{name} {error}"]
    return []


_BUILDERS: Mapping[ChannelName, Callable[[Settings], Channel]] = {
    ChannelName.email: _open_email,
    ChannelName.sms: _open_sms,
    ChannelName.push: _open_push,
}
_CHECKS: Mapping[ChannelName, Callable[[Settings], list[str]]] = {
    ChannelName.email: _email_faults,
    ChannelName.sms: _sms_faults,
    ChannelName.push: _push_faults,
}
