"""What text messages cost is said before any is sent: per message in the editor, for a whole restock in a dry run."""

from __future__ import annotations

from decimal import Decimal

import pytest

from restock.channels.sms.prices import read_prices
from restock.channels.texts.values import Source, Stage, TextKey
from restock.channels.values import ChannelName
from restock.reports.service.previews import MessagePreviews
from restock.reports.service.text_costs import TextCosts
from restock.reports.values.messages import TextCost
from restock.restocks.service.simulating import Simulating
from restock.shops.service.texts import TextService
from tests.restocks.store import VARIANT, Store


def costs(store: Store, prices: str = "") -> TextCosts:
    previews = MessagePreviews(store.database, read_prices(prices, "EUR"))
    return TextCosts(previews, TextService(store.database, lambda _: None), previews.prices)


def test_a_dry_run_counts_who_would_be_told_by_text_message(store: Store) -> None:
    store.set(policy="everyone")
    store.join(3, channel="sms")
    store.join(4)
    store.stock(9)
    played = Simulating(store.database).simulate(store.shop, VARIANT, 9).played
    assert (played.told, played.told_by) == (7, {"sms": 3, "email": 4})


def test_an_estimate_multiplies_what_the_message_about_these_goods_is_long(store: Store) -> None:
    store.set(country="DE")
    store.stock(1)
    found = costs(store, "0.05,DE=0.07").estimate(store.shop, VARIANT, 100)
    assert found is not None
    assert found.segment_count == 100 * found.segments_each
    assert found.price == Decimal("0.07")
    assert found.amount == f"€{Decimal('0.07') * found.segment_count:.2f}"


US, UK, GERMAN, FRENCH = "+12025550101", "+447400123456", "+4915112345678", "+33612345678"


def waiting(store: Store, *numbers: str) -> None:
    """Have people wait by text message, one after the other, with these numbers."""
    for subscription_id, number in zip(store.join(len(numbers), channel="sms"), numbers, strict=True):
        store.sql(
            f"UPDATE contacts SET address = '{number}'"
            f" WHERE id = (SELECT contact_id FROM subscriptions WHERE id = {subscription_id}) RETURNING 1"
        )


def test_each_numbers_own_country_is_what_a_message_to_it_costs(store: Store) -> None:
    store.set(country="DE")
    store.stock(1)
    waiting(store, US, US, UK, GERMAN)
    service = costs(store, "0.05,US=0.01,GB=0.04")
    whole, first = (service.estimate(store.shop, VARIANT, count) for count in (4, 2))
    assert whole is not None
    assert first is not None
    assert whole.price == (2 * Decimal("0.01") + Decimal("0.04") + Decimal("0.05")) / 4
    assert first.price == Decimal("0.01"), "the first in line are told first"
    assert (whole.country, whole.unpriced_count) == (None, 0)
    newest = service.estimate(store.shop, VARIANT, 1, newest=True)
    assert newest is not None
    assert newest.price == Decimal("0.05"), "unless who came last is"


def test_messages_of_no_known_price_are_counted_and_not_guessed(store: Store) -> None:
    store.set(country="US")
    store.stock(1)
    waiting(store, US, FRENCH, FRENCH, GERMAN)
    found = costs(store, "US=0.01").estimate(store.shop, VARIANT, 4)
    assert found is not None
    assert found.unpriced_count == 3
    assert found.amount == f"${Decimal('0.01') * found.segments_each:.2f}".replace("$", "€")
    nobody = costs(store, "GB=0.01").estimate(store.shop, VARIANT, 4)
    assert nobody is not None
    assert (nobody.amount, nobody.unpriced_count) == ("", 4)


def test_who_rests_or_is_not_written_to_costs_nothing(store: Store) -> None:
    store.stock(1)
    waiting(store, UK, UK, US)
    store.sql(f"UPDATE contacts SET suppression = 'bounced' WHERE address = '{UK}' RETURNING 1")
    found = costs(store, "US=0.01,GB=0.04").estimate(store.shop, VARIANT, 3)
    assert found is not None
    assert found.price == Decimal("0.01")


def test_what_an_estimate_assumes_is_said_where_prices_differ(store: Store) -> None:
    store.set(country="DE")
    store.stock(1)
    key = TextKey(ChannelName.sms, Stage.restock, "en")
    for prices, country in (("0.05,US=0.01", "DE"), ("0.05", None)):
        shown = costs(store, prices).previews.show(store.shop, key, Source({}))
        assert shown.cost is not None
        assert shown.cost.country == country
        alone = costs(store, prices).estimate(store.shop, VARIANT, 5)  # nobody waits any more whose number could say
        assert alone is not None
        assert alone.country == country


def test_without_prices_only_segments_are_said_and_without_messages_nothing(store: Store) -> None:
    store.stock(1)
    found = costs(store).estimate(store.shop, VARIANT, 2)
    assert found is not None
    assert found.amount == ""
    assert costs(store).estimate(store.shop, VARIANT, 0) is None


def test_a_shops_own_long_text_costs_as_many_segments_as_it_has(store: Store) -> None:
    store.stock(1)
    key = TextKey(ChannelName.sms, Stage.restock, "en")
    service = costs(store, "0.01")
    before = service.estimate(store.shop, VARIANT, 1)
    service.texts.save(store.shop, key, {"text": "{{ product.title }} " + "is back, " * 30 + "{{ links.action }}"})
    after = service.estimate(store.shop, VARIANT, 1)
    assert before is not None
    assert after is not None
    assert after.segments_each > before.segments_each


@pytest.mark.parametrize(
    ("messages", "each", "price", "amount"),
    [(1, 1, "0.0083", "$0.0083"), (1, 2, "0.0083", "$0.0166"), (1000, 2, "0.0083", "$16.60"), (1, 1, "0.05", "$0.05")],
)
def test_an_amount_is_written_to_the_place_that_matters(messages: int, each: int, price: str, amount: str) -> None:
    assert TextCost(messages, each, Decimal(price), "USD").amount == amount
