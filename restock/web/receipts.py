"""The providers' door: what they report later about messages they took, and what people answered to them.

Nothing of a request is believed before its signature is. A report about what is not known (any more) gets a 204 like
any other: a provider can do nothing about it, and nobody learns which deliveries exist. It never answers 5xx for what
the report says, only when the database is away.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, assert_never

from flask import Blueprint, Response, request
from twilio.twiml.messaging_response import MessagingResponse

from restock.channels.sms.inbound import Wish, is_twilios_own, read_wish
from restock.channels.sms.receipts import parse_receipt, signature_is_valid
from restock.channels.wording import isolate, one_line, phrases_for
from restock.errors import ForbiddenError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from restock.bootstrap import Services
    from restock.config import Settings
    from restock.subscriptions.service.answers import AnswerService
    from restock.subscriptions.values import AddressHolder

TWILIO_STATUS = "/webhooks/twilio/status"
TWILIO_INBOUND = "/webhooks/twilio/inbound"
MAX_BODY_BYTES = 16 * 1024  # a status callback has less than one
_FORM = "application/x-www-form-urlencoded"
_LONGEST_NAME = 40
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def receipts_blueprint(services: Services) -> Blueprint:
    """Build the routes that providers report to; each checks the provider's signature itself."""
    receipts = Blueprint("receipts", __name__)
    settings, links, deliveries = services.settings, services.links, services.deliveries

    @receipts.post(TWILIO_STATUS)
    def twilio_status() -> Response:
        _require_twilio(settings, TWILIO_STATUS)
        delivery_id = links.read_receipt(request.args.get("d", ""))
        if delivery_id is not None and (receipt := parse_receipt(delivery_id, request.form)) is not None:
            deliveries.record_receipt(receipt)
        return Response(status=204)

    @receipts.post(TWILIO_INBOUND)
    def twilio_inbound() -> Response:
        _require_twilio(settings, TWILIO_INBOUND)
        number = request.form.get("From", "")
        said = request.form.get("Body", ""), request.form.get("OptOutType", "")
        answer = _act(services.answers, number, read_wish(*said)) if _E164.fullmatch(number) else None
        return _twiml(None if is_twilios_own(*said) else answer)

    return receipts


def _act(answers: AnswerService, number: str, wish: Wish) -> str | None:
    """Do what a person asks for; return what to answer, in the person's language, None for nothing."""
    match wish:
        case Wish.stop:
            return _say("sms.stopped", answers.stop(number))
        case Wish.start:
            return _say("sms.started", answers.start(number))
        case Wish.help:
            return _say("sms.help", answers.holder_of(number))
        case Wish.other:
            return None
        case _:
            assert_never(wish)


def _say(sentence: str, holder: AddressHolder | None) -> str | None:
    """Write an answer; a stranger, and whoever changed nothing, gets none."""
    if holder is None:
        return None
    phrases = phrases_for(holder.locale)
    return phrases.say(sentence, shop=isolate(one_line(holder.shop_name, _LONGEST_NAME), phrases))


def _twiml(answer: str | None) -> Response:
    reply = MessagingResponse()
    if answer is not None:
        reply.message(answer)
    return Response(str(reply), mimetype="text/xml")


def _require_twilio(settings: Settings, path: str) -> None:
    request.max_content_length = MAX_BODY_BYTES
    if request.mimetype != _FORM:
        raise UnsupportedMediaTypeError(f"Send the report as {_FORM}.")
    if not _is_twilios(settings, path):
        raise ForbiddenError("The report's signature is missing or wrong.")


def _is_twilios(settings: Settings, path: str) -> bool:
    """Check Twilio's signature over the address it was given and every parameter received, known or not."""
    if settings.twilio_auth_token is None:
        return False
    # APP_URL, not what a proxy made of it; the query as it came, for another spelling is another signature.
    url = f"{settings.public_url}{path}?{request.query_string.decode('latin-1')}".removesuffix("?")
    return signature_is_valid(
        settings.twilio_auth_token.get_secret_value(),
        url,
        request.form,
        request.headers.get("X-Twilio-Signature"),
        request.headers.get("X-Twilio-Webhooks-Signature-Settings"),
    )
