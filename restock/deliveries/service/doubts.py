"""Deliveries nobody knows the end of: asked about where the provider can be asked, else by the channel's policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import assert_never

from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.channels.port import Channel
from restock.channels.values import ChannelName, Doubt
from restock.database import Database
from restock.deliveries import rules
from restock.deliveries.repository import claims, lanes, outcomes
from restock.deliveries.repository.outcomes import Again
from restock.deliveries.rules import doubts
from restock.deliveries.service.claiming import load_shop, markets_of
from restock.deliveries.service.envelopes import seal_envelopes
from restock.deliveries.service.ports import Senders, Turns
from restock.deliveries.service.recording import offers_of
from restock.deliveries.values import ClaimedRow, MessageFacts
from restock.failpoints import failpoint
from restock.links import Links
from restock.shops.values import Shop


@dataclass(frozen=True)
class Doubts:
    """Resolve `unknown` deliveries. `shut`: the channels whose provider is down, and whether it may be tried."""

    database: Database
    channels: Mapping[ChannelName, Channel]
    turns: Turns
    links: Links
    shut: Callable[[], Mapping[ChannelName, bool]] = dict
    senders: Senders | None = None
    patience: rules.Patience = rules.PATIENCE

    def expire_leases(self, limit: int) -> int:
        """Take deliveries from workers that were lost; return how many."""
        with self.database.transaction() as session:
            taken = outcomes.expire_leases(session, doubts.LEASE_OVER, limit)
            if taken:
                failpoint("lease.before_commit")
        if taken:
            failpoint("lease.after_commit")
        return taken

    def resolve(self, limit: int, lease_seconds: float) -> int:
        """Decide about up to `limit` doubtful deliveries of each channel; return how many."""
        done, shut = 0, self.shut()
        for name in ChannelName:
            if shut.get(name) is False:  # nobody would answer now: a doubt is not ended by that
                continue
            with self.database.transaction() as session:
                rows = claims.take_doubtful(session, name, limit, lease_seconds)
            rows.sort(key=lambda row: row.shop_id)
            for shop_id, group in groupby(rows, key=lambda row: row.shop_id):
                self._resolve_shop(shop_id, list(group), self.channels.get(name), lease_seconds)
            done += len(rows)
        return done

    def _resolve_shop(
        self, shop_id: int, rows: Sequence[ClaimedRow], channel: Channel | None, lease_seconds: float
    ) -> None:
        """Ask, decide, write; `channel` None: this instance has no provider for it any more, and nobody can be asked.

        What has moved on while the provider was asked is left alone, and so is what somebody else holds.
        """
        with self.database.transaction() as session:
            shop = load_shop(session, shop_id)
            goods = catalog.product_facts(session, shop, {row.variant_id for row in rows if row.variant_id})
            prices = catalog.market_prices(session, shop, markets_of(rows))
            by_mail = self.senders is not None and rows[0].channel is ChannelName.email
            sender = self.senders.choice(session, shop_id) if self.senders and by_mail else None
        failpoint("doubt.before_lookup")
        told = MessageFacts(shop, goods, prices, sender=sender)
        known = channel.lookup(seal_envelopes(rows, told, self.links)) if channel else {}
        failpoint("doubt.after_lookup")
        policy = channel.doubt if channel else Doubt.at_most_once
        policy = sender.doubt if sender is not None and sender.doubt is not None else policy
        with self.database.transaction() as session:
            held = outcomes.hold_doubts(session, {row.id: row.doubts for row in rows})
            looks = {row_id: age / lease_seconds if channel else doubts.MOST_LOOKS for row_id, age in held.items()}
            self._write(session, shop, [(row, known.get(row.id)) for row in rows if row.id in held], policy, looks)
            failpoint("doubt.before_commit")

    def _write(
        self,
        session: Session,
        shop: Shop,
        said: Sequence[tuple[ClaimedRow, bool | None]],
        policy: Doubt,
        looks: Mapping[int, float],
    ) -> None:
        sent: dict[int, str | None] = {}
        again: list[Again] = []
        open_ended: list[int] = []
        for row, accepted in said:
            known = (row.reason, row.attempt, row.doubts, looks[row.id], self.patience)
            decision = doubts.resolve_doubt(accepted, policy, *known)
            match decision:
                case rules.Sent():
                    sent[row.id] = None
                case rules.RetryAt(seconds, reason, counts):
                    again.append(Again(row.id, seconds, reason, counts))
                case doubts.LookAgain():  # it comes back after the lease
                    pass
                case doubts.StayUnknown():
                    open_ended.append(row.id)
                case _:
                    assert_never(decision)
        ended = [*outcomes.mark_sent(session, sent, None), *outcomes.stay_unknown(session, open_ended)]
        seconds_by_lane = outcomes.requeue(session, again, None)
        # One that stays unknown may well have arrived: the turn runs, and nobody is told twice.
        self.turns.offers_accepted(session, shop, offers_of(ended))
        lanes.advance(session, seconds_by_lane)
