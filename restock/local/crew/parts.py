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
    """The local stand-ins for the outside world: a mail server, and one port for Twilio and the push service."""

    smtp_port: int
    http_port: int
    outbox: Path

    def part(self) -> Part:
        ports = ("--smtp-port", str(self.smtp_port), "--http-port", str(self.http_port))
        return Part("peers", ("peers", *ports, "--outbox", str(self.outbox)))


def needs_peers(settings: Settings) -> bool:
    """Say whether a channel of this development instance has no real provider."""
    return not settings.is_production and not (_has_smtp(settings) and _has_twilio(settings) and _has_push(settings))


def peer_settings(settings: Settings, peers: Peers, keys: Mapping[str, str]) -> dict[str, str]:
    """Point every channel that has no real provider at its local peer; `keys` are those development made."""
    here = f"127.0.0.1:{peers.http_port}"
    found: dict[str, str] = {}
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


def _has_smtp(settings: Settings) -> bool:
    return settings.smtp_url is not None


def _has_twilio(settings: Settings) -> bool:
    return bool(settings.twilio_account_sid and settings.twilio_auth_token)


def _has_push(settings: Settings) -> bool:
    return settings.vapid_private_key is not None
