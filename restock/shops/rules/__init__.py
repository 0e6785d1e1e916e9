"""How a shop's settings are written and read: each key with its default, its range and its two directions.

Pure. Settings are stored as the text a merchant could have typed, and only where they differ from the defaults.
docs/settings.md is compared with this table by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from restock.channels.values import ChannelName
from restock.errors import Fault
from restock.shops.rules import texts
from restock.shops.values import (
    PRESETS,
    AlertRhythm,
    NotificationPolicy,
    PolicyPreset,
    PublicationCheck,
    QuantityRule,
    QueueOrder,
    Shop,
    ShopSettings,
)

_DEFAULTS = ShopSettings()


@dataclass(frozen=True, slots=True)
class Setting:
    """One key. `read` turns text into a value or raises ValueError with what is allowed; `write` is its inverse.

    `column` names the shop's own column that holds it, None when it lives among the settings.
    """

    key: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    default: str
    allowed: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting of one shop, as text to show."""

    key: str
    value: str
    default: str
    allowed: str


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """Checked changes: `settings` by key (None: back to the default), `columns` likewise, and every fault found."""

    settings: Mapping[str, str | None] = field(default_factory=dict)
    columns: Mapping[str, str | None] = field(default_factory=dict)
    faults: Sequence[Fault] = ()


def read_changes(changes: Mapping[str, str]) -> SettingsChange:
    """Check changes by key, all of them; an empty value means the default."""
    settings: dict[str, str | None] = {}
    columns: dict[str, str | None] = {}
    faults: list[Fault] = []
    for key, text in changes.items():
        setting = SETTINGS.get(key)
        if setting is None:
            faults.append(Fault(key, "UNKNOWN_SETTING", _not_a_setting(key)))
            continue
        try:
            value = setting.write(setting.read(text.strip())) if text.strip() else None
        except ValueError:
            faults.append(Fault(key, "INVALID_SETTING", f"must be {setting.allowed}"))
            continue
        (columns if setting.column else settings)[setting.column or key] = value
    return SettingsChange(settings, columns, faults)


def _not_a_setting(key: str) -> str:
    from difflib import get_close_matches  # seldom needed, and every worker has this module

    meant = [name for name in SETTINGS if name.rpartition(".")[2] == key] or get_close_matches(key, SETTINGS, 2, 0.75)
    if meant:
        return f"is not a setting: did you mean {' or '.join(meant)}?"
    return f"is not a setting; the settings are {', '.join(SETTINGS)}"


def merge_settings(stored: Mapping[str, str], change: SettingsChange) -> dict[str, str]:
    """Return what to store: the old with the changes over it, without anything that equals its default.

    Choosing a policy by name drops single policy values chosen earlier.
    """
    chosen = {key: value for key, value in stored.items() if key in SETTINGS}
    if "policy" in change.settings:
        chosen = {key: value for key, value in chosen.items() if not key.startswith("policy.")}
    chosen |= {key: value for key, value in change.settings.items() if value is not None}
    for key, value in change.settings.items():
        if value is None:
            chosen.pop(key, None)
    preset = _policy_texts(PRESETS[PolicyPreset(chosen.get("policy", PolicyPreset.fair))])
    return {key: value for key, value in chosen.items() if value != preset.get(key, SETTINGS[key].default)}


def read_settings(stored: Mapping[str, str]) -> ShopSettings:
    """Make the settings from what is stored; what another version stored and this one cannot read is the default."""
    return _settings_of(tuple(stored.items()))


@lru_cache(maxsize=1024)  # nearly half of what it takes to read a shop, and few change theirs
def _settings_of(items: tuple[tuple[str, str], ...]) -> ShopSettings:
    stored = dict(items)
    values = {key: value for key, text in stored.items() if (value := _read_stored(key, text)) is not None}
    policy = PRESETS[values.pop("policy", PolicyPreset.fair)]
    parts = _group(values, "policy.")
    if "factor" in parts and parts["factor"] == texts.EVERYONE:
        parts["factor"] = None
    hours = _group(values, "send_hours.")
    groups: dict[str, Any] = {
        "send_hours": replace(_DEFAULTS.send_hours, **hours),
        "double_opt_in": replace(_DEFAULTS.double_opt_in, **_group(values, "double_opt_in.")),
        "alerts": replace(_DEFAULTS.alerts, **_group(values, "alerts.")),
        "sms": replace(_DEFAULTS.sms, **_group(values, "sms.")),
    }
    return replace(_DEFAULTS, policy=replace(policy, **parts), **groups, **values)


