"""The four providers on this machine: they take messages, refuse what the real ones refuse, and fail on demand.

What they know of the real ones is from their documentation; Resend's own description judges one of them.
"""

from __future__ import annotations

import email
import email.policy
import json
import re
import threading
from abc import ABC, abstractmethod
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

from restock.playground.fake_http import Answer, FakePeer, Request, Trouble

KEY = "key-canary-0001"
_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>.]+\.[^@\s<>]+")


@dataclass
class Taken:
    """One message as a provider has it, in the same form for all."""

    to: str
    sender: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    mark: str
    message_id: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


class FakeEsp(FakePeer, ABC):
    """What the four have in common. `trouble_by_address` is met by any call with such a recipient."""

    largest_body = 60 * 1024 * 1024

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.taken: list[Taken] = []
        self.dead: set[str] = set()
        self.trouble_by_address: dict[str, Trouble] = {}
        self.lock = threading.Lock()

    @abstractmethod
    def recipients(self, request: Request) -> list[str]:
        """Read to whom a call goes; each provider has a form of its own."""

    def trouble_for(self, request: Request) -> Trouble | None:
        for address in self.recipients(request):
            if trouble := self.trouble_by_address.get(address):
                return trouble
        return super().trouble_for(request)

    def take(self, message: Taken) -> str:
        with self.lock:
            message.message_id = f"00000000-0000-4000-8000-{len(self.taken) + 1:012d}"
            self.taken.append(message)
        return message.message_id


class FakePostmark(FakeEsp):
    def recipients(self, request: Request) -> list[str]:
        return [message["To"] for message in json.loads(request.body)]

    def respond(self, request: Request) -> Answer:
        if request.headers.get("x-postmark-server-token") != KEY:
            return Answer(401, {"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied."})
        assert (request.method, request.path) == ("POST", "/email/batch")
        messages = json.loads(request.body)
        assert len(messages) <= 500
        return Answer(200, [self._one(message) for message in messages])

    def _one(self, message: dict[str, Any]) -> dict[str, object]:
        if message["To"] in self.dead:
            text = "You tried to send to recipient(s) that have been marked as inactive."
            return {"ErrorCode": 406, "Message": text}
        if not _ADDRESS.fullmatch(message["To"]):
            return {"ErrorCode": 300, "Message": "Invalid 'To' address."}
        assert message["MessageStream"] == "outbound"
        assert set(message["Metadata"]) <= {"restock"}
        headers = {one["Name"]: one["Value"] for one in message["Headers"]}
        assert headers.pop("X-PM-KeepID") == "true"
        mark = message["Metadata"].get("restock", "")
        texts = (message["Subject"], message["TextBody"], message["HtmlBody"])
        message_id = self.take(Taken(message["To"], message["From"], *texts, headers, mark))
        return {"ErrorCode": 0, "Message": "OK", "MessageID": message_id, "To": message["To"]}


