"""Settings as text: what may be typed, what is shown, and that the page about them tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.values import ChannelName
from restock.shops import rules
from restock.shops.values import PRESETS, PolicyPreset, Shop, ShopSettings, ShopState

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def _shown(stored: dict[str, str]) -> dict[str, str]:
    shop = Shop(1, "demo.myshopify.com", ShopState.installed, "demo", "en", None, rules.read_settings(stored))
    return {line.key: line.value for line in rules.settings_lines(shop)}


def _stored(**changes: str) -> dict[str, str]:
    change = rules.read_changes({key.replace("__", "."): value for key, value in changes.items()})
    assert change.faults == []
    return rules.merge_settings({}, change)


def test_nothing_stored_is_the_defaults() -> None:
    assert rules.read_settings({}) == ShopSettings()
    shown = _shown({})
    assert {key: shown[key] for key in rules.SETTINGS if key != "name"} == {
        setting.key: setting.default for setting in rules.SETTINGS.values() if setting.key != "name"
    }


GOOD = [
    ("channels", "email", "email"),
    ("channels", " PUSH , email,email", "email,push"),
    ("origins", "https://Shop.Example.com/, http://localhost:3000", "https://shop.example.com,http://localhost:3000"),
    ("origins", "https://a.example:443,https://a.example", "https://a.example"),
    ("publication_check", "ANY", "any"),
    ("product_url_template", "https://{shop}/products/{handle}?variant={variant_id}", None),
    ("product_url_template", "http://127.0.0.1:8000/p/{product_id}#{variant_id}", None),
    ("policy.factor", "1.50", "1.5"),
    ("policy.factor", "Everyone", "everyone"),
    ("policy.factor", "0.1", "0.1"),
    ("policy.turn_minutes", "10080", "10080"),
    ("policy.minimum_units", "007", "7"),
    ("policy.quantity_rule", "ignore", "ignore"),
    ("policy.order", "Newest", "newest"),
    ("policy.priority_tag", "VIP customer", "VIP customer"),
    ("policy.max_offers", "5", "5"),
    ("policy.reminder_count", "2", "2"),
    ("policy.reminder_hours", "48", "48"),
    ("send_hours.email", "Any", "any"),
    ("send_hours.email", "0-24", "any"),
    ("send_hours.sms", "09-20", "9-20"),
    ("send_hours.sms", "9-20  SUN 12-20", "9-20 sun 12-20"),
    ("send_hours.sms", "9-20 sun,sat 10-18", "9-20 sat 10-18 sun 10-18"),
    ("send_hours.sms", "9-20 mon 9-20", "9-20"),
    ("send_hours.push", "off fri 18-2", "off fri 18-2"),
    ("send_hours.push", "9-20 sun off", "9-20 sun off"),
    ("expire_days", "1", "1"),
    ("legacy_errors", "Yes", "true"),
    ("country", "gb", "GB"),
    ("currency", "eur", "EUR"),
    ("locale", "pt_br", "pt-BR"),
    ("locale", "zh-hant-tw", "zh-Hant-TW"),
    ("name", "Ada's 🧵 shop", None),
]


@pytest.mark.parametrize(("key", "text", "canonical"), GOOD)
def test_a_usable_value_is_kept_in_one_form(key: str, text: str, canonical: str | None) -> None:
    change = rules.read_changes({key: f"  {text} "})
    assert change.faults == []
    assert (change.columns if rules.SETTINGS[key].column else change.settings) == {key: canonical or text}


BAD = [
    ("channels", "fax"),
    ("channels", "email,,sms"),
    ("origins", "shop.example.com"),
    ("origins", "https://a.example/path"),
    ("origins", "https://user@a.example"),
    ("origins", "https://a.example:99999"),
    ("origins", "https://a example"),
    ("origins", "https://a..example"),
    ("origins", "*"),
    ("origins", "null"),
    ("origins", "https://[::1"),
    ("origins", ",".join(f"https://s{n}.example" for n in range(51))),
    ("publication_check", "pos"),
    ("product_url_template", "javascript:alert({variant_id})"),
    ("product_url_template", "https://{shop}/"),
    ("product_url_template", "https://{shop}/{password}/{handle}"),
    ("product_url_template", "https://{shop}/{handle!r}"),
    ("product_url_template", "https://{shop}/{handle:>9999999}"),
    ("product_url_template", "https://{shop}/{handle.__class__}"),
    ("product_url_template", "https://{shop}/{handle[0]}"),
    ("product_url_template", "https://{shop}/{}/{handle}"),
    ("product_url_template", "https://{shop}/{handle}/{{x}}"),
    ("product_url_template", "https://{shop}/{handle"),
    ("product_url_template", "https://{handle}/{variant_id}"),
    ("product_url_template", "https://{shop}@evil.example/{handle}"),
    ("product_url_template", "https://{shop}/{handle} x"),
    ("product_url_template", "https://{shop}/{handle}\nX: y"),
    ("product_url_template", "https://{shop}:port/{handle}"),
    ("product_url_template", "https://{shop}/{handle}?" + "x" * 500),
    ("policy", "nobody"),
    ("policy.factor", "0"),
    ("policy.factor", "101"),
    ("policy.factor", "1e2"),
    ("policy.factor", "nan"),
    ("policy.factor", "inf"),
    ("policy.factor", "-2"),
    ("policy.factor", "1.234"),
    ("policy.turn_minutes", "0"),
    ("policy.turn_minutes", "1.5"),
    ("policy.turn_minutes", "10081"),
    ("policy.turn_minutes", "٣"),
    ("policy.minimum_units", "-1"),
    ("policy.minimum_units", "9" * 5000),
    ("policy.quantity_rule", "maybe"),
    ("policy.order", "random"),
    ("send_hours.sms", "9"),
    ("send_hours.sms", "9:00-20:00"),
    ("send_hours.sms", "9-9"),
    ("send_hours.sms", "9-25"),
    ("send_hours.sms", "24-9"),
    ("send_hours.sms", "off"),
    ("send_hours.sms", "9-20 sun"),
    ("send_hours.sms", "any sun 12-20"),
    ("send_hours.sms", "9-20 holidays off"),
    ("send_hours.sms", "9-20 12-14"),
    ("send_hours.sms", "٩-20"),
    ("policy.priority_tag", "one,two"),
    ("policy.max_offers", "0"),
    ("policy.reminder_count", "3"),
    ("policy.reminder_hours", "0"),
    ("expire_days", "3651"),
    ("expire_days", "forever"),
    ("legacy_errors", "perhaps"),
    ("country", "UK"),
    ("country", "Germany"),
    ("currency", "EURO"),
    ("currency", "$"),
    ("locale", "klingon"),
    ("locale", "en\nde"),
    ("locale", "e"),
    ("name", "two\nlines"),
    ("name", "x" * 101),
]


@pytest.mark.parametrize(("key", "text"), BAD)
def test_an_unusable_value_is_refused_by_saying_what_may_be_set(key: str, text: str) -> None:
    (fault,) = rules.read_changes({key: text}).faults
    assert (fault.field, fault.code) == (key, "INVALID_SETTING")
    assert fault.message == f"must be {rules.SETTINGS[key].allowed}"


def test_an_unknown_key_is_named_with_the_known_ones() -> None:
    (fault,) = rules.read_changes({"colour": "red"}).faults
    assert (fault.field, fault.code) == ("colour", "UNKNOWN_SETTING")
    assert "publication_check" in fault.message


@pytest.mark.parametrize(
    ("key", "meant"),
    [("factor", "policy.factor"), ("expire_day", "expire_days"), ("policy.max_offer", "policy.max_offers")],
)
def test_a_key_that_is_nearly_one_is_told_which(key: str, meant: str) -> None:
    [fault] = rules.read_changes({key: "1"}).faults
    assert fault.message.startswith("is not a setting: did you mean ")
    assert meant in fault.message


@given(st.dictionaries(st.sampled_from(sorted(rules.SETTINGS)) | st.text(), st.text()))
def test_no_text_makes_the_reader_fail_or_changes_on_a_second_reading(changes: dict[str, str]) -> None:
    change = rules.read_changes(changes)
    again = {key: value for key, value in {**change.settings, **change.columns}.items() if value is not None}
    second = rules.read_changes(again)
    assert second.faults == []
    assert {**second.settings, **second.columns} == again
    rules.read_settings(rules.merge_settings({}, change))


def test_a_policy_by_name_and_single_values_over_it() -> None:
    assert _stored(policy="fair", policy__factor="1.5") == {}, "the default is not stored"
    stored = _stored(policy="strict", policy__turn_minutes="5", policy__factor="1")
    assert stored == {"policy": "strict", "policy.turn_minutes": "5"}
    policy = rules.read_settings(stored).policy
    assert (policy.factor, policy.turn_minutes) == (1.0, 5)
    assert _shown(stored)["policy"] == "custom"
    named = rules.merge_settings(stored, rules.read_changes({"policy": "everyone"}))
    assert named == {"policy": "everyone"}
    assert rules.read_settings(named).policy == PRESETS[PolicyPreset.everyone]
    assert _shown(named)["policy"] == "everyone"
    assert _shown(named)["policy.factor"] == "everyone"


def test_a_single_value_set_to_the_general_default_holds_over_another_policy() -> None:
    stored = _stored(policy="strict", policy__factor="2")
    assert rules.read_settings(stored).policy.factor == 2.0


def test_an_empty_value_goes_back_to_the_default() -> None:
    stored = _stored(expire_days="30", policy="strict", policy__turn_minutes="5")
    back = rules.merge_settings(stored, rules.read_changes({"expire_days": "", "policy": " "}))
    assert back == {}


def test_what_another_version_stored_is_read_as_far_as_possible() -> None:
    settings = rules.read_settings({"colour": "red", "expire_days": "soon", "channels": "email"})
    assert settings == ShopSettings(channels=frozenset({ChannelName.email}))
    change = rules.read_changes({"channels": "sms"})
    assert rules.merge_settings({"colour": "red"}, change) == {"channels": "sms"}


def test_the_page_lists_every_setting_with_its_default_and_range() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (?:`(.*?)`)? ?\| (.*?) \| \S.* \|$", PAGE.read_text(), re.MULTILINE)
    described = [row for row in rows if row[0] not in list(PolicyPreset)]
    assert described == [(row.key, row.default, row.allowed) for row in rules.SETTINGS.values()]


def test_the_page_describes_the_policies_as_they_are() -> None:
    for name, policy in PRESETS.items():
        factor = "everyone" if policy.factor is None else f"{policy.factor:g}"
        assert f"| `{name}` | `{factor}` | `{policy.turn_minutes}` |" in PAGE.read_text()


@pytest.mark.parametrize(
    ("key", "text", "stored"),
    [
        ("locations", " 30, gid://shopify/Location/7,30 ", "7,30"),
        ("markets", "6=fr@https://Shop.example.fr/ , 5=DE", "5=DE,6=FR@https://shop.example.fr"),
    ],
)
def test_locations_and_markets_are_kept_in_order(key: str, text: str, stored: str) -> None:
    assert rules.read_changes({key: text}).settings == {key: stored}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("locations", "0"),
        ("locations", "1,,2"),
        ("locations", "1.5"),
        ("locations", "9" * 20),
        ("markets", "5"),
        ("markets", "5=XX"),
        ("markets", "5=DE,5=FR"),
        ("markets", "5=DE@ftp://shop.example"),
    ],
)
def test_locations_and_markets_that_cannot_be_are_refused(key: str, text: str) -> None:
    assert [fault.field for fault in rules.read_changes({key: text}).faults] == [key]
