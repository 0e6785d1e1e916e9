"""Erasing a shop that left, in short transactions, each of which asks first whether the shop is back.

How far it has come stands in the request, so another process goes on where this one was stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from restock.database import Database
from restock.privacy import repository
from restock.privacy.repository import shop as rows
from restock.privacy.rules.registry import REGISTRY, Paging
from restock.privacy.values import DueRequest, RequestState

log = structlog.get_logger(__name__)

TABLES = tuple(name for name, rule in REGISTRY.items() if rule.paging not in (Paging.domain, Paging.once))
_LETTERS, _SHOP = "letters", "shop"  # what stands behind the tables in `progress`
_INSTALLED = "installed"


@dataclass(frozen=True)
class ShopErasure:
    """Erase everything of a shop. `forget`: its domain is no longer to be remembered by this process."""

    database: Database
    forget: Callable[[str], None]
    lease_seconds: float

    def erase(self, request: DueRequest, seconds: float) -> bool:
        """Erase for up to so many seconds; True when the request is settled."""
        began, progress = time.monotonic(), request.progress
        while True:
            with self.database.transaction() as session:
                progress = self._step(session, request, progress)
            if progress is None:
                self.forget(request.shop_domain)
                return True
            if time.monotonic() - began >= seconds:
                with self.database.transaction() as session:
                    repository.postpone(session, request.id, 0, None)
                return False

    def _step(self, session: Session, request: DueRequest, progress: str | None) -> str | None:
        """Do one piece; return how far it has come, None when the request is settled."""
        if not repository.hold(session, request.id):
            return None
        rows.leave_if_locked_out(session, request.shop_domain)
        shop = rows.standing(session, request.shop_domain)
        if shop is not None and shop.state == _INSTALLED:
            log.warning("privacy_shop_erasure_refused", request=request.id, shop=request.shop_domain)
            repository.finish(session, request.id, RequestState.refused, reason=_INSTALLED)
            return None
        place, _, cursor = (progress or f"{TABLES[0] if shop else _LETTERS} ").partition(" ")
        if place == _SHOP or (place not in TABLES and place != _LETTERS):
            _finish(session, request, shop)
            return None
        if place == _LETTERS or shop is None:
            piece, following = rows.erase_letters(session, request.shop_domain, request.id), _SHOP
        else:
            piece, following = rows.erase_piece(session, place, shop.id, cursor or None), _after(place)
        reached = f"{following} " if piece.cursor is None else f"{place} {piece.cursor}"
        repository.note_progress(session, request.id, reached, piece.row_count, self.lease_seconds)
        return reached


def _finish(session: Session, request: DueRequest, shop: rows.Standing | None) -> None:
    row_count = rows.erase_row(session, shop.id) if shop else 0
    repository.finish(session, request.id, RequestState.done, row_count=row_count)
    log.info("privacy_shop_erased", request=request.id, shop=request.shop_domain)


def _after(table: str) -> str:
    place = TABLES.index(table) + 1
    return TABLES[place] if place < len(TABLES) else _LETTERS
