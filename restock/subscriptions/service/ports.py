"""What this room needs of others."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.orm import Session


class Turns(Protocol):
    """Give the units a person's turns keep to whoever is next, in the transaction in which the person leaves.

    Called with the contact held, before what it waits for is cancelled.
    """

    def person_left(self, session: Session, shop_id: int, contact_id: int) -> None: ...


class NoTurns:
    """Nobody has a turn."""

    def person_left(self, session: Session, shop_id: int, contact_id: int) -> None: ...
