"""What this room needs of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.orm import Session


class Turns(Protocol):
    """Give the units a person's turns keep to whoever is next, in the transaction in which they leave or rest.

    Called with the contact held, before what it waits for is changed; the ids are of the contact's own.
    """

    def person_left(self, session: Session, shop_id: int, contact_id: int) -> None: ...

    def alerts_left(self, session: Session, shop_id: int, subscription_ids: Sequence[int]) -> int: ...

    def alerts_paused(self, session: Session, shop_id: int, subscription_ids: Sequence[int]) -> None: ...


class NoTurns:
    """Nobody has a turn."""

    def person_left(self, session: Session, shop_id: int, contact_id: int) -> None: ...

    def alerts_left(self, session: Session, shop_id: int, subscription_ids: Sequence[int]) -> int:  # noqa: ARG002
        return 0

    def alerts_paused(self, session: Session, shop_id: int, subscription_ids: Sequence[int]) -> None: ...
