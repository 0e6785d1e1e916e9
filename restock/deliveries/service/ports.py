"""What the deliveries need of the rooms below, so that tests can hand in their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from restock.batches.pipeline import Step
from restock.channels.values import ChannelName, Envelope, SenderChoice
from restock.deliveries.limits.values import Admission
from restock.shops.values import Shop
from restock.subscriptions.values import SuppressionReason


class Turns(Protocol):
    """Tell the restocks what became of an offer's message, in the transaction that records it."""

    def offers_accepted(self, session: Session, shop: Shop, offer_ids: Sequence[int]) -> None: ...

    def named_accepted(self, shop: Shop) -> Sequence[Step]: ...

    def offers_returned(self, session: Session, shop_id: int, offer_ids: Sequence[int], reason: str) -> None: ...

    def offers_missed(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None: ...

    def offers_bounced(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None: ...

    def offers_asleep(self, session: Session, shop_id: int, offer_ids: Sequence[int]) -> None: ...


class Senders(Protocol):
    """Say by whom a shop sends its e-mail, where that is not the instance's own mail server."""

    def choice(self, session: Session, shop_id: int) -> SenderChoice | None: ...


class Suppressions(Protocol):
    """Never write to an address again, in the transaction that learns it."""

    def suppress(self, session: Session, shop_id: int, contact_id: int, reason: SuppressionReason) -> None: ...

    def missing(self, session: Session, shop_id: int, contact_id: int) -> None: ...


class Gate(Protocol):
    """Let messages of one channel go as fast, and as many, as is good for whoever pays for them."""

    def is_allowed(self, shop: Shop, address: str) -> bool: ...

    def room(self, channel: ChannelName) -> int | None: ...

    def admit(self, session: Session, shop: Shop, envelopes: Sequence[Envelope], now: datetime) -> Admission: ...

    def pause(self, channel: ChannelName, seconds: float) -> None: ...

    def give_back(self, shop: Shop, envelopes: Sequence[Envelope], claimed_at: datetime) -> None: ...

    def count_filtered(self, shop: Shop, now: datetime) -> None: ...
