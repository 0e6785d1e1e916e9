"""The page of the settings that have no page of their own: changed all or none, and only what was changed."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from restock.shops.values import PolicyPreset, Shop
from restock.web.admin.settling import CHOICES, GROUPS
from restock.web.admin.wording import texts
from tests.web.admin.conftest import House, fields_of

KEYS = [key for keys in GROUPS.values() for key in keys]
ELSEWHERE = {"policy", "policy.factor", "policy.turn_minutes", "policy.minimum_units", "country", "send_hours.sms"}


def table(house: House, shop: Shop) -> dict[str, str]:
    return {line.key: line.value for line in house.services.shops.settings_table(house.saved(shop))}


def test_every_setting_has_its_words_and_there_are_no_others() -> None:
    wanted = {f"settings.{group}" for group in GROUPS}
    wanted |= {f"settings.{name}" for name in ("elsewhere", "to_sharing", "held", "refused")}
    wanted |= {f"setting.{key}" for key in KEYS} | {f"setting.{key}.hint" for key in KEYS}
    wanted |= {f"setting.{key}.{one}" for key, choices in CHOICES.items() for one in choices}
    assert {name for name in texts() if name.startswith(("setting.", "settings."))} == wanted


def test_every_setting_of_a_shop_has_a_page(house: House, kettle: Shop) -> None:
    others = {key for key in table(house, kettle) if key.startswith(("alerts.", "double_opt_in.", "sms."))}
    assert set(table(house, kettle)) == set(KEYS) | ELSEWHERE | others
    page = house.get("/settings")
    assert all(f'name="{key}"' in page for key in KEYS)
    assert "with {handle}" in page


def test_what_is_changed_is_saved_and_nothing_else_becomes_a_choice(house: House, kettle: Shop) -> None:
    before = table(house, kettle)
    page = house.post("/settings", {key: before[key] for key in KEYS} | {"policy.reminder_count": "2"})
    assert texts()["alerts.saved"] in page
    assert table(house, kettle) == before | {"policy": "custom", "policy.reminder_count": "2"}
    house.services.shops.change_settings(kettle.domain, {"policy": PolicyPreset.strict})
    assert table(house, kettle)["policy.reminder_count"] == "0"


@pytest.mark.parametrize(("good", "bad"), [("name", "expire_days"), ("attribution_days", "locations")])
def test_with_a_fault_nothing_is_saved_and_every_fault_stands_at_its_field(
    house: House, kettle: Shop, good: str, bad: str
) -> None:
    before = table(house, kettle)
    page = house.post("/settings", {good: "30", bad: "soon", "send_hours.email": "25-26"})
    assert page.count('class="fault"') == 2
    assert 'value="soon"' in page
    assert texts()["settings.refused"] in page
    assert table(house, kettle) == before


def test_what_somebody_else_saved_meanwhile_stays(house: House, kettle: Shop) -> None:
    """Two people have the page open: each changes a field of theirs, with or without a mistake on the way."""
    before = table(house, kettle)
    first = fields_of(house.get("/settings"))
    house.post("/settings", fields_of(house.get("/settings")) | {"policy.order": "newest", "locations": "7"})
    again = fields_of(house.post("/settings", first | {"expire_days": "soon"}))
    assert again["expire_days"] == "soon"
    house.post("/settings", again | {"expire_days": "30"})
    wanted = {"policy": "custom", "policy.order": "newest", "locations": "7", "expire_days": "30"}
    assert table(house, kettle) == before | wanted


@pytest.mark.parametrize(
    ("path", "theirs", "ours"),
    [
        ("/messages/alerts", {"alerts.to": "owner@example.com", "double_opt_in.sms": "true"}, {"alerts.hour": "7"}),
        ("/messages/sms", {"sms.countries": "US,CA", "country": "CA"}, {"sms.daily_cap": "50"}),
    ],
    ids=["alerts", "text messages"],
)
def test_the_other_pages_of_settings_keep_it_too(
    house: House, kettle: Shop, path: str, theirs: dict[str, str], ours: dict[str, str]
) -> None:
    before = table(house, kettle)
    first = fields_of(house.get(path))
    house.post(path, fields_of(house.get(path)) | theirs)
    house.post(path, first | ours)
    assert table(house, kettle) == before | theirs | ours


def test_a_tick_taken_away_is_a_change(house: House, kettle: Shop) -> None:
    house.services.shops.change_settings(kettle.domain, {"double_opt_in.sms": "true", "alerts.hour": "7"})
    shown = fields_of(house.get("/messages/alerts"))
    house.post("/messages/alerts", {key: text for key, text in shown.items() if key != "double_opt_in.sms"})
    after = table(house, kettle)
    assert (after["double_opt_in.sms"], after["alerts.hour"]) == ("false", "7")


@pytest.mark.parametrize("path", ["/settings", "/messages/alerts", "/messages/sms"])
def test_a_page_posted_as_it_was_shown_changes_nothing(house: House, kettle: Shop, path: str) -> None:
    before = table(house, kettle)
    house.post(path, fields_of(house.get(path)))
    assert table(house, kettle) == before


def test_what_is_typed_is_shown_as_text(house: House, kettle: Shop) -> None:
    typed = '"><script>alert(1)</script>'
    page = house.post("/settings", fields_of(house.get("/settings")) | {"name": typed, "expire_days": typed})
    assert typed not in page
    assert fields_of(page)["expire_days"] == typed


@pytest.fixture
def allowed(house: House, kettle: Shop) -> Shop:
    """The shop lets us see its locations."""
    with house.database.transaction() as session:
        session.execute(text("UPDATE shops SET access = 'granted', scopes = '{read_locations}'"))
    house.services.shops.memory.forget(kettle.domain)
    return house.saved(kettle)


def test_locations_are_chosen_by_name_where_shopify_names_them(house: House, allowed: Shop) -> None:
    page = house.get("/settings")
    assert "Harbour &lt;shop&gt;" in page
    assert texts()["places.offline"] in page
    assert texts()["places.closed"] in page
    assert 'name="locations"' not in page
    before = fields_of(page)
    house.post("/settings", {**before, "location": ["7", "8"]})
    assert table(house, allowed)["locations"] == "7,8"
    page = house.get("/settings")
    assert page.count('value="7" checked') == page.count('value="8" checked') == 1
    house.post("/settings", {**fields_of(page), "location": []})
    assert table(house, allowed)["locations"] == ""


def test_a_chosen_location_that_is_gone_stays_until_somebody_takes_it_away(house: House, allowed: Shop) -> None:
    house.services.shops.change_settings(allowed.domain, {"locations": "7,99"})
    page = house.get("/settings")
    assert "Location 99" in page
    house.post("/settings", {**fields_of(page), "location": ["7", "99"], "expire_days": "30"})
    assert table(house, allowed)["locations"] == "7,99"
    house.post("/settings", {**fields_of(page), "location": ["7"]})
    assert table(house, allowed)["locations"] == "7"


def test_ticks_that_are_no_numbers_are_refused_and_stay_to_be_mended(house: House, allowed: Shop) -> None:
    page = house.post("/settings", {**fields_of(house.get("/settings")), "location": ["7", "<pier>"]})
    assert 'value="7,&lt;pier&gt;"' in page
    assert 'class="fault"' in page
    assert table(house, allowed)["locations"] == ""


def test_without_the_permission_numbers_are_typed_and_the_page_says_how_to_get_names(
    house: House, kettle: Shop
) -> None:
    page = house.get("/settings")
    assert 'name="locations"' in page
    assert texts()["places.allow"] in page
