"""The page of dry runs: by the address alone, without JavaScript, and changing nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from sqlalchemy import text

from restock.shops.values import PRESETS, PolicyPreset, Shop
from restock.web.admin.whatif.asking import WhatIf, field_of, read_what_if
from restock.web.admin.wording import texts
from tests.web.admin.conftest import House
from tests.web.admin.crowd import VARIANTS, fill

VARIANT = VARIANTS[0]


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ({}, WhatIf()),
        ({"item": "v7", "units": "3"}, WhatIf(7, 3)),
        ({"item": "v7", "units": "3", "unlimited": "1"}, WhatIf(7, None)),
        ({"item": "v7", "units": "3", "policy": "strict"}, WhatIf(7, 3, PolicyPreset.strict)),
        ({"item": "v7", "units": "3", "bought": "40"}, WhatIf(7, 3, None, 40)),
        ({"factor": " 3 ", "turn": ""}, WhatIf(changes={"policy.factor": "3"})),
        ({"item": "v7"}, WhatIf(7, faults={"units": "fault.units"})),
        ({"item": "v7", "units": "-1"}, WhatIf(7, faults={"units": "fault.units"})),
        ({"item": "p7", "units": "1"}, WhatIf(None, 1, faults={"item": "fault.choice"})),
        (
            {"item": "v7", "units": "1", "policy": "x", "bought": "101"},
            WhatIf(7, 1, faults={"policy": "fault.choice", "bought": "fault.percent"}),
        ),
    ],
)
def test_an_address_is_read_with_all_its_faults(query: dict[str, str], asked: WhatIf) -> None:
    assert read_what_if(query) == asked


def test_a_setting_s_fault_stands_beside_the_field_it_was_typed_in() -> None:
    assert [field_of(key) for key in ("policy", "policy.turn_minutes", "other")] == ["preset", "turn", "other"]


@pytest.fixture
def crowd(house: House, kettle: Shop) -> Shop:
    fill(house.database, kettle, 60, gap_seconds=20_000)
    return kettle


def test_the_first_visit_asks_what_to_play(house: House, crowd: Shop) -> None:
    page = house.get("/what-if")
    assert "What if this much were in stock now?" in page
    assert f'value="v{VARIANT}"' in page
    assert "waiting would be told" not in page


def test_a_dry_run_names_who_would_be_told_when_and_who_not_and_why(house: House, crowd: Shop) -> None:
    page = house.get("/what-if?item=v45120000301&units=2&policy=strict")
    assert "waiting would be told in" in page
    assert "Wants more than is in stock" in page
    assert "Wave 1" in page
    assert "after 2 hours" in page
    assert "@example.com</bdi>" in page


def test_stock_without_limit_is_one_wave(house: House, crowd: Shop) -> None:
    page = house.get(f"/what-if?item=v{VARIANT}&unlimited=1")
    assert "in 1 wave." in page
    assert "Not told" not in page


def test_every_field_that_cannot_be_right_says_so(house: House, crowd: Shop) -> None:
    page = house.get(f"/what-if?item=v{VARIANT}&units=x&bought=200&factor=y&turn=0")
    for name in ("units", "bought", "factor", "turn"):
        assert f'id="{name}-fault"' in page
        assert f'aria-describedby="{name}-fault"' in page


def test_settings_are_tried_and_not_saved(house: House, crowd: Shop) -> None:
    with house.database.transaction() as session:
        values = {"shop": crowd.id, "variant": VARIANT}
        session.execute(
            text(
                "INSERT INTO stock_readings (shop_id, variant_id, sellable, units, source, read_at)"
                " VALUES (:shop, :variant, true, 1, 'admin', now())"
            ),
            values,
        )
        before = session.execute(text("SELECT settings::text, updated_at FROM shops")).all()
    page = house.get("/what-if?preset=everyone")
    assert "would be told at once." in page
    assert "Lookout Beanie · Small" in page
    assert "Nothing was saved yet." in page
    with house.database.transaction() as session:
        assert session.execute(text("SELECT settings::text, updated_at FROM shops")).all() == before


def test_settings_that_were_tried_are_saved_by_a_button_all_or_none(house: House, crowd: Shop) -> None:
    tried = house.get("/what-if?preset=strict&turn=90")
    assert '<input type="hidden" name="turn" value="90">' in tried
    assert texts()["whatif.save"] in tried
    assert texts()["whatif.saved"] in house.post("/what-if", {"preset": "strict", "turn": "90", "minimum": ""})
    assert house.saved(crowd).settings.policy == replace(PRESETS[PolicyPreset.strict], turn_minutes=90)
    refused = house.post("/what-if", {"preset": "everyone", "turn": "0"})
    assert 'id="turn-fault"' in refused
    assert texts()["whatif.saved"] not in refused
    assert house.saved(crowd).settings.policy.turn_minutes == 90


@pytest.mark.parametrize("typed", [{}, {"preset": "", "turn": " "}, {"policy": "strict"}])
def test_a_post_without_anything_to_change_says_what_is_missing_and_that_nothing_was_saved(
    house: House, crowd: Shop, typed: dict[str, str]
) -> None:
    page = house.post("/what-if", typed)
    assert "Nothing was saved: nothing to change was sent." in page
    assert texts()["whatif.field.minimum"] in page
    assert texts()["whatif.saved"] not in page
    assert house.saved(crowd).settings == crowd.settings


def test_a_strangers_variant_has_nobody_waiting_here(house: House, crowd: Shop) -> None:
    stranger = house.services.shops.add("stranger")
    fill(house.database, stranger, 20, gap_seconds=60)
    with house.database.transaction() as session:
        session.execute(text("DELETE FROM subscriptions WHERE shop_id = :id"), {"id": crowd.id})
    assert "Nobody waits for it." in house.get(f"/what-if?item=v{VARIANT}&units=3")


def test_the_page_is_one_click_from_what_is_waited_for_and_from_a_person(house: House, crowd: Shop) -> None:
    assert "/what-if?item=v" in house.get("/")
    with house.database.transaction() as session:
        person = session.execute(text("SELECT min(id) FROM subscriptions WHERE state = 'active'")).scalar_one()
    page = house.get(f"/subscribers/{person}")
    assert "/what-if?item=v" in page
    assert "Looked at again" in page


def test_a_dry_run_says_how_many_text_messages_and_segments_it_would_take(house: House, crowd: Shop) -> None:
    page = house.get(f"/what-if?item=v{VARIANT}&units=1&unlimited=1&policy=everyone")
    said = re.search(r"About (\d+) text messages, (\d+) segments\.", page)
    assert said is not None
    assert int(said[2]) % int(said[1]) == 0
    assert "About $" not in page  # nobody said what a segment costs
