"""The reconciler: every waiting variant is looked at within an interval, whatever webhooks tell or lose.

A shop that can be asked is passed over page by page, 250 variants a question, at the pace its points allow; shops take
turns by page. Shops without access have their recorded news looked at again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import assert_never

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
import restock.subscriptions.repository as subscriptions
from restock.catalog.rules.basis import basis_of, write_basis
from restock.catalog.values import Asked, Away, Later, NoWord
from restock.database import Database
from restock.failpoints import failpoint
from restock.restocks import rules
from restock.restocks.repository import passes, watching
from restock.restocks.service.following import Following, load_shop
from restock.restocks.service.ports import StockSource
from restock.restocks.service.threads import ShopThreads
from restock.restocks.values import ShopPass
from restock.shops.values import Shop

LEASE_SECONDS = 60.0
AWAY_SECONDS = 60.0
THROTTLED_EXTRA_SECONDS = 1.0  # so that checks, which somebody was told of, come first
VARIANTS_PER_PAGE = 1000


@dataclass
class _Walk:
    """How far a look at everything waited for has come: (shop, variant). None: the next one begins at the beginning."""

    after: tuple[int, int] | None = None


@dataclass(frozen=True)
class Reconciling:
    """Find what no webhook told."""

    database: Database
    stock: StockSource
    threads: ShopThreads
    following: Following
    interval_seconds: float
    lease_seconds: float = LEASE_SECONDS
    _walk: _Walk = field(default_factory=_Walk)

    @property
    def is_walking(self) -> bool:
        """Whether `request` stopped before it had come to the end."""
        return self._walk.after is not None

    def request(self, seconds: float = math.inf) -> int:
        """Ask for checks of variants somebody waits for that were never read, or not lately in a shop that cannot be
        asked; have the others passed over. Return for how many.

        A shop is a transaction. After so many seconds it stops, and the next call goes on there.
        """
        asked, until = 0, time.monotonic() + seconds
        while True:
            with self.database.transaction() as session:
                page = subscriptions.waiting_variants(session, self._walk.after, VARIANTS_PER_PAGE)
            for shop_id, pairs in groupby(page, key=lambda pair: pair[0]):
                variant_ids = [variant_id for _, variant_id in pairs]
                with self.database.transaction() as session:
                    asked += self._request(session, shop_id, variant_ids)
                self._walk.after = (shop_id, variant_ids[-1])
                if time.monotonic() >= until:
                    return asked
            if len(page) < VARIANTS_PER_PAGE:
                self._walk.after = None
                return asked

    def run(self, seconds: float, give_way: Callable[[], bool]) -> int:
        """Take pages of passes that are due until none is, the time is up, or `give_way` says so; return how many."""
        done, until = 0, time.monotonic() + seconds
        while time.monotonic() < until and not give_way():
            with self.database.transaction() as session:
                free, busy = self.threads.free(), self.threads.busy()
                due = passes.claim_passes(session, free, self.lease_seconds, busy)
            for state in due:
                self.threads.start(state.shop_id, partial(self._page, state))
            done += len(due)
            if not due and not self.threads.wait(min(1.0, until - time.monotonic())):
                break
        return done

    def _request(self, session: Session, shop_id: int, variant_ids: Sequence[int]) -> int:
        shop = load_shop(session, shop_id)
        if shop is None or not shop.is_installed:
            return 0
        basis = write_basis(basis_of(shop.settings))
        if self.stock.can_ask(shop):
            passes.add_pass(session, shop_id)
            if watching.read_otherwise(session, shop_id, variant_ids, basis):
                passes.hurry_pass(session, shop_id)
            found = watching.never_read(session, shop_id, variant_ids)
        else:
            found = watching.stale_variants(session, shop_id, variant_ids, self.interval_seconds, basis)
        catalog.request_checks(session, shop_id, found, 0)
        return len(found)

    def _page(self, state: ShopPass) -> None:
        """Ask about one page of a shop's waiting variants, follow the answer, and say when the pass goes on."""
        with self.database.transaction() as session:
            shop = load_shop(session, state.shop_id)
            if shop is None or not shop.is_installed or not self.stock.can_ask(shop):
                passes.drop_pass(session, state)
                return
            page = _page_of(session, state)
            basis = write_basis(basis_of(shop.settings))
            unread = watching.unread_since(session, shop.id, page, state.started_at, basis)
        answer = self.stock.read(shop, unread) if unread else Asked()
        failpoint("reconcile.answered")
        if isinstance(answer, Asked):
            self._follow(shop, unread, answer)
        with self.database.transaction() as session:
            match answer:
                case Asked():
                    self._go_on(session, state, page, asked=bool(unread))
                case Later(seconds):
                    passes.postpone_pass(session, state, seconds + THROTTLED_EXTRA_SECONDS)
                case Away():
                    passes.postpone_pass(session, state, AWAY_SECONDS)
                case NoWord():
                    passes.postpone_pass(session, state, self.interval_seconds)
                case _:
                    assert_never(answer)
            failpoint("reconcile.before_commit")

    def _follow(self, shop: Shop, variant_ids: Sequence[int], answer: Asked) -> None:
        if not variant_ids:
            return
        with self.database.transaction() as session:
            undecided = watching.undecided(session, shop.id, variant_ids)
            markets = subscriptions.waiting_markets(session, shop.id, sorted(undecided))
            catalog.request_each(session, shop.id, answer.look_again)
        if undecided:
            self.stock.refresh_goods(shop, undecided, len(undecided))
            self.stock.refresh_markets(shop, undecided, markets)
        for variant_id in sorted(undecided):
            self.following.variant(shop.id, variant_id)
        if others := set(variant_ids) - undecided - answer.unknown:
            self.stock.refresh_goods(shop, others)

    def _go_on(self, session: Session, state: ShopPass, page: Sequence[int], *, asked: bool) -> None:
        if len(page) < rules.PASS_PAGE:
            passes.finish_pass(session, state, len(page), self.interval_seconds)
            return
        expected = max(state.last_variant_count, state.seen_count + len(page))
        pause = rules.pass_pause(expected, self.interval_seconds) if asked else 0.0
        passes.advance_pass(session, state, page[-1], len(page), pause)


def _page_of(session: Session, state: ShopPass) -> list[int]:
    found = subscriptions.waiting_variants(session, (state.shop_id, state.cursor_variant_id), rules.PASS_PAGE)
    return [variant_id for shop_id, variant_id in found if shop_id == state.shop_id]
