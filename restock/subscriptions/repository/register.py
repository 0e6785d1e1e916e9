"""What one post writes: a single statement, so that any number of posts at once meet in the same rows.

Everything hangs on `ON CONFLICT`; nothing is read first and written later. The parameters all travel as text of unknown
type, so that the server prepares each statement once, whatever is absent. Not for SQLAlchemy: its pool alone costs more
than the statement.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from restock.statements import Connection, PreparedStatement
from restock.subscriptions.rules.signup import can_be_lifted, decide_signup
from restock.subscriptions.values import RegisteredIntent, SuppressionReason

Parameters = dict[str, str | None]
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

LIFTABLE = ", ".join(f"'{reason.value}'" for reason in SuppressionReason if can_be_lifted(reason))
_STATE = " ".join(
    f"WHEN '{reason.value}' THEN '{decide_signup(reason).state.value}'" for reason in SuppressionReason
)  # of a new subscription, by the standing of its contact
# {asks}: the shop wants a yes on this channel before it writes to anybody.
FIRST_STATE = (
    f"CASE contact.suppression {_STATE} ELSE CASE WHEN {{asks}} AND contact.confirmed_at IS NULL "
    f"THEN '{decide_signup(None, asks_first=True).state.value}' ELSE '{decide_signup(None).state.value}' END END"
)

# What a post changes of rows that are there already; `register_many` says it in the same words.
MERGE_CUSTOMER = """
    ON CONFLICT (id) DO UPDATE SET
        name = coalesce(excluded.name, old.name),
        locale = coalesce(excluded.locale, old.locale),
        shopify_customer_id = coalesce(excluded.shopify_customer_id, old.shopify_customer_id),
        updated_at = now()"""
MERGE_CONTACT = f"""
    ON CONFLICT (shop_id, address_hash) DO UPDATE SET
        push_keys = coalesce(excluded.push_keys, old.push_keys),
        locale = coalesce(old.locale, excluded.locale),
        marketing = CASE WHEN old.marketing = 'refused' THEN 'refused'
            ELSE coalesce(excluded.marketing, old.marketing) END,
        confirm_requested_at = CASE WHEN old.suppression IN ({LIFTABLE})
                OR old.suppression IS NULL AND old.confirmed_at IS NULL AND excluded.confirm_requested_at IS NOT NULL
            THEN coalesce(old.confirm_requested_at, now()) END,
        updated_at = now()"""
# Whoever was asked for a yes that is not wanted any more is let in by signing up again, and by nothing else: the
# question said that without an answer nobody is told.
MERGE_SUBSCRIPTION = """
    ON CONFLICT (contact_id, variant_id, market_id) WHERE state IN ('pending', 'active') DO UPDATE SET
        state = CASE WHEN excluded.state = 'active' THEN 'active' ELSE old.state END,
        quantity = CASE WHEN old.opener_customer_id = excluded.opener_customer_id
            THEN excluded.quantity ELSE old.quantity END,
        locale = CASE WHEN old.opener_customer_id = excluded.opener_customer_id
            THEN coalesce(excluded.locale, old.locale) ELSE old.locale END,
        paused_at = CASE WHEN old.opener_customer_id = excluded.opener_customer_id THEN NULL ELSE old.paused_at END,
        paused_until = CASE WHEN old.opener_customer_id = excluded.opener_customer_id
            THEN NULL ELSE old.paused_until END,
        end_reason = NULL,
        updated_at = now()"""
MERGE_INTENT = """
    ON CONFLICT (customer_id, variant_id, market_id, channel) WHERE closed_at IS NULL DO UPDATE SET
        quantity = excluded.quantity,
        product = coalesce(excluded.product, old.product),
        {moves}
        updated_at = greatest(old.updated_at, now())
    {unmoved}"""
# A subscription that was not in line before; this statement sees the rows as they were when it began. No EXISTS: that
# may be planned as a hash of the whole table.
OPENED = """
    old.xmax = 0 OR old.state = 'active' AND old.paused_at IS NULL AND coalesce((
        SELECT before.state = 'pending' OR before.paused_at IS NOT NULL
        FROM subscriptions before WHERE before.id = old.id), false) AS opened"""
NOT_MOVED = "WHERE old.contact_id = excluded.contact_id"

# Nothing at all is written where the customer's open intent names another address: that is for `_MOVE`.
_SAME_ADDRESS = """
    WHERE NOT EXISTS (
        SELECT FROM intents JOIN contacts ON contacts.id = intents.contact_id
        WHERE intents.customer_id = %(given)t::uuid AND intents.shop_id = %(shop)t::bigint
          AND intents.variant_id = %(variant)t::bigint AND intents.market_id = %(market)t::bigint
          AND intents.channel = %(channel)t::text AND intents.closed_at IS NULL
          AND contacts.address_hash <> %(address_hash)t::bytea
    )"""

# `created` is true again for a post that is repeated because its answer was lost; `is_new` is not, and so the ledger
# has one line of it.
# {gate}, {merge_intent} and {anew} are what differs between a first or repeated post and a change of address.
_TEMPLATE = """
WITH customer AS (
    INSERT INTO customers AS old (id, shop_id, name, locale, shopify_customer_id)
    SELECT coalesce(
            (SELECT id FROM customers WHERE id = %(given)t::uuid AND shop_id = %(shop)t::bigint), %(fresh)t::uuid),
        %(shop)t::bigint, %(name)t::text, %(locale)t::text, %(shopify_customer)t::bigint
    {gate}
    {merge_customer}
    RETURNING id
), contact AS (
    INSERT INTO contacts AS old
        (shop_id, channel, address, address_hash, push_keys, locale, marketing, suppression, confirm_requested_at)
    SELECT %(shop)t::bigint, %(channel)t::text, %(address)t::text, %(address_hash)t::bytea, %(push_keys)t::jsonb,
        %(locale)t::text, CASE WHEN %(channel)t::text = 'email' THEN %(marketing)t::text END, said_no.reason,
        CASE WHEN said_no.reason IN ({liftable}) OR said_no.reason IS NULL AND %(asks)t::boolean THEN now() END
    FROM customer LEFT JOIN suppressions said_no
        ON said_no.shop_id = %(shop)t::bigint AND said_no.address_hash = %(address_hash)t::bytea
    {merge_contact}
    RETURNING id, marketing, suppression, confirmed_at
), subscription AS (
    INSERT INTO subscriptions AS old
        (shop_id, contact_id, opener_customer_id, channel, variant_id, product_id, market_id, quantity, locale, state,
         queued_at, expires_at)
    SELECT %(shop)t::bigint, contact.id, customer.id, %(channel)t::text, %(variant)t::bigint, %(product)t::bigint,
        %(market)t::bigint, %(quantity)t::integer, %(locale)t::text,
        {first_state},
        coalesce(%(queued_at)t::timestamptz, now()), now() + make_interval(days => %(expire_days)t::integer)
    FROM contact, customer
    {merge_subscription}
    RETURNING id, {opened}
), intent AS (
    INSERT INTO intents AS old
        (id, shop_id, customer_id, subscription_id, contact_id, channel, variant_id, product_id, market_id, quantity,
         source, product)
    SELECT %(intent)t::uuid, %(shop)t::bigint, customer.id, subscription.id, contact.id, %(channel)t::text,
        %(variant)t::bigint, %(product)t::bigint, %(market)t::bigint, %(quantity)t::integer, %(source)t::text,
        %(goods)t::jsonb
    FROM subscription, contact, customer
    {merge_intent}
    RETURNING id, customer_id, id = %(intent)t::uuid AS created, quantity, source, product_id, created_at, updated_at,
        old.xmax = 0 AS is_new
), said AS (
    INSERT INTO consents (shop_id, contact_id, customer_id, purpose, action, effective, variant_id, source, page_url,
        ip_hash, user_agent, locale)
    SELECT %(shop)t::bigint, contact.id, intent.customer_id, word.purpose, word.action, word.effective,
        %(variant)t::bigint, %(source)t::text, %(page_url)t::text, %(ip_hash)t::bytea,
        %(user_agent)t::text, %(locale)t::text
    FROM intent, contact, subscription, LATERAL (VALUES
        ('back_in_stock', 'granted',
            contact.suppression IS NULL AND (contact.confirmed_at IS NOT NULL OR NOT %(asks)t::boolean),
            intent.is_new OR subscription.opened OR {anew}),
        ('marketing', %(marketing)t::text, coalesce(contact.marketing = %(marketing)t::text, false),
            %(marketing)t::text IS NOT NULL AND (
                intent.is_new OR {anew} OR contact.marketing <> %(marketing)t::text
                OR %(channel)t::text = 'email' AND %(marketing)t::text IS DISTINCT FROM (
                    SELECT marketing FROM contacts
                    WHERE shop_id = %(shop)t::bigint AND address_hash = %(address_hash)t::bytea)))
    ) AS word (purpose, action, effective, is_worth_a_line)
    WHERE word.is_worth_a_line
), reading AS (
    SELECT found.sellable FROM subscription JOIN stock_readings found
        ON found.shop_id = %(shop)t::bigint AND found.variant_id = %(variant)t::bigint
    WHERE subscription.opened
    FOR SHARE OF found
), look AS (
    INSERT INTO stock_checks AS old (shop_id, variant_id, due_at)
    SELECT %(shop)t::bigint, %(variant)t::bigint, now() + make_interval(secs => %(settle_seconds)t::float8)
    FROM subscription
    WHERE subscription.opened AND NOT EXISTS (SELECT FROM reading WHERE NOT reading.sellable)
    ON CONFLICT (shop_id, variant_id) DO UPDATE SET
        version = old.version + 1, due_at = least(old.due_at, excluded.due_at)
)
SELECT intent.id, intent.customer_id, intent.created, intent.quantity, intent.source, intent.product_id,
    intent.created_at, intent.updated_at, 1 / (SELECT count(*) FROM intent) FROM customer LEFT JOIN intent ON true
