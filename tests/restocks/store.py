"""A small store on a real database: goods, stock, people who wait, and channels that only remember."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

import restock.catalog.repository as catalog
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict
from restock.deliveries.service import Deliveries, DeliveryNotices
from restock.links import Links, Vault
from restock.restocks.service import RestockService
from restock.shops.service import ShopService
from restock.shops.values import Shop
from restock.subscriptions.service import SubscriptionService
from tests.opened import kept

VARIANT = 9_007_199_254_740_993  # larger than a float can hold
KEY = "a-key-for-tests-only-000001"

_GOODS = """
    INSERT INTO products (shop_id, product_id, title, handle, status, published, variant_count,
        source_updated_at, source_triggered_at)
    VALUES (:shop, :variant, 'Mug', 'mug', 'active', true, 2, now(), now()) ON CONFLICT DO NOTHING;
"""
_VARIANT = """
    INSERT INTO variants (shop_id, variant_id, product_id, title, price_cents, inventory_item_id, tracked,
        source_updated_at, source_triggered_at)
    VALUES (:shop, :variant, :variant, 'Green', 1250, :variant, :tracked, now(), now())
    ON CONFLICT (shop_id, variant_id) DO UPDATE SET tracked = excluded.tracked
"""
_LEVEL = """
    INSERT INTO inventory_levels (shop_id, inventory_item_id, location_id, available,
        source_updated_at, source_triggered_at)
    VALUES (:shop, :variant, 1, :units, now(), now())
    ON CONFLICT (shop_id, inventory_item_id, location_id) DO UPDATE SET available = excluded.available
"""
_PEOPLE = """
    WITH people AS (
        SELECT n, coalesce((SELECT max(id) FROM contacts), 0) + n AS handle FROM generate_series(1, :count) n
    ), contact AS (
        INSERT INTO contacts (shop_id, channel, address, address_hash, push_keys)
        SELECT :shop, :channel, 'shopper' || handle || '@example.com',
            sha256((:shop || '-' || :channel || '-' || handle)::bytea), NULL
        FROM people ORDER BY n RETURNING id
    )
    INSERT INTO subscriptions
        (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, quantity, state,
        queued_at, expires_at)
    SELECT :shop, id, gen_random_uuid(), :channel, :variant, :variant, :quantity, :state,
        now() - interval '1 day' + make_interval(secs => id / 1000.0), now() + interval '1 year'
    FROM contact ORDER BY id RETURNING id
