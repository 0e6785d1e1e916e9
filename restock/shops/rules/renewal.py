"""When tokens are renewed, and how long to wait after a failure. Pure: chance is handed in."""

from __future__ import annotations

MARGIN_SECONDS = 300.0  # renewed at the latest so long before the end
SPREAD_SECONDS = 120.0  # and up to so much earlier, so that shops installed together part
SHORTEST_WAIT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 600.0


def refresh_in(access_seconds: float | None, draw: float) -> float | None:
    """Say after how many seconds a token is to be renewed; `draw` is a number from 0 to 1. None: never."""
    if access_seconds is None:
        return None
    margin = min(MARGIN_SECONDS + draw * SPREAD_SECONDS, access_seconds / 4)
    return access_seconds - margin


def wait_after(failures: int) -> float:
    """Say how many seconds to leave the token endpoint alone after so many failures in a row."""
    return float(min(SHORTEST_WAIT_SECONDS * 2 ** min(max(failures - 1, 0), 10), LONGEST_WAIT_SECONDS))
