"""What a shop's secrets are sealed for: a seal opens in its own row and column alone. Pure."""

from __future__ import annotations


def access_context(shop_id: int) -> str:
    """Name the place an access token is sealed for."""
    return f"shops.access_token:{shop_id}"


def refresh_context(shop_id: int) -> str:
    """Name the place a refresh token is sealed for."""
    return f"shops.refresh_token:{shop_id}"


def mailing_context(shop_id: int) -> str:
    """Name the place the key of a shop's e-mail provider is sealed for."""
    return f"shop_mailings.secret:{shop_id}"


def mailing_hook_context(shop_id: int) -> str:
    """Name the place the key of that provider's reports is sealed for."""
    return f"shop_mailings.hook_secret:{shop_id}"
