"""Asking Shopify what can be bought: many variants of one shop at a time, outside every transaction.

An answer is kept as readings of the moment before it was asked for, so that an older answer never beats a newer one.
Who waits for what, and what follows, is not this room's business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from restock.catalog import repository
from restock.catalog.rules import admin as rules
from restock.catalog.rules.basis import basis_of
from restock.catalog.service.asking import Asker, Word, in_portions
from restock.catalog.service.ports import Admin, Tokens
from restock.catalog.values import Answer, Asked, Away, Later, NoWord, ReadingBasis, ReadingSource, StockVerdict
from restock.database import Database
from restock.shopify.errors import (
    AdminError,
    AdminForbiddenError,
    AdminThrottledError,
    AdminUnauthorizedError,
    NoAccessError,
)
from restock.shopify.port import MOST_GOODS_IDS, MOST_MARKET_IDS
from restock.shops.values import Shop

log = structlog.get_logger(__name__)

SHORTEST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class CatalogService:
    """The Admin API as the source of what is known of goods. Safe across threads."""

    database: Database
    tokens: Tokens
    admin: Admin

    def can_ask(self, shop: Shop) -> bool:
        """Say whether this shop lets us ask."""
        return self.tokens.has_access(shop)

    def read(self, shop: Shop, variant_ids: Collection[int]) -> Answer:
        """Ask about the stock of variants and keep the readings. Call it outside transactions; it never raises
        for what goes wrong at Shopify's.
        """
        with self.database.transaction() as session:
            asked_at = _now(session)
            bases = {basis_of(shop.settings), *repository.bases_of(session, shop.id, variant_ids)}
        try:
            word = self._asker.ask(shop.id, list(variant_ids), by_location=any(basis.locations for basis in bases))
        except (NoAccessError, AdminError) as error:
            return _answer_to(error, shop.id)
        with self.database.transaction() as session:
            look_again = _keep(session, shop, variant_ids, word, asked_at)
        return Asked(look_again, frozenset(variant_ids) - word.left - word.stock.keys())

    def refresh_goods(self, shop: Shop, variant_ids: Collection[int], most: int = MOST_GOODS_IDS) -> int:
        """Ask what messages may say of variants where nothing is known or was heard for a day; return of how many.

        Of `most` variants, one question for each MOST_GOODS_IDS; call it outside transactions. What goes wrong at
        Shopify's only means: later.
        """
        with self.database.transaction() as session:
            wanted = repository.goods_wanted(session, shop.id, variant_ids, most)
            asked_at = _now(session)
        kept = 0
        for some in in_portions(wanted, MOST_GOODS_IDS):
            try:
                goods = self.tokens.ask(shop.id, partial(self.admin.goods, variant_ids=some))
            except (NoAccessError, AdminError) as error:
                _answer_to(error, shop.id)
                return kept
            with self.database.transaction() as session:
                repository.record_goods(session, shop.id, list(goods.values()), asked_at)
            kept += len(goods)
        return kept

    def refresh_markets(self, shop: Shop, variant_ids: Collection[int], market_ids: Collection[int]) -> int:
        """Ask how variants look in some of a shop's markets where that is not known lately; return how many views.

        One question a country; call it outside transactions. What goes wrong at Shopify's only means: later.
        """
        kept = 0
        for country in sorted({one.country for one in shop.settings.markets if one.market_id in market_ids}):
            with self.database.transaction() as session:
                wanted = repository.views_wanted(session, shop.id, variant_ids, country, MOST_MARKET_IDS)
                asked_at = _now(session)
            if not wanted:
                continue
            try:
                views = self.tokens.ask(shop.id, partial(self.admin.market, variant_ids=wanted, country=country))
            except (NoAccessError, AdminError) as error:
                _answer_to(error, shop.id)
                return kept
            with self.database.transaction() as session:
                repository.keep_views(session, shop.id, country, list(views.values()), asked_at)
            kept += len(views)
        return kept

    @cached_property
    def _asker(self) -> Asker:
        return Asker(self.tokens, self.admin)


def _keep(
    session: Session, shop: Shop, variant_ids: Collection[int], word: Word, asked_at: datetime
) -> Mapping[int, float]:
    """Keep the readings; return when to ask again about variants that Shopify does not sell although it has them."""
    basis = basis_of(shop.settings)
    fresh = []
    for variant_id in sorted(set(variant_ids) - word.left):
        verdict = word.verdict(variant_id, basis)
        fresh.append(repository.Fresh(variant_id, verdict.stock, _under(word, variant_id), verdict.lagging))
    look = repository.Look(ReadingSource.admin, asked_at, basis)
    since = repository.keep_readings(session, shop.id, look, fresh)
    ages = {variant_id: (asked_at - moment).total_seconds() for variant_id, moment in since.items()}
    again = {variant_id: wait for variant_id, age in ages.items() if (wait := rules.next_look(age)) is not None}
    return again | dict.fromkeys(word.left, _bounded(word.wait_seconds))


def _under(word: Word, variant_id: int) -> Callable[[ReadingBasis], StockVerdict]:
    return lambda basis: word.verdict(variant_id, basis).stock


def _answer_to(error: AdminError | NoAccessError, shop_id: int) -> Answer:
    match error:
        case AdminThrottledError():
            return Later(_bounded(error.wait_seconds))
        case NoAccessError() | AdminUnauthorizedError() | AdminForbiddenError():
            log.info("shop_not_readable", shop_id=shop_id, kind=type(error).__name__)
            return NoWord()
        case _:
            log.warning("shop_not_answering", shop_id=shop_id, kind=type(error).__name__)
            return Away()


def _bounded(wait_seconds: float) -> float:
    return min(max(wait_seconds, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)


def _now(session: Session) -> datetime:
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment
