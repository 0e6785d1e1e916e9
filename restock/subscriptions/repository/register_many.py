"""What many posts write: one statement and one commit for all of them, with the effect of each one alone.

No two posts of a batch share an address or a customer. All rows of a table are written before those of the next, in one
order (customers by id, contacts by hash, subscriptions by id, intents by customer, stock by variant), so two batches
and any number of single posts never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import pq

from restock.batches import Wire
from restock.statements import Connection, Parameter, PreparedStatement
from restock.subscriptions.repository.register import (
    FIRST_STATE,
    LIFTABLE,
    MERGE_CONTACT,
    MERGE_CUSTOMER,
    MERGE_INTENT,
    MERGE_SUBSCRIPTION,
    NOT_MOVED,
    OPENED,
    REGISTER,
    Parameters,
    read_intent,
)
from restock.subscriptions.values import RegisteredIntent

_TYPES = {
    "shop": "bigint",
    "given": "uuid",
    "fresh": "uuid",
    "intent": "uuid",
    "channel": "text",
    "address": "text",
    "address_hash": "bytea",
    "push_keys": "jsonb",
    "name": "text",
    "locale": "text",
    "shopify_customer": "bigint",
    "marketing": "text",
    "variant": "bigint",
    "product": "bigint",
    "market": "bigint",
    "quantity": "integer",
    "source": "text",
    "goods": "jsonb",
    "expire_days": "integer",
    "ip_hash": "bytea",
    "user_agent": "text",
    "page_url": "text",
    "asks": "boolean",
}
_COLUMNS = ", ".join(f"said.{name}::{kind} AS {name}" for name, kind in _TYPES.items())
_ARRAYS = ", ".join(f"%({name})a::text[]" for name in _TYPES)

# Left out of it, so that nothing at all is written of it: a post whose customer's open intent names another address.
# Who came first stands first: within a batch the order of arrival is a matter of microseconds, in `queued_at` and in
# the intent's `created_at`, which becomes `queued_at` when the intent moves to another address.
_TEMPLATE = """
WITH said AS MATERIALIZED (
    SELECT {columns}, said.place FROM unnest({arrays}) WITH ORDINALITY AS said ({names}, place)
), post AS MATERIALIZED (
    SELECT said.*, coalesce(
        (SELECT id FROM customers WHERE id = said.given AND shop_id = said.shop), said.fresh) AS customer_id,
        now() + (said.place - 1) * interval '1 microsecond' AS came_at
    FROM said WHERE said.given IS NULL OR NOT EXISTS (
        SELECT FROM intents JOIN contacts ON contacts.id = intents.contact_id
        WHERE intents.customer_id = said.given AND intents.shop_id = said.shop
          AND intents.variant_id = said.variant AND intents.market_id = said.market
          AND intents.channel = said.channel AND intents.closed_at IS NULL
          AND contacts.address_hash <> said.address_hash
    )
), customer AS (
    INSERT INTO customers AS old (id, shop_id, name, locale, shopify_customer_id)
    SELECT customer_id, shop, name, locale, shopify_customer FROM post ORDER BY customer_id
    {merge_customer}
    RETURNING id
), contact AS (
    INSERT INTO contacts AS old
        (shop_id, channel, address, address_hash, push_keys, locale, marketing, suppression, confirm_requested_at)
    SELECT post.shop, post.channel, post.address, post.address_hash, post.push_keys, post.locale,
        CASE WHEN post.channel = 'email' THEN post.marketing END, said_no.reason,
        CASE WHEN said_no.reason IN ({liftable}) OR said_no.reason IS NULL AND post.asks THEN now() END
    FROM customer JOIN post ON post.customer_id = customer.id
        LEFT JOIN suppressions said_no ON said_no.shop_id = post.shop AND said_no.address_hash = post.address_hash
    ORDER BY post.address_hash
    {merge_contact}
    RETURNING id, address_hash, marketing, suppression, confirmed_at
), subscription AS (
    INSERT INTO subscriptions AS old
        (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, market_id, quantity, locale, state,
         queued_at, expires_at)
    SELECT post.shop, contact.id, post.customer_id, post.channel, post.variant, post.product, post.market,
        post.quantity, post.locale, {first_state},
        post.came_at, now() + make_interval(days => post.expire_days)
    FROM contact JOIN post ON post.address_hash = contact.address_hash
    ORDER BY contact.id
    {merge_subscription}
    RETURNING id, contact_id, {opened}
), waiting AS MATERIALIZED (
    SELECT post.*, contact.id AS contact_id, contact.marketing AS stands, contact.suppression,
        contact.confirmed_at IS NOT NULL OR NOT post.asks AS said_yes, subscription.id AS subscription_id,
        subscription.opened
    FROM subscription JOIN contact ON contact.id = subscription.contact_id
        JOIN post ON post.address_hash = contact.address_hash
), intent AS (
    INSERT INTO intents AS old
        (id, shop_id, customer_id, subscription_id, contact_id, channel, variant_id, product_id, market_id, quantity,
         source, product, created_at, updated_at)
    SELECT intent, shop, customer_id, subscription_id, contact_id, channel, variant, product, market, quantity, source,
        goods, came_at, came_at
    FROM waiting ORDER BY customer_id
    {merge_intent}
    RETURNING id, customer_id, quantity, source, product_id, created_at, updated_at, old.xmax = 0 AS is_new
), written AS MATERIALIZED (
    SELECT waiting.*, intent.id = waiting.intent AS created, intent.id, intent.quantity AS quantity_now,
        intent.source AS source_now, intent.product_id, intent.created_at, intent.updated_at,
        intent.is_new
    FROM intent JOIN waiting ON waiting.customer_id = intent.customer_id
), consent AS (
    INSERT INTO consents (shop_id, contact_id, customer_id, purpose, action, effective, variant_id, source, page_url,
        ip_hash, user_agent, locale)
    SELECT shop, contact_id, customer_id, word.purpose, word.action, word.effective, variant, source, page_url,
        ip_hash, user_agent, locale
    FROM written, LATERAL (VALUES
        ('back_in_stock', 'granted', suppression IS NULL AND said_yes, written.is_new OR opened),
        ('marketing', marketing, coalesce(stands = marketing, false),
            marketing IS NOT NULL AND (
                written.is_new OR stands <> marketing OR channel = 'email' AND marketing IS DISTINCT FROM (
                    SELECT before.marketing FROM contacts before
                    WHERE before.shop_id = shop AND before.address_hash = written.address_hash)))
    ) AS word (purpose, action, effective, is_worth_a_line)
    WHERE word.is_worth_a_line
), cause AS MATERIALIZED (
    SELECT shop, variant, count(*) AS count FROM waiting WHERE opened GROUP BY shop, variant
), reading AS (
    SELECT found.shop_id, found.variant_id, found.sellable
    FROM cause JOIN stock_readings found ON found.shop_id = cause.shop AND found.variant_id = cause.variant
    ORDER BY found.shop_id, found.variant_id
    FOR SHARE OF found
), look AS (
    INSERT INTO stock_checks AS old (shop_id, variant_id, due_at, version)
    SELECT shop, variant, now() + make_interval(secs => %(settle_seconds)t::float8), count
    FROM cause
    WHERE NOT EXISTS (
        SELECT FROM reading WHERE reading.shop_id = shop AND reading.variant_id = variant AND NOT reading.sellable)
    ORDER BY shop, variant
    ON CONFLICT (shop_id, variant_id) DO UPDATE SET
        version = old.version + excluded.version, due_at = least(old.due_at, excluded.due_at)
)
SELECT place, id, customer_id, created, quantity_now, source_now, product_id, created_at, updated_at,
    1 / ((SELECT count(*) FROM intent) = (SELECT count(*) FROM customer))::integer