"""

# A division by zero at the end takes everything back: the address was changed by a post at the same moment.
_fill = partial(
    _TEMPLATE.format,
    liftable=LIFTABLE,
    first_state=FIRST_STATE.format(asks="%(asks)t::boolean"),
    merge_customer=MERGE_CUSTOMER,
    merge_contact=MERGE_CONTACT,
    merge_subscription=MERGE_SUBSCRIPTION,
    opened=OPENED,
)
REGISTER = PreparedStatement(
    "register_intent",
    _fill(gate=_SAME_ADDRESS, merge_intent=MERGE_INTENT.format(moves="", unmoved=NOT_MOVED), anew="false"),
)
_MOVE = PreparedStatement(
    "move_intent",
    _fill(
        gate="",
        merge_intent=MERGE_INTENT.format(
            moves="contact_id = excluded.contact_id, subscription_id = excluded.subscription_id,", unmoved=""
        ),
        anew="true",
    ),
)

_LOCK_CUSTOMER = "SELECT id FROM customers WHERE id = %(given)t::uuid AND shop_id = %(shop)t::bigint FOR UPDATE"
_OPEN_INTENT = """
    SELECT intents.subscription_id, intents.created_at, intents.contact_id
    FROM intents JOIN contacts ON contacts.id = intents.contact_id
    WHERE intents.customer_id = %(given)t::uuid AND intents.shop_id = %(shop)t::bigint
      AND intents.variant_id = %(variant)t::bigint AND intents.market_id = %(market)t::bigint
      AND intents.channel = %(channel)t::text AND intents.closed_at IS NULL
      AND contacts.address_hash <> %(address_hash)t::bytea
