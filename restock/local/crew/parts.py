"""Which parts an instance consists of, and what each must know.

It starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from restock.config import Settings

LOCAL_NUMBER = "+15005550006"  # a test number of Twilio's, for the local peer


@dataclass(frozen=True)
class Part:
    """One process: its name in the output, and the words of the `restock` command it runs."""

    name: str
    words: tuple[str, ...]


MIGRATE = Part("migrate", ("migrate", "--quiet"))


@dataclass(frozen=True)
class Peers:
    """The local stand-ins for the outside world: a mail server, one port for Twilio and the push service, a Shopify.

    `app_url` is where this instance answers: Shopify's webhooks go there.
    """

    smtp_port: int
    http_port: int
    shopify_port: int
    app_url: str
    outbox: Path

    def part(self) -> Part:
        ports = ("--smtp-port", str(self.smtp_port), "--http-port", str(self.http_port))
        shopify = ("--shopify-port", str(self.shopify_port), "--app-url", self.app_url)
        return Part("peers", ("peers", *ports, *shopify, "--outbox", str(self.outbox)))


def needs_peers(settings: Settings) -> bool:
    """Say whether this instance has stand-ins: development always has its playground's Shopify."""
    return not settings.is_production


def peer_settings(settings: Settings, peers: Peers, keys: Mapping[str, str]) -> dict[str, str]:
    """Point whatever has no real provider at its local peer; `keys` are those development made."""
    here, shopify = f"127.0.0.1:{peers.http_port}", f"http://127.0.0.1:{peers.shopify_port}"
    found = {"PLAYGROUND_SHOPIFY_URL": shopify}
    if not _has_shopify(settings):
        found |= {"SHOPIFY_API_KEY": keys["SHOPIFY_API_KEY"], "SHOPIFY_ADMIN_URL": f"{shopify}/{{shop}}"}
    if not _has_smtp(settings):
        found["SMTP_URL"] = f"smtp://127.0.0.1:{peers.smtp_port}"
    if not _has_twilio(settings):
        found |= {name: keys[name] for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")}
        found |= {"TWILIO_FROM": LOCAL_NUMBER, "TWILIO_API_URL": f"http://{here}"}
    if not _has_push(settings):
        found["PUSH_EXTRA_HOSTS"] = ",".join((*settings.push_extra_hosts, here))
    return found


def working_parts(settings: Settings) -> list[Part]:
    """List the processes of an instance in the order they start."""
    deliverers = [Part(f"deliver {number}", ("worker", "deliveries")) for number in range(1, settings.workers + 1)]
    return [Part("web", ("web",)), Part("stock", ("worker", "stock")), *deliverers, Part("sweep", ("sweep",))]


def _has_shopify(settings: Settings) -> bool:
    default = Settings.model_fields["shopify_admin_url"].default
    return bool(settings.shopify_api_key) or settings.shopify_admin_url != default


def _has_smtp(settings: Settings) -> bool:
    return settings.smtp_url is not None


def _has_twilio(settings: Settings) -> bool:
    return bool(settings.twilio_account_sid and settings.twilio_auth_token)


def _has_push(settings: Settings) -> bool:
    return settings.vapid_private_key is not None
