"""Messages in the shop's own words, through the real store: they leave whatever the words are."""

from __future__ import annotations

import pytest

from restock.channels.texts.values import STAGES, Stage, TextKey
from restock.channels.values import ChannelName, Envelope, NoticeKind
from restock.deliveries.values import Sample
from restock.errors import NotFoundError, ValidationError
from restock.shops.service.texts import TextService
from tests.restocks.store import RecordingChannel, Store

EMAIL = ChannelName.email
ENGLISH = TextKey(EMAIL, Stage.restock, "en")


@pytest.fixture
def texts(store: Store) -> TextService:
    return TextService(store.database, store.shops.memory.forget)


def sent(store: Store) -> list[Envelope]:
    found = store.deliveries.channels[EMAIL]
    assert isinstance(found, RecordingChannel)
    return found.sent


def test_a_message_leaves_in_the_shops_words_and_what_the_shop_leaves_out_is_said_in_ours(
    store: Store, texts: TextService
) -> None:
    texts.save(store.shop, ENGLISH, {"subject": "{{ product.title }} for {{ variant.price | money }}!"})
    store.set(currency="EUR")
    store.join()
    store.restock(5)
    store.send()
    (envelope,) = sent(store)
    assert envelope.notice.words == {"subject": "Mug for €12.50!"}
    assert store.states("deliveries") == {"sent": 1}


def test_a_text_that_breaks_is_replaced_by_our_phrases_and_the_merchant_is_told_once(
    store: Store, texts: TextService
) -> None:
    texts.save(store.shop, ENGLISH, {"subject": "{{ product.title }}", "heading": "Hello"})
    # As a rule that came after the text was saved would find it.
    store.sql("""UPDATE shop_texts SET parts = parts || '{"subject": "{{ product.title | gone }}"}'""")
    store.join(3)
    store.restock(1)
    store.send()
    store.restock(10)
    store.send()
    assert {tuple(one.notice.words) for one in sent(store)} == {("heading",)}
    assert "failed" not in store.states("deliveries")
    (text,) = texts.list(store.shop)
    assert (text.broken_reason, text.broken_at is not None) == ("syntax", True)
    saved = texts.save(store.shop, ENGLISH, {"subject": "{{ product.title }}"})
    assert saved.broken_at is None


def test_a_layout_that_says_too_much_at_send_time_falls_back_and_the_message_leaves(
    store: Store, texts: TextService
) -> None:
    texts.save(store.shop, ENGLISH, {"heading": "Hello"})
    store.sql("UPDATE shop_texts SET html = '{{ links.action }}{{ links.unsubscribe }}{% for a in b %}'")
    store.join()
    store.restock(5)
    store.send()
    assert sent(store)[0].notice.words == {"heading": "Hello"}
    assert texts.list(store.shop)[0].broken_reason == "syntax"


def test_a_change_is_heard_by_the_next_batch(store: Store, texts: TextService) -> None:
    texts.save(store.shop, ENGLISH, {"subject": "One"})
    store.set(policy="everyone")
    store.join()
    store.restock(5)
    store.send()
    texts.save(store.shop, ENGLISH, {"subject": "Two"})
    contact = store.one("SELECT min(id) FROM contacts")
    assert store.deliveries.queue_test(store.shop.id, int(str(contact)), EMAIL)
    store.send()
    texts.drop(store.shop, ENGLISH)
    store.pass_time("deliveries", "created_at")
    store.sql("UPDATE deliveries SET dedupe_key = dedupe_key || '-earlier'")
    assert store.deliveries.queue_test(store.shop.id, int(str(contact)), EMAIL)
    store.send()
    assert [one.notice.words.get("subject") for one in sent(store)] == ["One", "Two", None]


def test_the_second_attempt_says_the_same(store: Store, texts: TextService) -> None:
    texts.save(store.shop, ENGLISH, {"subject": "{{ product.title }} {{ quantity }}", "lead": "{{ links.action }}"})
    store.join()
    store.restock(5)
    store.send()
    store.sql("UPDATE deliveries SET state = 'queued', next_at = now(), sent_at = NULL")
    store.sql("UPDATE delivery_lanes SET next_at = now()")
    store.sql("UPDATE offers SET state = 'open', accepted_at = NULL")
    store.sql("UPDATE subscriptions SET state = 'active', open_offer_id = (SELECT id FROM offers), end_reason = NULL")
    store.send()
    first, second = sent(store)
    assert (first.notice, first.identity) == (second.notice, second.identity)


def test_another_shops_texts_are_never_said(store: Store, texts: TextService) -> None:
    other = store.shops.add("other")
    texts.save(other, ENGLISH, {"subject": "Theirs"})
    store.join()
    store.restock(5)
    store.send()
    assert sent(store)[0].notice.words == {}
    with pytest.raises(NotFoundError):
        texts.drop(store.shop, ENGLISH)


def test_a_text_with_faults_is_not_kept_and_all_faults_are_named(store: Store, texts: TextService) -> None:
    with pytest.raises(ValidationError) as refused:
        texts.save(store.shop, ENGLISH, {"subject": "{{ prise }}", "button": "{% if %}", "colour": "red"})
    assert {fault.field for fault in refused.value.faults} == {"subject", "button", "colour"}
    assert texts.list(store.shop) == []
    assert store.one("SELECT texts_version FROM shops") == 0


@pytest.mark.parametrize("kind", [NoticeKind.offer, NoticeKind.reminder, NoticeKind.confirmation])
def test_a_test_shows_the_text_it_is_of_in_its_language_about_the_goods_asked_for(
    store: Store, texts: TextService, kind: NoticeKind
) -> None:
    key = TextKey(EMAIL, STAGES[kind], "fr")
    texts.save(store.shop, key, {"subject": f"{kind}: {{{{ product.title }}}}"})
    store.join(1)
    store.stock(0)
    contact = int(str(store.one("SELECT id FROM contacts")))
    variant = int(str(store.one("SELECT variant_id FROM subscriptions")))
    assert store.deliveries.queue_test(store.shop.id, contact, EMAIL, Sample(kind, "fr", variant))
    assert not store.deliveries.queue_test(store.shop.id, contact, EMAIL, Sample(kind, "fr", variant)), "once a minute"
    store.send()
    (one,) = sent(store)
    assert (one.notice.kind, one.notice.occasion, one.notice.locale) == (NoticeKind.test, kind, "fr")
    assert one.notice.product is not None
    assert one.notice.words["subject"] == f"{kind}: {one.notice.product.title}"


@pytest.mark.parametrize(
    "key", ["test:1:2", "test:1:2:x:y:z", "test:1:2:offer:fr:1-earlier", "test:::::", "test:1:2:test:en:5"]
)
def test_a_key_that_says_nothing_of_the_kind_is_a_sample_all_the_same(store: Store, key: str) -> None:
    store.join(1)
    assert store.deliveries.queue_test(store.shop.id, int(str(store.one("SELECT id FROM contacts"))), EMAIL)
    store.sql("UPDATE deliveries SET dedupe_key = :key", key=key)
    store.send()
    (one,) = sent(store)
    assert one.notice.occasion in set(NoticeKind) - {NoticeKind.test}
