"""What is the same for every provider: what a status of HTTP says of the messages of one call, and of us.

Pure. A call that came to nothing is about the account or about one of its messages; only the provider's own word about
an address condemns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from restock.channels.answers import retry_after_seconds
from restock.channels.email.providers.calls import Call, Reply
from restock.channels.email.providers.letters import Letter
from restock.channels.email.replies import Ruling
from restock.channels.values import Blame, Outcome, Verdict

LOGIN_REJECTED = Ruling(Verdict.deferred, "login_rejected", Blame.provider)
ACCOUNT_REJECTED = Ruling(Verdict.deferred, "account_rejected", Blame.provider)
SENDER_REFUSED = Ruling(Verdict.deferred, "sender_refused", Blame.provider)
RATE_LIMITED = Ruling(Verdict.deferred, "rate_limited")
QUOTA_USED_UP = Ruling(Verdict.deferred, "quota_used_up", Blame.provider)
REJECTED = Ruling(Verdict.refused, "rejected")
INVALID_ADDRESS = Ruling(Verdict.refused, "invalid_address", Blame.address)
SUPPRESSED = Ruling(Verdict.refused, "suppressed_by_provider", Blame.address)
TOO_LARGE = Ruling(Verdict.refused, "too_large")
ACCEPTED = Ruling(Verdict.accepted, "")
IN_DOUBT = Ruling(Verdict.unanswered, "provider_error")
# Said by the provider itself before it looks at a message; anything between us and it may say 502 and 504.
NOT_NOW = Ruling(Verdict.deferred, "provider_unavailable", Blame.provider)
UNEXPECTED = Ruling(Verdict.deferred, "unexpected_reply", Blame.provider)

_BY_STATUS = {
    401: LOGIN_REJECTED,
    402: QUOTA_USED_UP,
    403: ACCOUNT_REJECTED,
    404: ACCOUNT_REJECTED,
    405: UNEXPECTED,
    413: TOO_LARGE,
    429: RATE_LIMITED,
    503: NOT_NOW,
}


class Provider(Protocol):
    """One provider's API: how messages become a call, and what its answer says of each. Pure.

    `most` is how many messages one call takes. `repeatable`: the same call made twice is one hand-over.
    """

    @property
    def most(self) -> int: ...

    @property
    def repeatable(self) -> bool: ...

    def call(self, letters: Sequence[Letter]) -> Call:
        """Write one call for up to `most` messages."""
        ...

    def groups(self, letters: Sequence[Letter]) -> Sequence[Sequence[Letter]]:
        """Sort messages into what may share a call."""
        ...

    def read(self, letters: Sequence[Letter], reply: Reply, now: float) -> Sequence[Outcome] | None:
        """Say what became of each; None: the call was refused for one of them, and it is not known for which."""
        ...


def by_status(status: int) -> Ruling | None:
    """Judge a call that was not taken by its status; None for 2xx, and for what is about a message of the call."""
    if 200 <= status < 300 or status in (400, 422):
        return None
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:
        return UNEXPECTED
    return IN_DOUBT if status >= 500 else REJECTED


def outcome(
    letter: Letter, ruling: Ruling, *, message_id: str | None = None, reply: Reply | None = None, now: float = 0.0
) -> Outcome:
    """Tell one ruling as the outcome of one message, with how long its provider wants to be left alone."""
    wait = None
    if reply is not None and ruling.verdict is Verdict.deferred:
        wait = retry_after_seconds(reply.headers.get("Retry-After"), now)
    verdict, reason, blame = ruling
    return Outcome(letter.delivery_id, verdict, reason, blame, message_id, wait)


def all_alike(letters: Sequence[Letter], ruling: Ruling, reply: Reply | None = None, now: float = 0.0) -> list[Outcome]:
    """Tell the same of every message of a call."""
    return [outcome(letter, ruling, reply=reply, now=now) for letter in letters]
