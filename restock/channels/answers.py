"""Read what HTTP providers say in common. Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

_LONGEST_RETRY_SECONDS = 24 * 3600


def retry_after_seconds(header: str | None, now: float) -> float | None:
    """Read `Retry-After` (RFC 9110 section 10.2.3): seconds or a date; None when absent or unreadable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), _LONGEST_RETRY_SECONDS))
    try:
        wait = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), float(_LONGEST_RETRY_SECONDS))
