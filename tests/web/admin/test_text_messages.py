"""The page of where, when and how many text messages leave."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from restock.shops.values import SendHours, Shop
from restock.web.admin.texting import _FIELDS
from restock.web.admin.wording import texts
from tests.web.admin.conftest import House, dotted

WHERE = "/messages/sms"
NOTHING = dict.fromkeys(_FIELDS, "")


def post(house: House, **fields: str) -> str:
    return house.post(WHERE, NOTHING | dotted(fields))


def chosen(house: House, shop: Shop) -> dict[str, str]:
    """What is stored as chosen by the merchant."""
    with house.database.transaction() as session:
        return dict(session.execute(text("SELECT settings FROM shops WHERE id = :id"), {"id": shop.id}).scalar_one())


def test_every_field_has_its_words() -> None:
    assert {name for name in texts() if name.startswith("sms.field.")} == {f"sms.field.{name}" for name in _FIELDS}


def test_choices_are_saved_and_what_follows_is_shown(house: House, kettle: Shop) -> None:
    assert WHERE in house.get("/messages")
    page = post(house, sms__countries="de, at", sms__daily_cap="500", send_hours__sms="9-20 sat,sun off", country="de")
    assert texts()["alerts.saved"] in page
    settings = house.saved(kettle).settings
    assert (settings.sms.countries, settings.sms.daily_cap, settings.country) == (("DE", "AT"), 500, "DE")
    assert settings.send_hours.sms == SendHours((*((9, 20),) * 5, None, None))
    for words in ('value="DE,AT"', 'value="500"', "Austria, Germany", "0 of 500 segments"):
        assert words in page


def test_an_empty_field_is_the_default_again(house: House, kettle: Shop) -> None:
    post(house, sms__countries="any", sms__daily_cap="5", send_hours__sms="any", country="GB")
    assert "Anywhere" in house.get(WHERE)
    page = post(house)
    assert chosen(house, kettle) == {}
    assert texts()["alerts.saved"] in page


def test_every_fault_stands_beside_its_field_with_what_was_typed_and_nothing_is_saved(
    house: House, kettle: Shop
) -> None:
    post(house, sms__countries="DE", sms__daily_cap="7")
    evil = '"><script>x</script>'
    page = post(house, sms__countries=evil, sms__daily_cap="0", send_hours__sms="25-26", country="Atlantis")
    assert page.count('class="fault" role="alert"') == 4
    assert page.count('aria-invalid="true"') == 4
    for name in _FIELDS:
        assert f'id="{name}-fault"><p class="fault"' in page
    assert "<script>x" not in page
    assert 'value="Atlantis"' in page
    page = post(house, sms__countries="FR", sms__daily_cap="-1")
    assert page.count('class="fault" role="alert"') == 1
    assert chosen(house, kettle) == {"sms.countries": "DE", "sms.daily_cap": "7"}, "one fault, and nothing is changed"


def test_what_shopify_says_of_the_country_is_not_made_a_choice_by_saving_the_page(house: House, kettle: Shop) -> None:
    with house.database.transaction() as session:
        session.execute(text('UPDATE shops SET profile = \'{"country": "AT"}\' WHERE id = :id'), {"id": kettle.id})
    assert 'value="AT"' in house.get(WHERE)
    post(house, country="AT", sms__daily_cap="9", send_hours__sms="9-20")
    assert chosen(house, kettle) == {"sms.daily_cap": "9"}
    assert house.saved(kettle).settings.country == "AT"


@pytest.mark.parametrize(("countries", "shown"), [("", "Anywhere"), ("GB", "United Kingdom"), ("any", "Anywhere")])
def test_where_messages_go_is_said_in_words(house: House, kettle: Shop, countries: str, shown: str) -> None:
    assert shown in post(house, sms__countries=countries)


def test_a_shop_that_has_text_messages_off_reads_so(house: House, kettle: Shop) -> None:
    assert texts()["sms.off"] not in house.get(WHERE)
    house.services.shops.change_settings(kettle.domain, {"channels": "email"})
    assert texts()["sms.off"] in house.get(WHERE)
