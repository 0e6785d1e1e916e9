"""The page of the settings that have no page of their own: changed all or none, and only what was changed."""

from __future__ import annotations

import pytest

from restock.shops.values import PolicyPreset, Shop
from restock.web.admin.settling import CHOICES, GROUPS
from restock.web.admin.wording import texts
from tests.web.admin.conftest import House

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
