"""The pages of a shop's own texts."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import text

from restock.channels.texts.parts import PARTS, stages_of
from restock.channels.texts.values import Source, Stage, TextKey
from restock.channels.texts.variables import KINDS
from restock.channels.tongues import LANGUAGES
from restock.channels.values import ChannelName
from restock.shops.values import Shop
from restock.web.admin.wording import texts
from tests.web.admin.conftest import House, dotted, id_token
from tests.web.admin.crowd import PRODUCTS, fill

WHERE = "/messages/email/restock/en"
KEY = TextKey(ChannelName.email, Stage.restock, "en")
LAYOUT = """<mjml><mj-body><mj-section><mj-column><mj-text>Now: {{ product.title }}</mj-text>
<mj-button href="{{ links.action }}">Go</mj-button><mj-text><a href="{{ links.unsubscribe }}">Stop</a></mj-text>
</mj-column></mj-section></mj-body></mjml>"""


def post(house: House, path: str = WHERE, **fields: str) -> str:
    return house.post(path, dotted(fields))


def shown_letter(page: str) -> str:
    """The e-mail in its frame."""
    match = re.search(r'<iframe[^>]* srcdoc="([^"]*)"', page)
    assert match
    return html.unescape(match[1])


def test_every_message_is_listed_and_can_be_written(house: House, kettle: Shop) -> None:
    page = house.get("/messages")
    for channel in ChannelName:
        for stage in stages_of(channel):
            assert f"/messages/{channel}/{stage}/en" in page
            assert texts()[f"stage.{stage}"] in house.get(f"/messages/{channel}/{stage}/en")


def test_every_part_of_every_message_has_words_on_the_page() -> None:
    assert [f"{c}.{p.name}" for c in PARTS for p in PARTS[c] if f"part.{c}.{p.name}" not in texts()] == []


def test_a_text_is_saved_shown_and_dropped(house: House, kettle: Shop) -> None:
    page = post(house, do="save", part__subject="{{ shop.name }}: {{ product.title }}", part__body=LAYOUT)
    assert texts()["texts.done.saved"] in page
    assert "kettle: Harbour Vase" in html.unescape(page)
    assert "Now: Harbour Vase" in shown_letter(page)
    assert house.services.texts.list(kettle)[0].key == KEY
    post(house, do="drop")
    assert house.services.texts.list(kettle) == []


def test_faults_are_told_beside_their_parts_and_nothing_is_lost(house: House, kettle: Shop) -> None:
    page = html.unescape(post(house, do="save", part__subject="{{ prise }}", part__button="{% if %}"))
    assert "prise is not known here; did you mean price?" in page
    assert page.count('aria-invalid="true"') == 2
    assert 'value="{{ prise }}"' in page
    assert house.services.texts.list(kettle) == []


def test_a_preview_saves_nothing_and_says_in_our_words_what_cannot_be_said(house: House, kettle: Shop) -> None:
    page = post(house, do="preview", part__heading="Hurrah", part__subject="{{ x")
    assert "Hurrah" in shown_letter(page)
    assert "It’s back: Harbour Vase" in page
    assert house.services.texts.list(kettle) == []


def test_the_preview_is_about_the_shops_own_goods_and_escapes_them(house: House, kettle: Shop) -> None:
    fill(house.database, kettle, 3)
    with house.database.transaction() as session:
        session.execute(text("UPDATE products SET title = '<script>alert(1)</script>'"))
    page = post(house, do="save", part__heading="{{ product.title }}", part__body=LAYOUT)
    letter = shown_letter(page)
    assert "Now: &lt;script&gt;alert(1)" in letter
    assert "<script" not in letter


def test_the_frame_of_an_email_has_no_rights(house: House, kettle: Shop) -> None:
    answer = house.client.get(WHERE, headers={"Authorization": f"Bearer {id_token()}"})
    assert 'sandbox=""' in answer.get_data(as_text=True)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_a_text_that_could_not_be_sent_is_told_on_both_pages(house: House, kettle: Shop) -> None:
    post(house, do="save", part__subject="Hello")
    with house.database.transaction() as session:
        session.execute(text("UPDATE shop_texts SET broken_at = now(), broken_reason = 'no_link'"))
    assert texts()["texts.broken"] in house.get("/messages")
    assert texts()["textfault.no_link"] in house.get(WHERE)


def test_text_messages_say_what_they_cost_and_notifications_their_bytes(house: House, kettle: Shop) -> None:
    page = post(house, "/messages/sms/restock/en", do="preview", part__text="Back {{ links.action }} 🛒")
    assert texts()["texts.alphabet.ucs2"].split("{units}")[1] in page
    page = post(house, "/messages/push/restock/en", do="preview", part__title="Back!")
    assert "of 2,048 bytes" in page


def test_another_language_is_opened_or_refused_by_name(house: House, kettle: Shop) -> None:
    headers = {"Authorization": f"Bearer {id_token()}"}
    opened = house.client.get("/messages/open?channel=sms&stage=restock&locale=fr_ca", headers=headers)
    assert opened.headers["Location"].startswith("/messages/sms/restock/fr-CA")
    assert "must be a language" in house.get("/messages/open?channel=sms&stage=restock&locale=klingon")
    assert house.client.get("/messages/fax/restock/en", headers=headers).status_code == 404


def test_a_test_goes_to_somebody_who_has_signed_up_and_to_nobody_else(house: House, kettle: Shop) -> None:
    fill(house.database, kettle, 1)
    assert texts()["texts.done.nobody"] in post(house, do="test", to="stranger@example.org")
    with house.database.transaction() as session:
        address = session.execute(text("SELECT address FROM contacts WHERE channel = 'email' LIMIT 1")).scalar()
    assert texts()["texts.done.tested"] in post(house, do="test", to=str(address))
    with house.database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM deliveries WHERE kind = 'test'")).scalar() == 1


def test_a_test_of_a_notification_goes_to_the_browser_beside_an_address_or_says_how_to_have_one(
    house: House, kettle: Shop
) -> None:
    where = "/messages/push/restock/en"
    fill(house.database, kettle, 60)
    assert texts()["texts.test_text.push"] in house.get(where)
    assert texts()["texts.done.nobrowser"] in post(house, where, do="test", to="stranger@example.org")
    with house.database.transaction() as session:
        session.execute(
            text("""INSERT INTO intents (id, shop_id, customer_id, subscription_id, contact_id, channel,
            variant_id, product_id, quantity, source) SELECT gen_random_uuid(), shop_id,
            '00000000-0000-4000-8000-000000000001', id, contact_id, channel, variant_id, 1, 1, 'sdk'
            FROM subscriptions WHERE id IN (SELECT min(id) FROM subscriptions WHERE channel <> 'sms' GROUP BY channel)
        """)
        )
        session.execute(text("UPDATE contacts SET push_keys = '{}' WHERE channel = 'push'"))
        address = session.execute(
            text("""SELECT address FROM contacts WHERE id = (
            SELECT contact_id FROM intents WHERE channel = 'email')""")
        ).scalar_one()
    assert texts()["texts.done.tested"] in post(house, where, do="test", to=str(address))
    with house.database.transaction() as session:
        queued = session.execute(text("SELECT channel, contact_id FROM deliveries WHERE kind = 'test'")).all()
        browser = session.execute(text("SELECT contact_id FROM intents WHERE channel = 'push'")).scalar_one()
    assert queued == [("push", browser)]


def test_the_pages_are_the_shops_alone(house: House, kettle: Shop) -> None:
    other = house.services.shops.add("other.myshopify.com")
    house.services.texts.save(other, KEY, {"subject": "Theirs"})
    assert "Theirs" not in house.get("/messages") + house.get(WHERE)


@pytest.mark.parametrize(("channel", "stage"), [(one, stage) for one in ChannelName for stage in stages_of(one)])
def test_every_message_can_be_looked_at_in_every_language(
    house: House, kettle: Shop, stage: Stage, channel: ChannelName
) -> None:
    fill(house.database, kettle, 1)
    for language in LANGUAGES:
        shown = house.services.previews.show(kettle, TextKey(channel, stage, language), Source({}))
        assert shown.faults == ()
        assert shown.text
        assert shown.goods in {title for _, title, _ in PRODUCTS} or " – " in shown.goods or " · " in shown.goods
        if channel is ChannelName.email:
            assert shown.subject
            assert shown.preheader
            assert f'<html lang="{language}"' in (shown.html or "")


@pytest.mark.parametrize("stage", KINDS)
def test_a_test_is_of_the_text_on_the_page_in_its_language(house: House, kettle: Shop, stage: Stage) -> None:
    fill(house.database, kettle, 1)
    with house.database.transaction() as session:
        address = session.execute(text("SELECT address FROM contacts WHERE channel = 'email' LIMIT 1")).scalar()
    assert texts()["texts.done.tested"] in post(house, f"/messages/email/{stage}/fr-CA", do="test", to=str(address))
    with house.database.transaction() as session:
        key = session.execute(text("SELECT dedupe_key FROM deliveries WHERE kind = 'test'")).scalar_one()
    kind, locale, variant = str(key).split(":")[3:]
    assert (kind, locale) == (KINDS[stage], "fr-CA")
    assert int(variant) > 0


ALERT = "/messages/email/merchant_alert/en"


def test_what_the_shop_is_told_is_shown_with_its_own_figures_and_has_no_other_channel(
    house: House, kettle: Shop
) -> None:
    assert texts()["texts.about_example"] in house.get(ALERT)
    fill(house.database, kettle, 3)
    page = post(house, ALERT, do="preview", part__heading="{{ counts.people }} of {{ variants.size }}")
    shown = house.services.previews.show(kettle, TextKey(ChannelName.email, Stage.merchant_alert, "en"), Source({}))
    assert re.search(r"People waiting: [1-9]", shown.text)
    assert re.search(r"<h1[^>]*>[1-9]\d* of [1-9]", shown_letter(page))
    headers = {"Authorization": f"Bearer {id_token()}"}
    assert house.client.get("/messages/sms/merchant_alert/en", headers=headers).status_code == 404


def test_a_test_of_what_the_shop_is_told_goes_to_its_own_addresses_once_a_minute(house: House, kettle: Shop) -> None:
    assert texts()["texts.done.unaddressed"] in post(house, ALERT, do="test")
    house.services.shops.change_settings(kettle.domain, {"alerts.to": "owner@example.com, buyer@example.com"})
    assert texts()["texts.done.tested"] in post(house, ALERT, do="test")
    assert texts()["texts.done.wait"] in post(house, ALERT, do="test")
    with house.database.transaction() as session:
        rows = session.execute(text("SELECT address, facts ->> 'test_locale' FROM shop_alerts ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [("owner@example.com", "en"), ("buyer@example.com", "en")]
    assert house.get("/messages/alerts").count(texts()["alerts.a_test"]) == 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/messages/email/restock/en", ("It’s back.", "See it in the shop")),
        ("/messages/push/restock/de", ("Wieder da",)),
        ("/messages/email/merchant_alert/en", ("Open Restock",)),
    ],
)
def test_an_empty_part_shows_what_we_say_there(house: House, kettle: Shop, path: str, said: tuple[str, ...]) -> None:
    shown = re.findall(r'placeholder="([^"]*)"', house.get(path))
    for words in said:
        assert any(words in one for one in shown), shown
