"""A Twilio on this machine: takes messages, lists them, reports on them, and refuses what the real one refuses.

Speaks https://www.twilio.com/docs/messaging/api/message-resource closely enough to be judged by Twilio's own
OpenAPI description.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import queue
import re
import secrets
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qs, parse_qsl, urlencode

from twilio.request_validator import RequestValidator

from restock.channels.sms.segments import cost_of
from restock.playground.fake_http import Answer, FakePeer, Request, Trouble

_ROUTE = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages(?:/(SM[0-9a-f]{32}))?\.json")
_TO_LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no way to this machine
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_MESSAGES = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21211: "Invalid 'To' Phone Number",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit",
}


@dataclass(frozen=True, slots=True)
class TextMessage:
    """One message as the fake keeps it."""

    sid: str
    to: str
    sender: str | None
    service: str | None
    body: str
    created_at: datetime
    status_callback: str | None


class FakeTwilio(FakePeer):
    """Keep one account's messages. `on_message` is called with each, in the server's thread.

    `opted_out` numbers are refused with 21610. With `report` (a list of statuses) each message's status callback is
    called in turn, signed as Twilio signs.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        port: int = 0,
        on_message: Callable[[TextMessage], None] | None = None,
        report: tuple[str, ...] = (),
    ) -> None:
        super().__init__(port)
        self.opted_out: set[str] = set()
        self.trouble_by_number: dict[str, Trouble] = {}
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._on_message = on_message
        self._report = report
        self._to_report: queue.SimpleQueue[TextMessage | None] = queue.SimpleQueue()
        self._messages: list[TextMessage] = []
        self._lock = threading.Lock()
        if report:
            threading.Thread(target=self._call_back, daemon=True).start()

    def messages(self) -> list[TextMessage]:
        """Return what was taken, oldest first."""
        with self._lock:
            return list(self._messages)

    def close(self) -> None:
        """Stop, and report nothing more."""
        self._to_report.put(None)
        super().close()

    def trouble_for(self, request: Request) -> Trouble | None:
        """Troubles may also be set per number, in `trouble_by_number`."""
        number = _form(request).get("To", "") if request.method == "POST" else ""
        return self.trouble_by_number.get(number) or super().trouble_for(request)

    def trouble_body(self, trouble: Trouble) -> object:
        return _error_body(trouble.status, trouble.code or 20000 + trouble.status)

    def respond(self, request: Request) -> Answer:
        route = _ROUTE.fullmatch(request.path)
        if route is None:
            return _error(404, 20404)
        if not self._is_authentic(request) or route[1] != self._account_sid:
            return _error(401, 20003)
        if request.method == "POST" and route[2] is None:
            return self._create(_form(request))
        if route[2] is not None:
            return self._one(route[2])
        return self._list(request)

    def _is_authentic(self, request: Request) -> bool:
        expected = base64.b64encode(f"{self._account_sid}:{self._auth_token}".encode()).decode()
        return request.headers.get("authorization") == f"Basic {expected}"

    def _create(self, form: dict[str, str]) -> Answer:
        if fault := self._fault(form):
            return _error(400, fault)
        message = TextMessage(
            sid=f"SM{secrets.token_hex(16)}",
            to=form["To"],
            sender=form.get("From"),
            service=form.get("MessagingServiceSid"),
            body=form["Body"],
            created_at=datetime.now(UTC),
            status_callback=form.get("StatusCallback"),
        )
        with self._lock:
            self._messages.append(message)
        if self._on_message is not None:
            self._on_message(message)
        if message.status_callback and self._report:
            self._to_report.put(message)
        return Answer(201, self._resource(message))

    def _fault(self, form: dict[str, str]) -> int | None:
        number, body = form.get("To", ""), form.get("Body", "")
        checks = (
            (not number, 21604),
            (not _E164.fullmatch(number), 21211),
            (not (form.get("From") or form.get("MessagingServiceSid")), 21603),
            (not body, 21602),
            (len(body) > 1600, 21617),
            (number in self.opted_out, 21610),
        )
        return next((code for is_wrong, code in checks if is_wrong), None)

    def _one(self, sid: str) -> Answer:
        found = next((message for message in self.messages() if message.sid == sid), None)
        return Answer(200, self._resource(found)) if found else _error(404, 20404)

    def _list(self, request: Request) -> Answer:
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        size = min(max(int(query.get("PageSize", "50")), 1), 1000)
        found = [m for m in reversed(self.messages()) if query.get("To") in (None, m.to)]
        after, before = query.get("DateSent>"), query.get("DateSent<")
        found = [
            m
            for m in found
            if (not after or _day(m.created_at, after) >= after)
            and (not before or _day(m.created_at, before) <= before)
        ]
        path = f"/2010-04-01/Accounts/{self._account_sid}/Messages.json"
        # Twilio's description asks for whole addresses here, though its examples show paths alone.
        first = f"{self.url}{path}?{urlencode({**query, 'PageSize': size, 'Page': 0})}"
        return Answer(
            200,
            {
                "messages": [self._resource(message) for message in found[:size]],
                "page": 0,
                "page_size": size,
                "start": 0,
                "end": max(0, min(len(found), size) - 1),
                "uri": first,
                "first_page_uri": first,
                "next_page_uri": None,
                "previous_page_uri": None,
            },
        )

    def _resource(self, message: TextMessage) -> dict[str, object]:
        path = f"/2010-04-01/Accounts/{self._account_sid}/Messages/{message.sid}"
        when = format_datetime(message.created_at)
        return {
            "account_sid": self._account_sid,
            "api_version": "2010-04-01",
            "body": message.body,
            "date_created": when,
            "date_sent": None,
            "date_updated": when,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": message.sender,
            "messaging_service_sid": message.service,
            "num_media": "0",
            "num_segments": "0" if message.service else str(cost_of(message.body).segment_count),
            "price": None,
            "price_unit": None,
            "sid": message.sid,
            "status": "accepted" if message.service else "queued",
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": message.to,
            "uri": f"{path}.json",
        }

    def _call_back(self) -> None:
        """Report on one message after the other until there is None; nobody at home is no news."""
        while (message := self._to_report.get()) is not None:
            for status in self._report:
                with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                    _TO_LOOPBACK.open(self._status_report(message, status), timeout=5).close()

    def _status_report(self, message: TextMessage, status: str) -> urllib.request.Request:
        form = {
            "AccountSid": self._account_sid,
            "From": message.sender or "+15005550006",
            "MessageSid": message.sid,
            "MessageStatus": status,
            "To": message.to,
        }
        signature = RequestValidator(self._auth_token).compute_signature(message.status_callback, form)
        return urllib.request.Request(  # noqa: S310 (the address our own program gave)
            message.status_callback or "", data=urlencode(form).encode(), headers={"X-Twilio-Signature": signature}
        )


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode("utf-8", "replace")))


def _day(moment: datetime, like: str) -> str:
    """Write a time as precisely as the filter is given: a day or a second."""
    return moment.strftime("%Y-%m-%d" if len(like) == 10 else "%Y-%m-%dT%H:%M:%SZ")


def _error(status: int, code: int) -> Answer:
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if status == 401 else {}
    return Answer(status, _error_body(status, code), headers)


def _error_body(status: int, code: int) -> dict[str, object]:
    return {
        "code": code,
        "message": _MESSAGES.get(code, "An error occurred"),
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