"""
# In the order in which posts write them: contacts by hash, then subscriptions. Whoever took the subscription first
# would wait in a circle with a batch that has both contacts already.
_LOCK_CONTACTS = """
    SELECT id FROM contacts
    WHERE id = %(left)t::bigint OR shop_id = %(shop)t::bigint AND address_hash = %(address_hash)t::bytea
    ORDER BY address_hash FOR NO KEY UPDATE
"""
_LOCK_SUBSCRIPTION = "SELECT id FROM subscriptions WHERE id = %s FOR UPDATE"

# One whose turn is being handed over only notes its end: the message that may be on its way stays true.
_LEAVE = """
    UPDATE subscriptions SET end_reason = 'contact_changed', updated_at = now(),
        state = CASE WHEN open_offer_id IS NULL THEN 'cancelled' ELSE state END,
        ended_at = CASE WHEN open_offer_id IS NULL THEN now() END
    WHERE id = %s AND state IN ('pending', 'active')
      AND NOT EXISTS (SELECT FROM intents WHERE subscription_id = subscriptions.id AND closed_at IS NULL)
"""


def register(connection: Connection, parameters: Parameters) -> RegisteredIntent | None:
    """Write one post; return its intent, or None when the customer's open intent names another address.

    In the None case, and when psycopg.errors.DivisionByZero is raised (the same, by a post at this very moment),
    nothing was written.
    """
    row = REGISTER.fetch_one(connection, parameters)
    return None if row is None else read_intent(row)


def move(connection: Connection, parameters: Parameters) -> RegisteredIntent | None:
    """Take the customer's open intent to another address, the place kept; return it as `register` does.

    None when there is no such intent (any more): nothing was written. The old address's subscription ends unless
    somebody else's intent supports it. One transaction of its own.
    """
    with connection.transaction():
        if connection.execute(_LOCK_CUSTOMER, parameters).fetchone() is None:
            return None
        found = connection.execute(_OPEN_INTENT, parameters).fetchone()
        if found is None:
            return None
        left_id = found[0]
        connection.execute(_LOCK_CONTACTS, parameters | {"left": str(found[2])})
        connection.execute(_LOCK_SUBSCRIPTION, [left_id])
        if (found := connection.execute(_OPEN_INTENT, parameters).fetchone()) is None or found[0] != left_id:
            return None  # told or unsubscribed while we waited for the lock
        row = _MOVE.fetch_one(connection, parameters | {"queued_at": found[1].isoformat()})
        connection.execute(_LEAVE, [left_id])
        return None if row is None else read_intent(row)


def read_intent(row: Sequence[bytes]) -> RegisteredIntent:
    """Read a row of the statement's answer; its last column says nothing."""
    intent_id, customer_id, created, quantity, source, product_id, created_at, updated_at, _ = row
    return RegisteredIntent(
        id=uuid.UUID(bytes=intent_id),
        customer_id=uuid.UUID(bytes=customer_id),
        duplicate=created == b"\x00",
        quantity=int.from_bytes(quantity),
        source=source.decode(),
        product_id=int.from_bytes(product_id),
        created_at=_moment(created_at),
        updated_at=_moment(updated_at),
    )


def _moment(raw: bytes) -> datetime:
    """Read a timestamptz: microseconds since 2000 (PostgreSQL's binary format)."""
    return _EPOCH + timedelta(microseconds=int.from_bytes(raw, signed=True))
