"""What a push service's answer means for the message, the browser and us.

Pure. Sources: RFC 8030 section 5, https://mozilla-push-service.readthedocs.io/en/latest/http.html and the answers of
Google's service. A push service sends no receipt later: its answer is all we learn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from restock.channels.answers import retry_after_seconds
from restock.channels.push.http.connection import Failure
from restock.channels.values import Blame, Outcome, Verdict

VAPID_REJECTED = "vapid_rejected"

_ANSWERS = {
    **dict.fromkeys((200, 201, 202, 204), (Verdict.accepted, "", Blame.message)),
    404: (Verdict.refused, "missing", Blame.address),  # Google has been seen to say so of browsers that were there
    410: (Verdict.refused, "gone", Blame.address),
    **dict.fromkeys((401, 403), (Verdict.deferred, VAPID_REJECTED, Blame.provider)),
    413: (Verdict.refused, "too_large", Blame.message),
    429: (Verdict.deferred, "rate_limited", Blame.message),
}
_BY_CLASS = {
    3: (Verdict.refused, "redirected", Blame.message),
    5: (Verdict.deferred, "push_service_unavailable", Blame.message),
}
_OTHERWISE = (Verdict.refused, "rejected", Blame.message)


# What a service says in the body of a 400 when it means our signature: Google's, and Apple's.
_ABOUT_VAPID = (b"UnauthorizedRegistration", b"VapidPkHashMismatch", b"BadJwtToken")


def outcome_of(
    delivery_id: int,
    status: int,
    retry_after: str | None,
    *,
    now: float,
    service: str | None = None,
    body: bytes = b"",
) -> Outcome:
    """Judge an answer by its status; that of a refused signature is the service's until it is known to stand alone."""
    if status == 400 and any(word in body for word in _ABOUT_VAPID):
        status = 403
    verdict, reason, blame = _ANSWERS.get(status) or _BY_CLASS.get(status // 100, _OTHERWISE)
    wait = retry_after_seconds(retry_after, now) if verdict is Verdict.deferred else None
    return Outcome(delivery_id, verdict, reason, blame, retry_after_seconds=wait, service=service)


def refused_alone(outcome: Outcome, *, is_ours: bool) -> Outcome:
    """Judge a refused signature when the next one was accepted: this browser alone was subscribed with another key.

    `is_ours`: it is kept as one of our present key. Then it may be a slip of whoever refused it, and nobody is given up
    for that.
    """
    blame = Blame.message if is_ours else Blame.address
    return replace(outcome, verdict=Verdict.refused, reason="other_vapid_key", blame=blame, retry_after_seconds=None)


def refused_last(outcome: Outcome) -> Outcome:
    """Judge a refused signature after which nothing more was asked: it may be this browser's or everybody's."""
    return replace(outcome, blame=Blame.message)


def no_answer(delivery_id: int, failure: Failure, service: str) -> Outcome:
    """Judge a request that was not answered: what never left whole cannot have been taken."""
    match failure:
        case Failure.nowhere:
            return Outcome(delivery_id, Verdict.deferred, "push_service_unknown", service=service)
        case Failure.unreachable:
            return Outcome(delivery_id, Verdict.deferred, "push_service_unreachable", service=service)
        case Failure.timeout:
            return Outcome(delivery_id, Verdict.unanswered, "timeout", service=service)
        case Failure.lost:
            return Outcome(delivery_id, Verdict.unanswered, "connection_lost", service=service)
        case Failure.garbled:
            return Outcome(delivery_id, Verdict.unanswered, "unreadable_answer", service=service)
        case _:
            assert_never(failure)
