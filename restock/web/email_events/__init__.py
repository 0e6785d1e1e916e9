"""The door for what is told of e-mail: providers' reports, and mail that came back.

Nothing of a request is believed before its signature or key is. The address of a report names the shop whose provider
speaks, and it is heard about that shop's messages alone. What is known already, or of no message (any more), gets a 200
like any other, so that nobody learns which deliveries exist. It never answers 5xx for what a report says. It is 200
and 401 to the letter: Postmark and Mailgun repeat a report after any other success, and Postmark never after a 403.
"""

from __future__ import annotations

import hmac
import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from restock.channels.email.providers.catalogue import ProviderName
from restock.channels.email.reports.amazon import AmazonSns
from restock.channels.email.reports.events import Event, read_events
from restock.channels.email.reports.returned import LARGEST, read_returned
from restock.channels.email.reports.signatures import is_mailguns, is_sendgrids, is_svixs
from restock.channels.values import Receipt
from restock.errors import MalformedJsonError, NotFoundError, UnauthorizedError, UnsupportedMediaTypeError
from restock.links import REPORTS_USER
from restock.web.email_events.amazon import genuine_delivery, told_by
from restock.web.storefront.posting import read_bytes

if TYPE_CHECKING:
    from restock.bootstrap import Services

EVENTS = "/webhooks/email/<provider>/<key>"
RETURNED = "/webhooks/email/returned"
MAX_BODY_BYTES = 1024 * 1024  # SendGrid gathers its reports; the others send one at a time
_DEEPEST = 20
_MOST_TOKENS = 10_000
# A text without its end is one match too: looked for anew from each of its quotes, it would take for ever.
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def email_events_blueprint(
    services: Services, now: Callable[[], float] = time.time, amazon: AmazonSns | None = None
) -> Blueprint:
    """Build the routes that tell of e-mail; each checks for itself who speaks."""
    events = Blueprint("email_events", __name__)
    tokens, sns = SeenTokens(), amazon or AmazonSns()

    @events.post(EVENTS)
    def reported(provider: str, key: str) -> Response:
        name, shop_id = _named(services, provider, key)
        if name is ProviderName.ses:
            said, token = _of_amazon(services, sns, shop_id, now()), None
        else:
            said, token = _genuine(services, name, shop_id, now())
        if token is None or not tokens.was_used(token):
            _record(services, read_events(name, said), shop_id)
            tokens.use(token)
        return Response(status=200)

    @events.post(RETURNED)
    def returned() -> Response:
        _require_key(services)
        event = read_returned(_body(LARGEST), request.args.getlist("to")[:5])
        _record(services, [] if event is None else [event], None)
        return Response(status=200)

    return events


@dataclass
class SeenTokens:
    """Remember, in this process, which of Mailgun's tokens were used: its signature covers no more than that."""

    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def was_used(self, token: str) -> bool:
        """Say whether a report with this token was recorded."""
        with self._lock:
            return token in self._seen

    def use(self, token: str | None) -> None:
        """Remember a token, once what came with it is recorded: what was not may be told again."""
        if token is None:
            return
        with self._lock:
            self._seen[token] = None
            if len(self._seen) > _MOST_TOKENS:
                self._seen.popitem(last=False)


def _named(services: Services, provider: str, key: str) -> tuple[ProviderName, int]:
    """Say whose address this is; a shop that has chosen another provider has no such address."""
    shop_id = services.links.read_reports_key(key)
    name = next((one for one in ProviderName if one == provider), None)
    if shop_id is None or name is None or not services.shops.mailings.sends_by(shop_id, name):
        raise NotFoundError("There is nothing at this address.")
    return name, shop_id


def _genuine(services: Services, name: ProviderName, shop_id: int, now: float) -> tuple[Any, str | None]:
    """Return what a report says once it is known to be the provider's, and the token that is good once."""
    if name is ProviderName.postmark:
        login = request.authorization
        password = (login.password if login is not None and login.username == REPORTS_USER else None) or ""
        if not services.links.is_reports_password(shop_id, password):
            raise _forged()
        return _json(_body(MAX_BODY_BYTES)), None
    secret = _hook_secret(services, name, shop_id)
    body = _body(MAX_BODY_BYTES)
    header = request.headers.get
    if name is ProviderName.sendgrid and is_sendgrids(secret, header, body, now):
        return _json(body), None
    if name is ProviderName.resend and is_svixs(secret, header, body, now):
        return _json(body), None
    if name is ProviderName.mailgun:
        said = _json(body)
        if (token := is_mailguns(secret, said, now)) is not None:
            return said, f"{shop_id}:{token}"
    raise _forged()


def _of_amazon(services: Services, amazon: AmazonSns, shop_id: int, now: float) -> Any:
    """Return what Amazon SES reports, once it is known to be of the shop's own topic; None where it reports nothing."""
    topic = _hook_secret(services, ProviderName.ses, shop_id)
    delivery = genuine_delivery(amazon, topic, _json(_body(MAX_BODY_BYTES)), now)
    if delivery is None:
        raise _forged()
    return told_by(amazon, delivery, shop_id)


def _hook_secret(services: Services, name: ProviderName, shop_id: int) -> str:
    secret = services.shops.mailings.hook_secret(shop_id, name)
    if secret is None:
        raise UnauthorizedError("The key of these reports was never entered: see the shop's e-mail page.")
    return secret


def _forged() -> UnauthorizedError:
    return UnauthorizedError("The report's signature is missing, wrong or too old.")


def _require_key(services: Services) -> None:
    """Check EMAIL_BOUNCE_KEY, given as a bearer token."""
    key = services.settings.email_bounce_key
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    wanted = key.get_secret_value() if key is not None else ""
    right = hmac.compare_digest(wanted.encode(), given.strip().encode("utf-8", "replace"))
    if not (wanted and scheme.lower() == "bearer" and right):
        raise UnauthorizedError("Send EMAIL_BOUNCE_KEY as a bearer token.")


def _body(largest: int) -> bytes:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("Send the body as it was signed, without Content-Encoding.")
    return read_bytes(request.environ, largest)


def _json(body: bytes) -> Any:
    """Read JSON that is no deeper than any report; a few bytes more would otherwise cost a parser its stack."""
    depth = 0
    for found in _BRACKET.finditer(body):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
        if depth > _DEEPEST:
            raise MalformedJsonError("The report is nested too deeply.")
    try:
        return json.loads(body)
    except ValueError:
        raise MalformedJsonError("The report is no JSON.") from None


def _told_of(services: Services, event: Event, shop_id: int | None) -> int | None:
    """Find the delivery a report is about; None where it is about none of that shop's (any more)."""
    if event.mark or shop_id is None:
        return services.links.read_report_mark(event.mark)
    if event.identity:
        return services.deliveries.named(event.identity, shop_id)
    return services.deliveries.sent_as(event.message_id or "", shop_id)


def _record(services: Services, events: Iterable[Event], shop_id: int | None) -> None:
    for event in events:
        if (delivery_id := _told_of(services, event, shop_id)) is not None:
            receipt = Receipt(delivery_id, event.status, event.reason, event.blame, event.message_id)
            services.deliveries.record_receipt(receipt, shop_id)
