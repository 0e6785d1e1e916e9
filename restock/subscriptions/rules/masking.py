"""How much of an address a page may show: enough to recognise one's own, never the whole. Pure."""

from __future__ import annotations

from restock.channels.values import ChannelName

_HIDDEN = "•••"


def mask_address(channel: ChannelName, address: str) -> str:
    """Hide most of an address; a browser's push endpoint is hidden whole, as the empty text."""
    match channel:
        case ChannelName.email:
            local, _, domain = address.rpartition("@")
            return f"{local[:1]}{_HIDDEN}@{domain}"
        case ChannelName.sms:
            return f"{_HIDDEN}{address[-2:]}"
        case ChannelName.push:
            return ""
