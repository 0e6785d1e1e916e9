"""Read what Twilio tells us later about a text message.

Pure. Callbacks come doubled and out of order, and the first may arrive before Twilio has answered our request: they are
matched by the delivery in the callback's address, and whoever records them lets a state only move forward.
"""

from __future__ import annotations

from collections.abc import Mapping

from twilio.request_validator import RequestValidator, get_signature_algorithm

from restock.channels.sms.codes import in_receipt
from restock.channels.values import Receipt, ReceiptStatus

_STATUS = {
    **dict.fromkeys(("queued", "accepted", "scheduled", "sending", "sent"), ReceiptStatus.underway),
    **dict.fromkeys(("delivered", "read"), ReceiptStatus.delivered),
    **dict.fromkeys(("undelivered", "failed", "canceled"), ReceiptStatus.bounced),
}


def parse_receipt(delivery_id: int, form: Mapping[str, str]) -> Receipt | None:
    """Read one status callback; None for a status we do not know."""
    status = _STATUS.get(form.get("MessageStatus", ""))
    sid = form.get("MessageSid") or None
    if status is None:
        return None
    if status is not ReceiptStatus.bounced:
        return Receipt(delivery_id, status, provider_message_id=sid)
    ruling = in_receipt(_number(form.get("ErrorCode")))
    return Receipt(delivery_id, status, ruling.reason, ruling.blame, sid, ruling.again_seconds)


def signature_is_valid(
    auth_token: str, url: str, form: Mapping[str, str], signature: str | None, settings_header: str | None = None
) -> bool:
    """Check `X-Twilio-Signature` over the public address with its query and every received parameter.

    `form` may be a MultiDict. `settings_header` is `X-Twilio-Webhooks-Signature-Settings`, absent in most requests.
    """
    if not signature:
        return False
    algorithm = get_signature_algorithm(settings_header) if settings_header else None
    return bool(RequestValidator(auth_token).validate(url, form, signature, algorithm))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