class FakeSendGrid(FakeEsp):
    def recipients(self, request: Request) -> list[str]:
        return [one["to"][0]["email"] for one in json.loads(request.body)["personalizations"]]

    def respond(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return Answer(401, {"errors": [{"message": "authorization required", "field": None, "help": None}]})
        assert (request.method, request.path) == ("POST", "/v3/mail/send")
        body = json.loads(request.body)
        people = body["personalizations"]
        assert len(people) <= 1000
        for number, person in enumerate(people):
            address = person["to"][0]["email"]
            if address in self.dead or not _ADDRESS.fullmatch(address):
                where = f"personalizations.{number}.to.0.email"
                return Answer(400, {"errors": [{"message": "Does not contain a valid address.", "field": where}]})
        message_id = ""
        for person in people:
            message_id = message_id or self._one(body, person)
            if message_id and person is not people[0]:
                self._one(body, person)
        return Answer(202, None, {"X-Message-Id": message_id})

    def _one(self, body: dict[str, Any], person: dict[str, Any]) -> str:
        assert sum(len(k) + len(v) for k, v in person["substitutions"].items()) <= 10_000
        texts = [body["subject"], *(part["value"] for part in body["content"])]
        for place, value in person["substitutions"].items():
            texts = [text.replace(place, value) for text in texts]
        mark = person.get("custom_args", {}).get("restock", "")
        sender = body["from"]
        shown = f'"{sender["name"]}" <{sender["email"]}>' if "name" in sender else sender["email"]
        subject, text, html = texts
        return self.take(Taken(person["to"][0]["email"], shown, subject, text, html, dict(person["headers"]), mark))


class FakeMailgun(FakeEsp):
    def recipients(self, request: Request) -> list[str]:
        return [self._form(request)["to"].decode()]

    def _form(self, request: Request) -> dict[str, bytes]:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = email.message_from_bytes(head + request.body, policy=email.policy.HTTP).iter_parts()
        return {_name(part): _bytes(part) for part in parts}

    def respond(self, request: Request) -> Answer:
        login = b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        if login != f"api:{KEY}":
            return Answer(401, b"Forbidden", {"Content-Type": "text/plain"})
        assert request.path == "/v3/mg.shop.example/messages.mime"
        form = self._form(request)
        address = form["to"].decode()
        if address in self.dead or not _ADDRESS.fullmatch(address):
            return Answer(400, {"message": "'to' parameter is not a valid address. please check documentation"})
        mail = email.message_from_bytes(form["message"], policy=email.policy.default)
        text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
        assert text is not None
        assert html is not None
        names = ("Message-ID", "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post")
        headers = {name: str(mail[name]) for name in names}
        mark = form.get("v:restock", b"").decode()
        texts = (str(mail["Subject"]), text.get_content(), html.get_content())
        self.take(Taken(address, str(mail["From"]), *texts, headers, mark, raw={"bytes": form["message"]}))
        return Answer(200, {"id": headers["Message-ID"], "message": "Queued. Thank you."})


class FakeResend(FakeEsp):
    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.calls: dict[str, tuple[bytes, Answer]] = {}

    def recipients(self, request: Request) -> list[str]:
        return [message["to"][0] for message in json.loads(request.body)]

    def trouble_body(self, trouble: Trouble) -> object:
        name = "rate_limit_exceeded" if trouble.status == 429 else "internal_server_error"
        return {"name": name, "message": "…", "statusCode": trouble.status}

    def respond(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return Answer(401, {"statusCode": 401, "name": "invalid_api_key", "message": "API key is invalid"})
        assert (request.method, request.path) == ("POST", "/emails/batch")
        key = request.headers["idempotency-key"]
        if key in self.calls:
            body, answer = self.calls[key]
            assert body == request.body, "a key was used for two different calls"
            return answer
        messages = json.loads(request.body)
        assert len(messages) <= 100
        for message in messages:
            if message["to"][0] in self.dead or not _ADDRESS.fullmatch(message["to"][0]):
                text = "Invalid `to` field. The email address needs to follow the `email@example.com` format."
                return Answer(422, {"statusCode": 422, "name": "validation_error", "message": text})
        answer = Answer(200, {"data": [{"id": self._one(message)} for message in messages]})
        self.calls[key] = (request.body, answer)
        return answer

    def _one(self, message: dict[str, Any]) -> str:
        tags = {tag["name"]: tag["value"] for tag in message.get("tags", ())}
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value) for value in tags.values())
        texts = (message["subject"], message["text"], message["html"])
        taken = Taken(message["to"][0], message["from"], *texts, dict(message["headers"]), tags.get("restock", ""))
        return self.take(taken)


def _name(part: Any) -> str:
    return str(part.get_param("name", header="content-disposition"))


def _bytes(part: Any) -> bytes:
    if part.get_content_maintype() == "message":
        return bytes(part.get_payload(0).as_bytes(policy=email.policy.SMTP))
    return bytes(part.get_payload(decode=True))