def _group(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Take the values of one group out, by their names in it."""
    return {key.removeprefix(prefix): values.pop(key) for key in list(values) if key.startswith(prefix)}


def settings_lines(shop: Shop) -> list[SettingLine]:
    """List every setting of a shop as text, in the order of docs/settings.md."""
    values = _texts(shop)
    return [SettingLine(s.key, values[s.key], s.default, s.allowed) for s in SETTINGS.values()]


def _read_stored(key: str, text: str) -> Any:
    try:
        return SETTINGS[key].read(text)
    except (KeyError, ValueError):
        return None


def _texts(shop: Shop) -> dict[str, str]:
    own = shop.settings
    named = next((name for name, policy in PRESETS.items() if policy == own.policy), None)
    written = {key: SETTINGS[key].write(getattr(own, key)) for key in _PLAIN_KEYS}
    written |= {f"send_hours.{name}": texts.write_hours(own.send_hours.of(name)) for name in ChannelName}
    written |= {f"double_opt_in.{name}": _flag(own.double_opt_in.of(name)) for name in ChannelName}
    written |= {key: SETTINGS[key].write(getattr(own.alerts, key.removeprefix("alerts."))) for key in _ALERT_KEYS}
    written |= {key: SETTINGS[key].write(getattr(own.sms, key.removeprefix("sms."))) for key in _SMS_KEYS}
    written |= {"policy": named or "custom", "name": shop.name, "currency": shop.currency or "", "locale": shop.locale}
    return written | _policy_texts(own.policy)


def _policy_texts(policy: NotificationPolicy) -> dict[str, str]:
    return {
        "policy.factor": texts.write_factor(texts.EVERYONE if policy.factor is None else policy.factor),
        "policy.turn_minutes": str(policy.turn_minutes),
        "policy.minimum_units": str(policy.minimum_units),
        "policy.quantity_rule": policy.quantity_rule,
        "policy.order": policy.order,
        "policy.priority_tag": policy.priority_tag or "",
        "policy.max_offers": str(policy.max_offers),
        "policy.reminder_count": str(policy.reminder_count),
        "policy.reminder_hours": str(policy.reminder_hours),
    }


def _hours(channel: ChannelName, default: str) -> Setting:
    allowed = "any, or hours such as 9-20, 9-20 sun 12-20 or 9-20 sat,sun off"
    return Setting(f"send_hours.{channel}", texts.read_hours, texts.write_hours, default, allowed)


def _flag(value: bool) -> str:
    return str(value).lower()


def _opt_in(channel: ChannelName) -> Setting:
    return Setting(f"double_opt_in.{channel}", texts.read_flag, _flag, "false", "true or false")


_ROWS = (
    Setting(
        "channels",
        texts.read_channels,
        texts.write_channels,
        "email,sms,push",
        "one or more of email, sms, push, separated by commas",
    ),
    Setting(
        "origins",
        texts.read_origins,
        ",".join,
        "",
        f"up to {texts.MOST_ORIGINS} storefront origins such as https://shop.example.com, separated by commas",
    ),
    Setting(
        "publication_check", texts.one_of(PublicationCheck), str, _DEFAULTS.publication_check, "online_store or any"
    ),
    Setting(
        "product_url_template",
        texts.read_url_template,
        str,
        _DEFAULTS.product_url_template,
        f"a web address of at most {texts.LONGEST_URL} characters with {{handle}}, {{variant_id}} or {{product_id}}, "
        "and {shop} where the shop's domain goes",
    ),
    Setting(
        "locations",
        texts.read_locations,
        texts.write_locations,
        "",
        f"up to {texts.MOST_LOCATIONS} numbers of Shopify locations, separated by commas",
    ),
    Setting(
        "markets",
        texts.read_markets,
        texts.write_markets,
        "",
        f"up to {texts.MOST_MARKETS} markets such as 5=DE or 6=FR@https://shop.example.fr (number, country, and its "
        "own storefront if it has one), separated by commas",
    ),
    Setting("policy", texts.one_of(PolicyPreset), str, PolicyPreset.fair, "everyone, fair or strict"),
    Setting(
        "policy.factor",
        texts.read_factor,
        texts.write_factor,
        "1.5",
        "a number from 0.1 to 100 with at most two decimals, or everyone",
    ),
    Setting("policy.turn_minutes", texts.whole(1, 10_080), str, "120", "a whole number from 1 to 10080"),
    Setting("policy.minimum_units", texts.whole(1, 1_000_000), str, "1", "a whole number from 1 to 1000000"),
    Setting("policy.quantity_rule", texts.one_of(QuantityRule), str, QuantityRule.require, "require or ignore"),
    Setting("policy.order", texts.one_of(QueueOrder), str, QueueOrder.oldest, "oldest or newest"),
    Setting(
        "policy.priority_tag",
        texts.read_tag,
        lambda value: value or "",
        "",
        f"a customer tag of Shopify's, at most {texts.LONGEST_TAG} characters without a comma",
    ),
    Setting("policy.max_offers", texts.whole(1, 20), str, "3", "a whole number from 1 to 20"),
    Setting("policy.reminder_count", texts.whole(0, 2), str, "0", "0, 1 or 2"),
    Setting("policy.reminder_hours", texts.whole(1, 336), str, "24", "a whole number from 1 to 336"),
    _hours(ChannelName.email, "any"),
    _hours(ChannelName.sms, "9-20"),
    _hours(ChannelName.push, "any"),
    _opt_in(ChannelName.email),
    _opt_in(ChannelName.sms),
    _opt_in(ChannelName.push),
    Setting(
        "alerts.to",
        texts.read_emails,
        ",".join,
        "",
        f"up to {texts.MOST_ALERTED} e-mail addresses, separated by commas",
    ),
    Setting("alerts.when", texts.one_of(AlertRhythm), str, AlertRhythm.off, "off, each, daily or weekly"),
    Setting("alerts.hour", texts.whole(0, 23), str, str(_DEFAULTS.alerts.hour), "a whole number from 0 to 23"),
    Setting("alerts.waitlist", texts.whole(0, 1_000_000), str, "0", "a whole number from 0 to 1000000"),
    Setting("expire_days", texts.whole(1, 3650), str, str(_DEFAULTS.expire_days), "a whole number from 1 to 3650"),
    Setting(
        "attribution_days", texts.whole(1, 90), str, str(_DEFAULTS.attribution_days), "a whole number from 1 to 90"
    ),
    Setting("legacy_errors", texts.read_flag, _flag, "false", "true or false"),
    Setting(
        "country", texts.read_country, lambda value: value or "", "", "a two-letter ISO 3166 country code such as GB"
    ),
    Setting(
        "sms.countries",
        texts.read_countries,
        ",".join,
        "",
        "two-letter countries such as US,CA separated by commas, or any",
    ),
    Setting(
        "sms.daily_cap",
        texts.whole(1, 10_000_000),
        lambda value: str(value) if value is not None else "",
        "",
        "a whole number from 1 to 10000000",
    ),
    Setting("name", texts.read_name, str, "", f"at most {texts.LONGEST_NAME} characters on one line", column="name"),
    Setting("currency", texts.read_currency, str, "", "a three-letter ISO 4217 code such as EUR", column="currency"),
    Setting("locale", texts.read_locale, str, "en", "a language code such as en, de or pt-BR", column="locale"),
)
SETTINGS: Mapping[str, Setting] = {row.key: row for row in _ROWS}
_GROUPED = ("policy", "send_hours.", "double_opt_in.", "alerts.", "sms.")
_PLAIN_KEYS = [row.key for row in _ROWS if not (row.column or row.key.startswith(_GROUPED))]
_ALERT_KEYS = [row.key for row in _ROWS if row.key.startswith("alerts.")]
_SMS_KEYS = [row.key for row in _ROWS if row.key.startswith("sms.")]
