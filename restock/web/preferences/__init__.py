"""A person's own page: every alert of this shop to one address, and what can be changed about them.

A look changes nothing. A post acts, with no cookie and no sign-in: the signed token in the path is the capability, and
proves the one address it was sent to; nobody else's alerts exist here. Every act is one of the services' conditional
changes, so pressing a button twice, or on an old page, is harmless: the answer shows how things stand now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from restock.channels.tongues import LANGUAGES
from restock.reports.values.preferences import OwnAlerts
from restock.web.preferences.page import Page, page_not_found

if TYPE_CHECKING:
    from restock.bootstrap import Services

_PATH = "/preferences/<token>"
_LARGEST_ID = 2**63 - 1
RESTS_DAYS = (7, 30, 90)

Act = Callable[[int], str]


def add_preferences(blueprint: Blueprint, services: Services) -> None:
    """Add `/preferences/{token}` and its page to erase to the pages behind our links."""
    acts = _acts(services)

    @blueprint.get(_PATH)
    def preferences(token: str) -> Response:
        return _show(services, token)

    @blueprint.post(_PATH)
    def change_preferences(token: str) -> Response:
        contact_id = services.links.read_preferences(token)
        act = acts.get(request.form.get("do", ""))
        if contact_id is None or act is None:
            return _show(services, token)
        return _show(services, token, said=act(contact_id))

    @blueprint.get(f"{_PATH}/erase")
    def ask_to_erase(token: str) -> Response:
        return _show(services, token, erasing=True)

    @blueprint.post(f"{_PATH}/erase")
    def erase(token: str) -> Response:
        contact_id, own = _read(services, token)
        if contact_id is None or own is None:
            return page_not_found()
        services.privacy.erase_own(contact_id)
        services.waker.wake()
        return _page(services, own, token).erased()


def _read(services: Services, token: str) -> tuple[int | None, OwnAlerts | None]:
    contact_id = services.links.read_preferences(token)
    return contact_id, services.people.own_alerts(contact_id) if contact_id is not None else None


def _show(services: Services, token: str, said: str = "", *, erasing: bool = False) -> Response:
    _, own = _read(services, token)
    if own is None:
        return page_not_found()
    page = _page(services, own, token, said)
    return page.ask_to_erase() if erasing else page.show()


def _page(services: Services, own: OwnAlerts, token: str, said: str = "") -> Page:
    return Page(own, token, said, shows_local=not services.settings.is_production)


def _acts(services: Services) -> Mapping[str, Act]:
    """What the buttons do; each says what became of it, by the name of a sentence."""
    choices = services.subscriptions.choices

    def pause(contact_id: int) -> str:
        return _after(services, "did_pause", choices.pause(contact_id, _alert_id(), _until()))

    def resume(contact_id: int) -> str:
        return _after(services, "did_resume", choices.resume(contact_id, _alert_id()))

    def quantity(contact_id: int) -> str:
        wanted, alert_id = request.form.get("quantity", 0, type=int), _alert_id()
        done = alert_id is not None and choices.set_quantity(contact_id, alert_id, wanted)
        return _after(services, "did_quantity", done)

    def leave(contact_id: int) -> str:
        alert_id = _alert_id()
        return _after(services, "did_leave", alert_id is not None and choices.leave(contact_id, alert_id))

    def leave_all(contact_id: int) -> str:
        services.subscriptions.unsubscribe(contact_id)
        return _after(services, "did_leave_all", done=True)

    def speak(contact_id: int) -> str:
        locale = request.form.get("locale", "")
        return _after(services, "did_speak", locale in LANGUAGES and choices.speak(contact_id, locale))

    return {
        "pause": pause,
        "resume": resume,
        "quantity": quantity,
        "leave": leave,
        "leave_all": leave_all,
        "speak": speak,
    }


def _after(services: Services, said: str, done: object) -> str:
    """Wake whoever looks at the queue where something changed; say how it stands otherwise."""
    if done:
        services.waker.wake()
    return said if done else "did_nothing"


def _alert_id() -> int | None:
    """Read which alert is meant; None: all of this address. What is no number at all is nobody's alert."""
    typed = request.form.get("alert", "")
    if not typed:
        return None
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 20 and int(typed) <= _LARGEST_ID else 0


def _until() -> datetime | None:
    """Read for how many days alerts are to rest; None: until the person goes on."""
    days = request.form.get("days", 0, type=int)
    return datetime.now(UTC) + timedelta(days=days) if days in RESTS_DAYS else None
