"""What privacy needs of the rooms below it, beside their queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.orm import Session


class Turns(Protocol):
    """End a person's turns and give the units to whoever is next, in the caller's transaction."""

    def offers_returned(self, session: Session, shop_id: int, offer_ids: Sequence[int], reason: str) -> None: ...

    def offers_bounced(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None: ...
