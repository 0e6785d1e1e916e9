"""What Twilio's error codes mean for the message, the number and us.

Data, from https://www.twilio.com/docs/api/errors. Twilio refines its codes over the years, so an unknown one is judged
by its HTTP status: an unknown 4xx ends this message and never condemns a number.
"""

from __future__ import annotations

from typing import NamedTuple

from restock.channels.values import Blame, Verdict


class Ruling(NamedTuple):
    """What to make of a code. `again_seconds`: a message that came back may be tried once more after so long."""

    verdict: Verdict
    reason: str
    blame: Blame = Blame.message
    again_seconds: float | None = None


_OPTED_OUT = Ruling(Verdict.refused, "opted_out", Blame.address)
_BAD_NUMBER = Ruling(Verdict.refused, "invalid_number", Blame.address)
_NO_ROUTE = Ruling(Verdict.refused, "no_route")  # the country or carrier is not open to this account: not the number
_CONTENT = Ruling(Verdict.refused, "content_rejected")
_ACCOUNT = Ruling(Verdict.deferred, "account_rejected", Blame.provider)
_SLOWER = Ruling(Verdict.deferred, "rate_limited")
_IN_DOUBT = Ruling(Verdict.unanswered, "provider_error")
_UNKNOWN = Ruling(Verdict.refused, "rejected")

AT_CREATE: dict[int, Ruling] = {
    21610: _OPTED_OUT,
    **dict.fromkeys((21211, 21217, 21265, 21266, 21268, 21401, 21614, 21635), _BAD_NUMBER),
    **dict.fromkeys((21408, 21612, 21703, 30018, 30024), _NO_ROUTE),
    **dict.fromkeys((21602, 21617, 21654, 21655, 21656), _CONTENT),
    **dict.fromkeys((20003, 20404, 21603, 21606, 21701, 21702, 21704, 21705, 30002, 30032, 30034), _ACCOUNT),
    **dict.fromkeys((14107, 20429, 21611), _SLOWER),
    **dict.fromkeys((20500, 20503), _IN_DOUBT),
}

BY_STATUS: dict[int, Ruling] = {401: _ACCOUNT, 403: _ACCOUNT, 404: _ACCOUNT, 429: _SLOWER}

_HALF_AN_HOUR, _A_DAY = 1800.0, 86_400.0


def _lost(reason: str, again_seconds: float | None = None, blame: Blame = Blame.message) -> Ruling:
    return Ruling(Verdict.refused, reason, blame, again_seconds)


IN_RECEIPT: dict[int, Ruling] = {
    30001: _lost("sender_queue_full", _HALF_AN_HOUR),
    30003: _lost("handset_unreachable", _HALF_AN_HOUR),
    30004: _lost("blocked", blame=Blame.address),
    30005: _lost("unknown_handset", blame=Blame.address),
    30006: _lost("landline_or_carrier"),  # a carrier that cannot be reached says nothing about the number
    30007: _lost("filtered"),
    30008: _lost("undelivered", _HALF_AN_HOUR),
    30017: _lost("carrier_congestion", _HALF_AN_HOUR),
    30022: _lost("rate_limited", _HALF_AN_HOUR),
    30023: _lost("day_limit_reached", _A_DAY),
    30036: _lost("validity_expired"),
    30047: _lost("not_rescheduled", _HALF_AN_HOUR),
    30410: _lost("provider_timeout"),
    **{code: AT_CREATE[code] for code in (21610, 21211, 21614, 21408, 30018, 30024, 30002, 30032, 30034)},
}


def at_create(status: int, code: int | None) -> Ruling:
    """Judge an error Twilio answered a new message with; without a known code the HTTP status decides."""
    if code in AT_CREATE:
        return AT_CREATE[code]
    if status >= 500:
        return _IN_DOUBT
    return BY_STATUS.get(status, _UNKNOWN)


def in_receipt(code: int | None) -> Ruling:
    """Judge the error of a message that had been accepted and then failed."""
    return IN_RECEIPT.get(code or 0, Ruling(Verdict.refused, "undelivered"))
