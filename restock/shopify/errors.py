"""What can go wrong between Shopify and us, each with its own consequence. No message repeats what was sent."""

from __future__ import annotations


class AdminError(Exception):
    """Shopify did not give the answer that was asked for."""


class AdminThrottledError(AdminError):
    """The shop's points are used up: ask again after `wait_seconds`."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"Shopify asks to wait {wait_seconds:.1f} s")
        self.wait_seconds = wait_seconds


class AdminUnauthorizedError(AdminError):
    """The token is not (or no longer) good: refresh it once, else the merchant must open the app."""


class AdminForbiddenError(AdminError):
    """The shop has not granted the scope this needs, or is closed (402, 403, 404, 423)."""


class AdminUnavailableError(AdminError):
    """Nobody answered in time, or with an error of theirs (5xx, a page instead of JSON): ask again later."""


class AdminRefusedError(AdminError):
    """Shopify understood and said no (userErrors): asking again changes nothing."""


class AdminSurpriseError(AdminError):
    """The answer does not have the shape of the schema it was asked by."""


class NoAccessError(Exception):
    """The shop has given no token, or the one it gave is over: the merchant must open the app.

    Raised by whoever hands out access, never by Shopify's answer to a question.
    """
