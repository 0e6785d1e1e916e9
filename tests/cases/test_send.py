"""Cases of sending (docs/cases.md) that no other test shows as they stand."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from typing import Any

from restock.channels.email.message import Sender, compose
from restock.channels.values import ProductFacts, Recipient
from tests.channels.benches import SmtpPeer, envelope_for, notice_for
from tests.flows.story import PRODUCT, SHOP, VARIANT, Story
from tests.restocks.store import Store


def test_case_39_who_has_not_confirmed_or_has_left_is_never_told(store: Store) -> None:
    (waiting,) = store.join(1)
    for state in ("pending", "cancelled", "expired", "purchased", "notified"):
        store.join(1, state=state)
    store.restock(20)
    store.send()
    assert store.sql("SELECT subscription_id FROM offers") == [(waiting,)]
    assert len(store.channel.sent) == 1


def test_case_45_one_person_in_two_markets_reads_each_in_its_language_and_leads_to_its_store(
    story: Story, mail: SmtpPeer
) -> None:
    story.services.shops.change_settings(SHOP, {"markets": "5=DE,6=FR@https://shop.example.fr"})
    for market, locale in ((5, "de"), (6, "fr")):
        intent = {"shopify_variant_id": VARIANT, "shopify_product_id": PRODUCT, "channel": "email"}
        answer = story.client.post(
            "/api/v1/intents.json",
            json={
                "intent": intent | {"shopify_market_id": market},
                "customer": {"email": "ada@example.com", "locale": locale},
            },
            headers={"X-Shopify-Shop-Domain": SHOP},
        )
        assert answer.status_code == 201, answer.text
    story.stock(5)
    story.settle()
    read_mails = [read(raw) for _, raw in mail.mails]
    assert [one["To"] for one in read_mails] == ["ada@example.com"] * 2
    led = {language(one): story.client.get(link_of(one)).location for one in read_mails}
    assert set(led) == {"de", "fr"}
    assert led["de"].startswith("https://north-pine.myshopify.com/products/")
    assert led["fr"].startswith("https://shop.example.fr/products/")


def test_case_46_a_language_nobody_wrote_for_is_told_in_english(story: Story, mail: SmtpPeer) -> None:
    assert story.intent("email", {"email": "ada@example.com", "locale": "el-GR"}).status_code == 201
    story.stock(5)
    story.settle()
    assert [language(read(raw)) for _, raw in mail.mails] == ["en"]


def test_case_47_who_was_erased_does_not_stop_the_others_of_the_batch(store: Store) -> None:
    first, erased, last = store.join(3)
    store.restock(5)
    store.sql("UPDATE deliveries SET contact_id = NULL WHERE subscription_id = :id", id=erased)
    store.send()
    assert store.sql("SELECT subscription_id, state FROM deliveries ORDER BY subscription_id") == [
        (first, "sent"),
        (erased, "skipped"),
        (last, "sent"),
    ]
    assert len(store.channel.sent) == 2


def test_case_48_a_title_of_250_letters_is_cut_in_the_subject_alone() -> None:
    title = "Mug " * 62 + "x"
    goods = ProductFacts(title, None, None, None, 1)
    notice = replace(notice_for(7), product=goods)
    mail = read(compose(envelope_for(7, Recipient("ada@example.com"), notice), Sender("a@example.com", "A")).content)
    assert "…" in mail["Subject"]
    assert len(mail["Subject"]) < 200
    html, plain = (" ".join(mail.get_body((kind,)).get_content().split()) for kind in ("html", "plain"))
    assert title in html
    assert title in plain


def read(raw: bytes) -> Any:
    return email.message_from_bytes(raw, policy=email.policy.default)


def language(mail: Any) -> str:
    found = re.search(r'<html lang="(\w+)"', mail.get_body(("html",)).get_content())
    assert found
    return found[1]


def link_of(mail: Any) -> str:
    found = re.search(r"https://alerts\.north-pine\.example(/c/[\w.-]+)", mail.get_body(("plain",)).get_content())
    assert found
    return found[1]
