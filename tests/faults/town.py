"""What happens around an engine under fault: goods, people who wait, restocks told by webhooks, orders.

It keeps its own books of whom a message is due to, apart from every table.
"""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
import urllib3

from restock.channels.values import ChannelName
from restock.deliveries.service import DeliveryNotices
from restock.ids import address_hash
from restock.links import Vault
from restock.playground.shopify.sender import WebhookSender
from restock.restocks.service import RestockService
from restock.shops.service import ShopService
from tests.faults.instance import API_SECRET, KEY, Instance
from tests.faults.witnesses import until
from tests.opened import opened

DOMAIN = "demo.myshopify.com"
OWNER = "owner@example.com"
FIRST_VARIANT = 9_007_199_254_740_993  # larger than a float can hold

_GOODS = """
    INSERT INTO products (shop_id, product_id, title, handle, status, published, variant_count,
        source_updated_at, source_triggered_at)
    VALUES (%(shop)s, %(variant)s, 'Mug', 'mug', 'active', true, 1, now(), now());
"""
_VARIANT = """
    INSERT INTO variants (shop_id, variant_id, product_id, title, price_cents, inventory_item_id, tracked,
        source_updated_at, source_triggered_at)
    VALUES (%(shop)s, %(variant)s, %(variant)s, 'Green', 1250, %(variant)s, true, now(), now())
"""
_JOIN = """
    WITH people AS (
        SELECT * FROM unnest(%(addresses)s::text[], %(hashes)s::bytea[], %(keys)s::text[])
            WITH ORDINALITY AS given (address, hash, keys, n)
    ), contact AS (
        INSERT INTO contacts (shop_id, channel, address, address_hash, push_keys)
        SELECT %(shop)s, %(channel)s, address, hash, keys::jsonb FROM people ORDER BY n RETURNING id
    )
    INSERT INTO subscriptions
        (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, quantity, state, queued_at,
        expires_at)
    SELECT %(shop)s, id, gen_random_uuid(), %(channel)s, %(variant)s, %(variant)s, 1, 'active',
        clock_timestamp() - interval '1 day', now() + interval '1 year'
    FROM contact ORDER BY id
"""


_A_BUYER = """
    SELECT s.variant_id, c.address FROM subscriptions s JOIN contacts c ON c.id = s.contact_id
    WHERE s.shop_id = (SELECT id FROM shops WHERE domain = 'demo.myshopify.com')
      AND s.state = 'notified' AND s.channel = 'email' ORDER BY s.id LIMIT 1
"""


_A_RUNNING_TURN = """
    SELECT o.id FROM offers o JOIN subscriptions s ON s.id = o.subscription_id
    WHERE o.state = 'open' AND o.accepted_at IS NOT NULL AND s.channel = 'push' ORDER BY o.id
"""
_ALL_TOLD = """
    SELECT variant_id FROM subscriptions WHERE shop_id = (SELECT id FROM shops WHERE domain = 'demo.myshopify.com')
      AND variant_id <> %(but)s AND variant_id IN (
          SELECT variant_id FROM restock_events WHERE closed_at IS NULL OR close_reason <> 'sold_out')
    GROUP BY variant_id
    HAVING bool_and(state IN ('notified', 'purchased')) AND bool_or(state = 'notified') ORDER BY variant_id LIMIT 1
"""
_REMIND = """
    UPDATE offers SET remind_at = now() FROM subscriptions s JOIN contacts c ON c.id = s.contact_id
    WHERE s.id = offers.subscription_id AND offers.id = (
        SELECT o.id FROM offers o JOIN subscriptions mine ON mine.id = o.subscription_id
        WHERE o.accepted_at IS NOT NULL AND o.remind_at > now() AND mine.channel = 'email'
        ORDER BY o.id LIMIT 1)
    RETURNING s.channel, c.address
"""


_JUST_NOW = """
    UPDATE subscriptions SET queued_at = clock_timestamp()
    WHERE contact_id = (SELECT id FROM contacts WHERE address = %(address)s)
"""
# All others came a day before the shop had itself told of anybody.
_ALERTS = """
    SELECT (SELECT coalesce(sum((facts ->> 'count')::int), 0) FROM shop_alerts),
        (SELECT count(*) FROM subscriptions s JOIN shop_alert_states known USING (shop_id)
            WHERE s.queued_at > now() - interval '12 hours' AND s.queued_at <= known.counted_until),
        (SELECT count(*) FROM shop_alerts)
"""


