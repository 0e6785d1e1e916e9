"""Text messages that came back for a reason that passes, and may be tried once more. Pure."""

from __future__ import annotations

UNREACHABLE = "handset_unreachable"
MOST_UNREACHABLE = 3  # so many messages to a phone that was never on between them: it is nobody's any more
UNREACHABLE_DAYS = 365
FILTERED = "filtered"  # by carriers: they take what a shop sends for spam
_SECOND_TRY = ":again"


def second_try_key(offer_id: int) -> str:
    """Name the one message that may follow an offer's when that came back."""
    return f"offer:{offer_id}{_SECOND_TRY}"


def is_second_try(dedupe_key: str) -> bool:
    """Say whether a message follows one that came back: it leaves where reminders are off, too."""
    return dedupe_key.endswith(_SECOND_TRY)
