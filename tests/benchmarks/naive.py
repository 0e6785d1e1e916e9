"""The same two routes as a capable team would first write them: the design that the real one is measured against.

Plain and in good faith: pydantic, email-validator and phonenumbers; Flask-SQLAlchemy's session, look first and insert
after; one RQ job per webhook. It must never be made slower than such a program is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from pydantic import BaseModel, Field, ValidationError
from redis import Redis
from rq import Queue
from sqlalchemy import BigInteger, ForeignKey, LargeBinary, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.benchmarks.baselines import SECRET_VARIABLE


class Base(DeclarativeBase):
    """The naive tables."""


db = SQLAlchemy(model_class=Base)


class Customer(db.Model):  # type: ignore[name-defined, misc]
    """A shopper with the addresses they gave."""

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    shop: Mapped[str] = mapped_column(index=True)
    email: Mapped[str | None]
    phone: Mapped[str | None]
    push: Mapped[str | None]
    accepts_marketing: Mapped[bool | None]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC).replace(tzinfo=None))


class Intent(db.Model):  # type: ignore[name-defined, misc]
    """A shopper waiting for a variant."""

    __table_args__ = (UniqueConstraint("customer_id", "variant_id", "channel"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("customer.id"))
    variant_id: Mapped[int] = mapped_column(BigInteger)
    product_id: Mapped[int] = mapped_column(BigInteger)
    channel: Mapped[str]
    quantity: Mapped[int]
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC).replace(tzinfo=None))


class Hook(db.Model):  # type: ignore[name-defined, misc]
    """A webhook received."""

    __table_args__ = (UniqueConstraint("shop", "webhook_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop: Mapped[str]
    webhook_id: Mapped[str]
    topic: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)


class IntentBody(BaseModel):
    """The `intent` of a post."""

    shopify_variant_id: int
    shopify_product_id: int
    channel: Literal["email", "sms", "push"]
    quantity: int = Field(1, ge=1, le=10_000)
    source: str = "api"


class CustomerBody(BaseModel):
    """The `customer` of a post."""

    id: uuid.UUID | None = None
    email: str | None = None
    phone: str | None = None
    push: str | None = None
    accepts_marketing: bool | None = None


class PostBody(BaseModel):
    """A whole post."""

    intent: IntentBody
    customer: CustomerBody


def create_naive() -> Flask:
    """Make the naive app; DATABASE_URL and REDIS_URL say where it keeps things."""
    app = Flask("naive")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    with app.app_context():
        db.create_all()
    queue = Queue("naive", connection=Redis.from_url(os.environ["REDIS_URL"]))
    app.add_url_rule("/intents", view_func=take_intent, methods=["POST"])
    app.add_url_rule("/webhooks", view_func=lambda: take_webhook(queue), methods=["POST"])
    return app


def take_intent() -> ResponseReturnValue:
    """Validate, find or make the customer, find or make the intent, commit."""
    try:
        body = PostBody.model_validate_json(request.get_data())
        address = _checked_address(body)
    except (ValidationError, EmailNotValidError, phonenumbers.NumberParseException, ValueError) as error:
        return jsonify(errors=[str(error)]), 400
    customer = _customer(body, request.headers["X-Shopify-Shop-Domain"])
    setattr(customer, body.intent.channel if body.intent.channel != "sms" else "phone", address)
    intent, created = _intent(body, customer)
    db.session.commit()
    answer = jsonify(intent=_shown(intent), customer={"id": str(customer.id)})
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer, 201 if created else 200


def _checked_address(body: PostBody) -> str:
    customer = body.customer
    if body.intent.channel == "email":
        return validate_email(customer.email or "", check_deliverability=False).normalized
    if body.intent.channel == "sms":
        number = phonenumbers.parse(f"+{(customer.phone or '').lstrip('+')}")
        if not phonenumbers.is_valid_number(number):
            raise ValueError("customer.phone is not a valid number")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not customer.push:
        raise ValueError("customer.push is missing")
    return customer.push


def _customer(body: PostBody, shop: str) -> Customer:
    found = db.session.get(Customer, body.customer.id) if body.customer.id else None
    if found is not None and found.shop == shop:
        return found
    customer = Customer(shop=shop, accepts_marketing=body.customer.accepts_marketing)
    db.session.add(customer)
    db.session.flush()
    return customer


def _intent(body: PostBody, customer: Customer) -> tuple[Intent, bool]:
    wanted = body.intent
    query = select(Intent).filter_by(
        customer_id=customer.id, variant_id=wanted.shopify_variant_id, channel=wanted.channel
    )
    intent = db.session.scalars(query).one_or_none()
    if intent is not None:
        intent.quantity = wanted.quantity
        return intent, False
    intent = Intent(
        customer_id=customer.id,
        variant_id=wanted.shopify_variant_id,
        product_id=wanted.shopify_product_id,
        channel=wanted.channel,
        quantity=wanted.quantity,
        source=wanted.source,
    )
    db.session.add(intent)
    return intent, True


def _shown(intent: Intent) -> dict[str, Any]:
    return {
        "id": intent.id,
        "channel": intent.channel,
        "quantity": intent.quantity,
        "shopify_variant_id": intent.variant_id,
        "shopify_product_id": intent.product_id,
        "source": intent.source,
        "customer_id": str(intent.customer_id),
        "created_at": intent.created_at.isoformat(),
    }


def take_webhook(queue: Queue) -> Response:
    """Check the signature, keep the row once, queue a job."""
    expected = hmac.digest(os.environ[SECRET_VARIABLE].encode(), request.get_data(), hashlib.sha256)
    if not hmac.compare_digest(base64.b64encode(expected).decode(), request.headers.get("X-Shopify-Hmac-Sha256", "")):
        return Response(status=401)
    row = {
        "shop": request.headers["X-Shopify-Shop-Domain"],
        "webhook_id": request.headers["X-Shopify-Webhook-Id"],
        "topic": request.headers["X-Shopify-Topic"],
        "body": request.get_data(),
    }
    hook_id = db.session.execute(insert(Hook).values(row).on_conflict_do_nothing().returning(Hook.id)).scalar()
    db.session.commit()
    if hook_id is not None:
        queue.enqueue(apply_webhook, hook_id)
    return Response(status=200)


def apply_webhook(hook_id: int) -> None:
    """The job that a worker would run; the benchmark starts no worker."""