FROM written
"""
_REGISTER_MANY = PreparedStatement(
    "register_intents",
    _TEMPLATE.format(
        columns=_COLUMNS,
        arrays=_ARRAYS,
        names=", ".join(_TYPES),
        liftable=LIFTABLE,
        first_state=FIRST_STATE.format(asks="post.asks"),
        merge_customer=MERGE_CUSTOMER,
        merge_contact=MERGE_CONTACT,
        merge_subscription=MERGE_SUBSCRIPTION,
        opened=OPENED,
        merge_intent=MERGE_INTENT.format(moves="", unmoved=NOT_MOVED),
    ),
)


def register_many(connection: Connection, posts: Sequence[Parameters]) -> list[RegisteredIntent | None]:
    """Write posts that share no address and no customer; return the intent of each, in their order.

    None where the customer's open intent names another address: of that post nothing was written. Raises psycopg.Error
    when nothing was written of any.
    """
    return _intents(_REGISTER_MANY.fetch_all(connection, _arrays(posts)), len(posts))


def _prepare(connection: Connection) -> None:
    REGISTER.prepare(connection)
    _REGISTER_MANY.prepare(connection)


def _send(connection: Connection, posts: Sequence[Parameters]) -> None:
    """Send the posts; one that is alone goes by the statement of its own, which costs the server less."""
    if len(posts) == 1:
        REGISTER.send(connection, posts[0])
    else:
        _REGISTER_MANY.send(connection, _arrays(posts))


def _receive(result: pq.abc.PGresult, posts: Sequence[Parameters]) -> list[RegisteredIntent | None]:
    rows = PreparedStatement.read(result)
    if len(posts) == 1:
        return [read_intent(rows[0]) if rows else None]
    return _intents(rows, len(posts))


REGISTERING = Wire(_prepare, _send, _receive)


def _arrays(posts: Sequence[Parameters]) -> dict[str, Parameter]:
    columns: dict[str, Parameter] = {name: [post[name] for post in posts] for name in _TYPES}
    return columns | {"settle_seconds": posts[0]["settle_seconds"]}


def _intents(rows: Sequence[Sequence[bytes]], count: int) -> list[RegisteredIntent | None]:
    intents: list[RegisteredIntent | None] = [None] * count
    for place, *row in rows:
        intents[int.from_bytes(place) - 1] = read_intent(row)
    return intents
