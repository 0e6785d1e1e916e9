"""Whether an IP address is one that anybody on the Internet may have: what a name leads to before we connect to it.

Pure. `ipaddress.is_global` alone is no such test: it says yes to multicast, to 6to4 and NAT64 addresses with a private
one inside, and to more that our own network may route.
"""

from __future__ import annotations

import ipaddress

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291 section 2.4: all there is so far
_NOT_6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocols' own, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
)
_NOT_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "192.0.0.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4's relays
        "192.175.48.0/24",
    )
)


def is_public(address: str) -> bool:
    """Say whether an address, written in numbers, is a machine's on the public Internet; anything else is not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if not found.is_global or found.is_multicast or found.is_reserved:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        return found.scope_id is None and found in _GLOBAL_UNICAST and not any(found in one for one in _NOT_6)
    return not any(found in one for one in _NOT_4)
