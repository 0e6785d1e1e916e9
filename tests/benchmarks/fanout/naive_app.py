"""The naive design of `restock bench fanout`: a Flask application that tells each subscriber in a job of its own.

As the documentations of Flask-SQLAlchemy, RQ, Jinja and smtplib show it, and nothing is made slow on purpose: the
worker has loaded the application before it forks; a job enters its context, gets its row, follows the relations,
renders the templates, connects to the mail server, sends, and commits. It works in the program's own tables.
"""

from __future__ import annotations

import os
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from urllib.parse import urlsplit

from flask import Flask, render_template
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import and_
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship, remote

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite://")
app.config["MAIL_URL"] = os.environ.get("SMTP_URL", "smtp://localhost:25")
app.config["MAIL_SENDER"] = "alerts@restock.example.com"
app.config["PUBLIC_URL"] = "https://restock.example.com"
db = SQLAlchemy(app)


class Shop(db.Model):  # type: ignore[name-defined, misc]  # the class is made at run time
    """A shop."""

    __tablename__ = "shops"
    id: Mapped[int] = mapped_column(db.BigInteger, primary_key=True)
    domain: Mapped[str]
    name: Mapped[str]
    currency: Mapped[str | None]


class Contact(db.Model):  # type: ignore[name-defined, misc]
    """An address."""

    __tablename__ = "contacts"
    id: Mapped[int] = mapped_column(db.BigInteger, primary_key=True)
    address: Mapped[str]


class Product(db.Model):  # type: ignore[name-defined, misc]
    """A product."""

    __tablename__ = "products"
    shop_id: Mapped[int] = mapped_column(db.BigInteger, primary_key=True)
    product_id: Mapped[int] = mapped_column(db.BigInteger, primary_key=True)
    title: Mapped[str]
    handle: Mapped[str | None]
    image_url: Mapped[str | None]


class Variant(db.Model):  # type: ignore[name-defined, misc]
    """What can be bought of a product."""

    __tablename__ = "variants"
    shop_id: Mapped[int] = mapped_column(db.BigInteger, primary_key=True)
    variant_id: Mapped[int] = mapped_column(db.BigInteger, primary_key=True)
    product_id: Mapped[int] = mapped_column(db.BigInteger)
    title: Mapped[str]
    price_cents: Mapped[int | None]
    product: Mapped[Product] = relationship(
        primaryjoin=lambda: and_(
            foreign(Variant.shop_id) == remote(Product.shop_id),
            foreign(Variant.product_id) == remote(Product.product_id),
        ),
        viewonly=True,
    )


class Subscription(db.Model):  # type: ignore[name-defined, misc]
    """Somebody's wish to be told."""

    __tablename__ = "subscriptions"
    id: Mapped[int] = mapped_column(db.BigInteger, primary_key=True)
    shop_id: Mapped[int] = mapped_column(db.BigInteger)
    variant_id: Mapped[int] = mapped_column(db.BigInteger)
    variant: Mapped[Variant] = relationship(
        primaryjoin=lambda: and_(
            foreign(Subscription.shop_id) == remote(Variant.shop_id),
            foreign(Subscription.variant_id) == remote(Variant.variant_id),
        ),
        viewonly=True,
    )


class Delivery(db.Model):  # type: ignore[name-defined, misc]
    """One message to one subscriber."""

    __tablename__ = "deliveries"
    id: Mapped[int] = mapped_column(db.BigInteger, primary_key=True)
    shop_id: Mapped[int] = mapped_column(db.ForeignKey("shops.id"))
    contact_id: Mapped[int] = mapped_column(db.ForeignKey("contacts.id"))
    subscription_id: Mapped[int] = mapped_column(db.ForeignKey("subscriptions.id"))
    state: Mapped[str]
    sent_at: Mapped[datetime | None] = mapped_column(db.DateTime(timezone=True))
    shop: Mapped[Shop] = relationship()
    contact: Mapped[Contact] = relationship()
    subscription: Mapped[Subscription] = relationship()


def send_back_in_stock(delivery_id: int) -> None:
    """Tell one subscriber: the job."""
    with app.app_context():
        delivery = db.session.get_one(Delivery, delivery_id)
        variant = delivery.subscription.variant
        facts = {
            "shop": delivery.shop,
            "product": variant.product,
            "variant": variant,
            "link": f"{app.config['PUBLIC_URL']}/c/{delivery.id}",
            "leave": f"{app.config['PUBLIC_URL']}/unsubscribe/{delivery.contact_id}",
        }
        message = EmailMessage()
        message["Subject"] = f"{variant.product.title} is back in stock"
        message["From"] = app.config["MAIL_SENDER"]
        message["To"] = delivery.contact.address
        message["List-Unsubscribe"] = f"<{facts['leave']}>"
        message.set_content(render_template("back_in_stock.txt", **facts))
        message.add_alternative(render_template("back_in_stock.html", **facts), subtype="html")
        server = urlsplit(app.config["MAIL_URL"])
        with smtplib.SMTP(server.hostname or "", server.port or 25, timeout=10) as smtp:
            smtp.send_message(message)
        delivery.state = "sent"
        delivery.sent_at = datetime.now(UTC)
        db.session.commit()
