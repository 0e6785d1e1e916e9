"""The providers' door: what they report later about messages they took.

Nothing of a request is believed before its signature is. A report about what is not known (any more) gets a 204 like
any other: a provider can do nothing about it, and nobody learns which deliveries exist. It never answers 5xx for what
the report says, only when the database is away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from restock.channels.sms.receipts import parse_receipt, signature_is_valid
from restock.errors import ForbiddenError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from restock.bootstrap import Services
    from restock.config import Settings

TWILIO_STATUS = "/webhooks/twilio/status"
MAX_BODY_BYTES = 16 * 1024  # a status callback has less than one
_FORM = "application/x-www-form-urlencoded"


def receipts_blueprint(services: Services) -> Blueprint:
    """Build the routes that providers report to; each checks the provider's signature itself."""
    receipts = Blueprint("receipts", __name__)
    settings, links, deliveries = services.settings, services.links, services.deliveries

    @receipts.post(TWILIO_STATUS)
    def twilio_status() -> Response:
        request.max_content_length = MAX_BODY_BYTES
        if request.mimetype != _FORM:
            raise UnsupportedMediaTypeError(f"Send the report as {_FORM}.")
        if not _is_twilios(settings):
            raise ForbiddenError("The report's signature is missing or wrong.")
        delivery_id = links.read_receipt(request.args.get("d", ""))
        if delivery_id is not None and (receipt := parse_receipt(delivery_id, request.form)) is not None:
            deliveries.record_receipt(receipt)
        return Response(status=204)

    return receipts


def _is_twilios(settings: Settings) -> bool:
    """Check Twilio's signature over the address it was given and every parameter received, known or not."""
    if settings.twilio_auth_token is None:
        return False
    # APP_URL, not what a proxy made of it; the query as it came, for another spelling is another signature.
    url = f"{settings.public_url}{TWILIO_STATUS}?{request.query_string.decode('latin-1')}".removesuffix("?")
    return signature_is_valid(
        settings.twilio_auth_token.get_secret_value(),
        url,
        request.form,
        request.headers.get("X-Twilio-Signature"),
        request.headers.get("X-Twilio-Webhooks-Signature-Settings"),
    )