_STORY = """
    SELECT s.variant_id, s.state, s.notified_at, o.id, o.state, o.reason, o.accepted_at, o.kept_until, o.ends_at,
        d.id, d.kind, d.dedupe_key, d.state, d.reason, d.attempt, d.doubts, d.created_at, d.claimed_at, d.sent_at
    FROM contacts c JOIN subscriptions s ON s.contact_id = c.id LEFT JOIN offers o ON o.subscription_id = s.id
    LEFT JOIN deliveries d ON d.offer_id = o.id OR (o.id IS NULL AND d.subscription_id = s.id)
    WHERE c.address = %(address)s ORDER BY o.id, d.id
"""


class Due(NamedTuple):
    """One person a message must reach."""

    channel: str
    recipient: str


@dataclass
class Town:
    """One shop without access to the Admin API, whose webhooks are all that is known."""

    instance: Instance
    settings: dict[str, str] = field(default_factory=dict)
    due: list[Due] = field(default_factory=list)
    posted_ids: list[str] = field(default_factory=list)
    may_hear_again: set[Due] = field(default_factory=set)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _variants: itertools.count[int] = field(default_factory=lambda: itertools.count(FIRST_VARIANT))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _connection: psycopg.Connection[tuple[object, ...]] | None = None

    def __post_init__(self) -> None:
        shops = ShopService(opened(self.instance.database_url), Vault([KEY]))
        self.shop_id = shops.add(DOMAIN).id
        shops.change_settings(DOMAIN, {"policy": "everyone", "send_hours.sms": "any"} | self.settings)
        self.sender = WebhookSender(API_SECRET, retry_seconds=(0.3,) * 1000)
        self.sender.start()
        self.http = urllib3.PoolManager(maxsize=4, timeout=urllib3.Timeout(connect=1, read=5), retries=False)

    def new_variant(self) -> int:
        """Put sold-out goods on the shelf."""
        variant = next(self._variants)
        for statement in (_GOODS, _VARIANT):
            self.sql(statement, shop=self.shop_id, variant=variant)
        return variant

    def join(
        self, variant: int, channel: ChannelName, count: int, *, due: bool = True, shop_id: int | None = None
    ) -> list[str]:
        """Have new people wait; return their addresses. `due`: their message is in the books."""
        made = [self._address(channel) for _ in range(count)]
        addresses = [address for address, _ in made]
        values = {
            "shop": shop_id or self.shop_id,
            "channel": channel.value,
            "variant": variant,
            "addresses": addresses,
            "hashes": [address_hash(channel.value, address) for address in addresses],
            "keys": [keys for _, keys in made],
        }
        self.sql(_JOIN, **values)
        if due:
            self.expect(channel, addresses)
        return addresses

    def expect(self, channel: ChannelName, addresses: Sequence[str]) -> None:
        """Write into the books that these people must be told."""
        with self._lock:
            self.due.extend(Due(channel.value, address) for address in addresses)

    def sign_up(self, variant: int) -> str | None:
        """Leave an intent at the web's own door, again and again until it is taken; None when it never was."""
        address, _ = self._address(ChannelName.email)
        intent = {"shopify_variant_id": variant, "shopify_product_id": variant, "channel": "email", "source": "t"}
        body = json.dumps({"intent": intent, "customer": {"email": address}}).encode()
        headers = {"Content-Type": "application/json", "X-Shopify-Shop-Domain": DOMAIN}

        def taken() -> bool:
            try:
                url = f"{self.instance.url}/api/v1/intents.json"
                return self.http.request("POST", url, body=body, headers=headers).status == 201
            except urllib3.exceptions.HTTPError:
                return False

        if not until(taken, every=0.2):
            return None
        self.expect(ChannelName.email, [address])
        return address

    def restock(self, variant: int, units: int) -> None:
        """Tell of new stock as Shopify may: late news of its absence behind it, and each word twice."""
        now = datetime.now(UTC)
        for minutes, available in ((0, units), (5, 0)):
            moment = (now - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            level = {"inventory_item_id": variant, "location_id": 1, "available": available, "updated_at": moment}
            self.post("inventory_levels/update", level)

    def plan_by_hand(self, variant: int) -> None:
        """Have a restock planned here, by no process of the engine."""
        stock = RestockService(opened(self.instance.database_url), DeliveryNotices())
        reading = "INSERT INTO inventory_levels (shop_id, inventory_item_id, location_id, available, source_updated_at,"
        reading += " source_triggered_at) VALUES (%(shop)s, %(variant)s, 1, 1000000, now(), now())"
        due = "INSERT INTO stock_checks (shop_id, variant_id, due_at) VALUES (%(shop)s, %(variant)s, now())"
        for statement in (reading, due):
            self.sql(statement, shop=self.shop_id, variant=variant)
        stock.check_due()
        while stock.plan_due():
            pass

    def ask_to_confirm(self, variant: int) -> None:
        """Have somebody new wait for goods that stay away, and ask them whether they want to be told."""
        (address,) = self.join(variant, ChannelName.email, 1)
        self.sql("UPDATE contacts SET confirm_requested_at = now() WHERE address = %(address)s", address=address)

    def welcome_somebody(self, variant: int) -> None:
        """Have somebody new wait, and let the shop be told as soon as that is settled."""
        (address,) = self.join(variant, ChannelName.email, 1, due=False)
        self.sql(_JUST_NOW, address=address)
        self.sql("UPDATE shop_alert_states SET next_new_at = now()")

    def alerts_gone_wrong(self) -> list[str]:
        """Say whether the shop was told of as many as have come, each once, and by the same name if twice."""
        told, come, left = (int(str(count)) for count in self.sql(_ALERTS)[0])
        identities = {one.identity for one in self.instance.witnesses.record.of("email") if one.recipient == OWNER}
        faults = [f"told of {told}, and {come} have come"] if told != come else []
        return [*faults, *([f"{len(identities)} letters for {left} alerts"] if len(identities) > left else [])]

    def end_a_turn(self) -> None:
        """Let the turn be over of somebody who has been told."""
        self.sql(f"UPDATE offers SET ends_at = now() WHERE id = ({_A_RUNNING_TURN} LIMIT 1)")

    def wake_nobody(self) -> None:
        """Let somebody's message not have left for as long as units are kept for sleepers."""
        kept = "SELECT id FROM offers WHERE state = 'open' AND accepted_at IS NULL ORDER BY id DESC LIMIT 1"
        self.sql(f"UPDATE offers SET kept_until = now() WHERE id = ({kept})")

    def sell_out_something(self, but: int) -> None:
        """Let goods be sold out of which everybody who waited has been told."""
        found = self.sql(_ALL_TOLD, but=but)
        if found:
            level = {"inventory_item_id": found[0][0], "location_id": 1, "available": 0}
            self.post("inventory_levels/update", level | {"updated_at": datetime.now(UTC).isoformat()})

    def remind_somebody(self) -> None:
        """Let the time come for somebody's reminder, who may hear from us once more."""
        for channel, address in self.sql(_REMIND):
            self.may_hear_again.add(Due(str(channel), str(address)))

    def buy_something(self) -> None:
        """Have somebody who has been told by e-mail buy; nothing happens while nobody has."""
        found = self.sql(_A_BUYER)
        if found:
            self.order(int(str(found[0][0])), str(found[0][1]))

    def order(self, variant: int, email: str) -> None:
        """Have somebody buy."""
        number = uuid.uuid4().int >> 70
        line = {"id": number, "variant_id": variant, "quantity": 1, "price": "12.50", "total_discount": "0.00"}
        body = {"id": number, "created_at": datetime.now(UTC).isoformat(), "currency": "EUR", "total_price": "12.50"}
        self.post("orders/create", body | {"email": email, "line_items": [line]})

    def story_of(self, person: Due) -> str:
        """Write what the tables and the witnesses know of somebody, for who reads why a run went wrong."""
        rows = [" ".join(map(str, row)) for row in self.sql(_STORY, address=person.recipient)]
        taken = [one for one in self.instance.witnesses.record.of(person.channel) if one.recipient == person.recipient]
        return "\n".join([str(person), *rows, *map(str, taken)])

    def post(self, topic: str, body: dict[str, object]) -> None:
        """Put one webhook on its way; it is sent until it is taken."""
        sent = self.sender.send(DOMAIN, topic, f"{self.instance.url}/webhooks/shopify", body, str(uuid.uuid4()))
        assert sent is not None
        with self._lock:
            self.posted_ids.append(sent.webhook_id)

    def backlog(self) -> int:
        """Count the messages that are not settled."""
        return int(str(self.sql("SELECT count(*) FROM deliveries WHERE state IN ('queued', 'sending')")[0][0]))

    def sql(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """Ask the database, from the main thread; raises psycopg.Error while it is away."""
        if self._connection is None or not _is_alive(self._connection):
            self._connection = psycopg.connect(self.instance.dsn, autocommit=True, connect_timeout=5)
        found = self._connection.execute(statement, values)
        return list(found.fetchall()) if found.description else []

    def close(self) -> None:
        self.sender.close()
        self.http.clear()
        if self._connection is not None:
            self._connection.close()

    def _address(self, channel: ChannelName) -> tuple[str, str | None]:
        number = next(self._numbers)
        match channel:
            case ChannelName.email:
                return f"shopper{number}@example.com", None
            case ChannelName.sms:
                return f"+4477{number * 7919 % 10**8:08d}", None  # no block of numbers has many of them
            case ChannelName.push:
                made = self.instance.witnesses.push.subscribe()
                return str(made["endpoint"]), json.dumps(made["keys"])


def _is_alive(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Say whether the server is still there: nothing is sent into a connection it has closed."""
    if connection.closed:
        return False
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        connection.close()
        return False
    return True
