"""What a push service's answer means for the message, the browser and us.

Pure. Sources: RFC 8030 section 5, https://mozilla-push-service.readthedocs.io/en/latest/http.html and the answers of
Google's service. A push service sends no receipt later: its answer is all we learn.
"""

from __future__ import annotations

from restock.channels.answers import retry_after_seconds
from restock.channels.values import Blame, Outcome, Verdict

_ANSWERS = {
    **dict.fromkeys((200, 201, 202, 204), (Verdict.accepted, "", Blame.message)),
    **dict.fromkeys((404, 410), (Verdict.refused, "gone", Blame.address)),
    **dict.fromkeys((401, 403), (Verdict.deferred, "vapid_rejected", Blame.provider)),
    413: (Verdict.refused, "too_large", Blame.message),
    429: (Verdict.deferred, "rate_limited", Blame.message),
}
_BY_CLASS = {
    3: (Verdict.refused, "redirected", Blame.message),
    5: (Verdict.deferred, "push_service_unavailable", Blame.message),
}
_OTHERWISE = (Verdict.refused, "rejected", Blame.message)


def outcome_of(delivery_id: int, status: int, retry_after: str | None, *, proven: bool, now: float) -> Outcome:
    """Judge an answer by its status.

    `proven` says that this push service has accepted our signature lately: a 401 or 403 is then this endpoint's own
    (it was subscribed with another key), and must not stop everyone's messages.
    """
    verdict, reason, blame = _ANSWERS.get(status) or _BY_CLASS.get(status // 100, _OTHERWISE)
    if reason == "vapid_rejected" and proven:
        return Outcome(delivery_id, Verdict.refused, "other_vapid_key", Blame.address)
    wait = retry_after_seconds(retry_after, now) if verdict is Verdict.deferred else None
    return Outcome(delivery_id, verdict, reason, blame, retry_after_seconds=wait)
