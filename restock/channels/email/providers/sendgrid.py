"""SendGrid's call: up to 1000 personalizations of one text, taken or refused as a whole. Pure.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send. A personalization may substitute no more than 10,000
bytes, and our texts are longer: what differs from person to person, the links, is taken out of the text, the rest
is shared.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from restock.channels.email.providers.calls import Call, Reply, in_json
from restock.channels.email.providers.letters import Letter
from restock.channels.email.providers.rulings import (
    ACCEPTED,
    INVALID_ADDRESS,
    QUOTA_USED_UP,
    REJECTED,
    SENDER_REFUSED,
    all_alike,
    by_status,
    outcome,
)
from restock.channels.values import Outcome

_PLACES = tuple(f"%rsk-link-{number}%" for number in range(4))
_RECIPIENT = re.compile(r"personalizations\.(\d{1,4})\.to\.\d")


@dataclass(frozen=True)
class SendGrid:
    """One account."""

    key: str = field(repr=False)
    most: int = 1000
    repeatable: bool = False

    def call(self, letters: Sequence[Letter]) -> Call:
        """Write one call of messages that share their text."""
        subject, text, html, sender, name = _shared(letters[0])
        body = {
            "personalizations": [_person(letter) for letter in letters],
            "from": {"email": sender, "name": name} if name else {"email": sender},
            "subject": subject,
            "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": html}],
            # Nothing is rewritten: the links are signed and counted by us.
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": {"enable": False},
                "subscription_tracking": {"enable": False},
            },
        }
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return Call("/v3/mail/send", in_json(body), headers)

    def groups(self, letters: Sequence[Letter]) -> Sequence[Sequence[Letter]]:
        """Put together what is the same but for its links."""
        alike: dict[tuple[str, ...], list[Letter]] = defaultdict(list)
        for letter in letters:
            alike[_shared(letter)].append(letter)
        return [group[at : at + self.most] for group in alike.values() for at in range(0, len(group), self.most)]

    def read(self, letters: Sequence[Letter], reply: Reply, now: float) -> Sequence[Outcome] | None:
        """Say what became of each; None where one of several is at fault and it is not said which."""
        if reply.status < 300:
            message_id = (reply.headers.get("X-Message-Id") or "")[:200] or None
            return [outcome(letter, ACCEPTED, message_id=message_id) for letter in letters]
        errors = reply.said.get("errors") if isinstance(reply.said, dict) else None
        faults = [(str(e.get("field") or ""), str(e.get("message") or "")) for e in errors or () if isinstance(e, dict)]
        if reply.status == 401 and any("credits exceeded" in text.lower() for _, text in faults):
            return all_alike(letters, QUOTA_USED_UP, reply, now)
        if any(where.startswith("from") or "sender identity" in text.lower() for where, text in faults):
            return all_alike(letters, SENDER_REFUSED)
        if (ruling := by_status(reply.status)) is not None:
            return all_alike(letters, ruling, reply, now)
        if len(letters) > 1:
            return None
        about_the_recipient = any(_RECIPIENT.match(where) for where, _ in faults)
        return all_alike(letters, INVALID_ADDRESS if about_the_recipient else REJECTED)


def _person(letter: Letter) -> dict[str, object]:
    person: dict[str, object] = {
        "to": [{"email": letter.recipient}],
        "headers": dict(letter.headers),
        "substitutions": dict(zip(_PLACES, letter.links, strict=False)) if _can_share(letter) else {},
    }
    if letter.mark:
        person["custom_args"] = {"restock": letter.mark}
    return person


def _shared(letter: Letter) -> tuple[str, str, str, str, str]:
    """Give the texts with places instead of links; a text that holds such a place by itself is shared with nobody."""
    text, html = letter.text, letter.html
    if _can_share(letter):
        # The longest first: no link may begin like another.
        for link, place in sorted(zip(letter.links, _PLACES, strict=False), key=lambda pair: -len(pair[0])):
            text, html = text.replace(link, place), html.replace(link, place)
    return letter.subject, text, html, letter.from_address, letter.from_name


def _can_share(letter: Letter) -> bool:
    return not any("%rsk-" in part for part in (letter.subject, letter.text, letter.html))
