"""Which push endpoints we talk to, decided at the intake and again before each send.

An endpoint is an address a stranger hands us and we post to: only the known push services are allowed, so that nobody
points us at a machine of their choosing. Pure; must never resolve a name or open a connection. An endpoint is a secret
(whoever holds it can reach that browser): no message here repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

LONGEST_ENDPOINT = 2048

# https://developer.mozilla.org/docs/Web/API/Push_API names the services; a leading dot allows every host below it.
ALLOWED_HOSTS = (
    "fcm.googleapis.com",
    "android.googleapis.com",
    "updates.push.services.mozilla.com",
    ".push.services.mozilla.com",
    ".push.apple.com",
    ".notify.windows.com",
)

# Stricter than a URL parser on purpose: no user, no fragment, no backslash, no space, no letter outside ASCII.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?P<rest>/[!-~]*)",
    re.IGNORECASE | re.ASCII,
)
_NEVER = frozenset("#\\")


class EndpointError(ValueError):
    """The address is not one we post to; the message says why and never repeats it."""


def check_endpoint(endpoint: str, extra_hosts: Collection[str] = ()) -> str:
    """Return the endpoint in its one normal form (lower-case host, no `:443`); raise EndpointError.

    `extra_hosts` are `host:port` pairs that may also be reached, over http too: local test peers.
    """
    match = _URL.fullmatch(endpoint) if len(endpoint) <= LONGEST_ENDPOINT else None
    if match is None or not _NEVER.isdisjoint(endpoint):
        raise EndpointError("must be an https address of a browser's push service")
    scheme, host, port = match["scheme"].lower(), match["host"].lower(), match["port"]
    authority = f"{host}:{port}" if port else host
    if authority in extra_hosts:
        return f"{scheme}://{authority}{match['rest']}"
    if scheme != "https" or port not in (None, "443"):
        raise EndpointError("must be an https address on the usual port")
    if not is_push_service(host):
        raise EndpointError("is not at a push service we know (Google, Mozilla, Apple or Microsoft)")
    return f"https://{host}{match['rest']}"


def is_push_service(host: str) -> bool:
    """Say whether a lower-case host belongs to a known push service."""
    return any(host.endswith(known) if known.startswith(".") else host == known for known in ALLOWED_HOSTS)


def origin_of(endpoint: str) -> str:
    """Return scheme, host and port of a checked endpoint: the audience of a VAPID token, and all a log may show."""
    return "/".join(endpoint.split("/", 3)[:3])