"""


@dataclass
class RecordingChannel:
    """Remembers what it was handed; `answer` decides what becomes of it."""

    name: ChannelName = ChannelName.email
    doubt: Doubt = Doubt.resend_once
    answer: Callable[[Envelope], Outcome] = field(default=lambda e: Outcome(e.delivery_id, Verdict.accepted))
    known: dict[int, bool] = field(default_factory=dict)
    sent: list[Envelope] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        for envelope in envelopes:
            with self.lock:
                self.sent.append(envelope)
            yield self.answer(envelope)

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:
        return {e.delivery_id: self.known[e.delivery_id] for e in envelopes if e.delivery_id in self.known}

    def close(self) -> None: ...


def refused(envelope: Envelope, reason: str = "no_such_user", blame: Blame = Blame.message) -> Outcome:
    return Outcome(envelope.delivery_id, Verdict.refused, reason, blame)


def deferred(envelope: Envelope, blame: Blame = Blame.message) -> Outcome:
    return Outcome(envelope.delivery_id, Verdict.deferred, "busy", blame)


def unanswered(envelope: Envelope) -> Outcome:
    return Outcome(envelope.delivery_id, Verdict.unanswered, "timeout")


class Store:
    """One shop, `demo`, and everything that works for it."""

    def __init__(self, url: str, channels: Sequence[RecordingChannel] = (), lease_seconds: float = 30) -> None:
        self.database = kept(url)
        self.restocks = RestockService(self.database, DeliveryNotices())
        self.shops = ShopService(self.database, Vault([KEY]), follow=self.restocks.settings_changed)
        self.shop: Shop = self.shops.add("demo")
        self.set(send_hours__sms="any")  # the tests run at night too
        self.channel = channels[0] if channels else RecordingChannel()
        self.subscriptions = SubscriptionService(self.database, 0, self.restocks)
        self.deliveries = Deliveries(
            self.database,
            {channel.name: channel for channel in channels or [self.channel]},
            self.restocks,
            self.subscriptions,
            Links([KEY], "https://restock.example.com"),
            lease_seconds=lease_seconds,
        )

    def set(self, **settings: str) -> None:
        self.shop = self.shops.change_settings(
            self.shop.domain, {key.replace("__", "."): value for key, value in settings.items()}
        )

    def stock(self, units: int | None, variant: int = VARIANT, shop: Shop | None = None) -> None:
        """Have so many units of a variant (None: without limit), and a check due."""
        shop_id = (shop or self.shop).id
        values = {"shop": shop_id, "variant": variant, "tracked": units is not None, "units": units}
        with self.database.transaction() as session:
            for statement in (_GOODS, _VARIANT, _LEVEL):
                session.execute(text(statement.strip().rstrip(";")), values)
            catalog.request_checks(session, shop_id, [variant], 0)

    def join(
        self,
        count: int = 1,
        quantity: int = 1,
        *,
        channel: str = "email",
        variant: int = VARIANT,
        shop: Shop | None = None,
        state: str = "active",
    ) -> list[int]:
        """Have people wait, one after the other; return their subscriptions."""
        values = {
            "shop": (shop or self.shop).id,
            "count": count,
            "quantity": quantity,
            "channel": channel,
            "variant": variant,
            "state": state,
        }
        with self.database.transaction() as session:
            return list(session.execute(text(_PEOPLE), values).scalars())

    def check(self, *, patient: bool = True) -> None:
        """Look at the stock that is due and plan everything that follows; `patient`: however long answers take."""
        while self.restocks.check_due() or self._is_asking():
            if not patient:
                break
        self.plan()

    def pass_over(self) -> int:
        """Take the pages of passes that are due, however long answers take; return how many."""
        taken = self.restocks.reconcile_due()
        while self._is_asking():
            pass
        return taken

    def _is_asking(self) -> bool:
        """Wait a while for threads that ask; False when there are none."""
        is_asking = bool(self.restocks.threads.busy())
        self.restocks.threads.wait(1)
        return is_asking

    def plan(self) -> None:
        while self.restocks.plan_due():
            pass

    def restock(self, units: int | None, **more: object) -> None:
        """Have new stock and let everything up to the queued messages happen."""
        self.stock(units, **more)  # type: ignore[arg-type]
        self.check()

    def send(self) -> None:
        """Send everything that is due on every channel."""
        for name in self.deliveries.channels:
            self.deliveries.drain(name, seconds=20)

    def sql(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        with self.database.transaction() as session:
            found = session.execute(text(statement), values)
            return [tuple(row) for row in found] if isinstance(found, CursorResult) and found.returns_rows else []

    def one(self, statement: str, **values: object) -> object:
        return self.sql(statement, **values)[0][0]

    def offered(self) -> list[int]:
        """The subscriptions with an open offer, in the order of the offers."""
        return [
            int(str(row[0])) for row in self.sql("SELECT subscription_id FROM offers WHERE state='open' ORDER BY id")
        ]

    def states(self, table: str) -> dict[str, int]:
        rows = self.sql(f"SELECT state, count(*) FROM {table} GROUP BY state")
        return {str(state): int(str(count)) for state, count in rows}

    def pass_time(self, table: str, column: str, seconds: float = 3600) -> None:
        """Move a column of every row of a table into the past."""
        self.sql(
            f"UPDATE {table} SET {column} = {column} - make_interval(secs => {seconds}) WHERE {column} IS NOT NULL"
        )

    def in_transaction(self, work: Callable[[Session], None]) -> None:
        with self.database.transaction() as session:
            work(session)

    def close(self) -> None:
        self.database.dispose()


def together(*jobs: Callable[[], object]) -> list[BaseException]:
    """Run jobs in threads that start at the same moment; return what they raised."""
    barrier, errors = threading.Barrier(len(jobs)), []

    def run(job: Callable[[], object]) -> None:
        barrier.wait()
        try:
            job()
        except BaseException as error:  # noqa: BLE001 (a test looks at it)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return errors
