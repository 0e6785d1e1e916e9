"""`restock shop texts`: the texts a shop writes itself, listed, looked over, changed and shown as they would leave."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from restock.channels.texts.checking import read_key
from restock.channels.texts.parts import PARTS
from restock.channels.texts.values import Source, TextKey
from restock.channels.texts.variables import meanings_of
from restock.channels.values import ChannelName
from restock.commands.shops import migrated_services, print_table
from restock.errors import Fault, ValidationError
from restock.reports.values.messages import MessagePreview
from restock.shops.values import ShopText


def show_all(options: argparse.Namespace) -> int:
    """List a shop's texts."""
    with migrated_services() as services:
        shop = services.shops.named(options.domain)
        found = services.texts.list(shop)
    rows = [
        (t.key.channel.value, t.key.stage.value, t.key.locale, _part_names(t), _broken(t.broken_reason)) for t in found
    ]
    if rows:
        print_table(("CHANNEL", "STAGE", "LOCALE", "PARTS", "AS SENT"), rows)
    else:
        print("No text of its own: every message is said in our phrases.")
    return 0


def change(options: argparse.Namespace) -> int:
    """Change parts of a text; the others stay."""
    key = _key(options)
    typed = _read_parts(options.parts)
    with migrated_services() as services:
        shop = services.shops.named(options.domain)
        before = services.texts.find(shop, key)
        saved = services.texts.save(shop, key, {**(before.parts if before else {}), **typed})
        shown = services.previews.show(shop, key, services.texts.check(key, saved.parts).source)
    print(f"Saved. As it would leave, about {shown.goods}:\n")
    _print(shown)
    return 0


def drop(options: argparse.Namespace) -> int:
    """Go back to our phrases."""
    key = _key(options)
    with migrated_services() as services:
        services.texts.drop(services.shops.named(options.domain), key)
    print(f"{key.channel} {key.stage} {key.locale} is said in our phrases again.")
    return 0


def preview(options: argparse.Namespace) -> int:
    """Show a message as it would leave."""
    key = _key(options)
    with migrated_services() as services:
        shop = services.shops.named(options.domain)
        found = services.texts.find(shop, key)
        source = services.texts.check(key, found.parts).source if found else Source({})
        shown = services.previews.show(shop, key, source, options.variant)
    if options.html and key.channel is ChannelName.email:
        print(shown.html)
    else:
        _print(shown)
    return 0


def variables(options: argparse.Namespace) -> int:
    """List the parts of a message and what they may say."""
    key = _key(options)
    parts = ", ".join(f"{part.name} (up to {part.longest} characters)" for part in PARTS[key.channel])
    print(f"Parts: {parts}\n")
    print_table(("VARIABLE", "MEANS"), list(meanings_of(key.stage).items()))
    return 0


def _key(options: argparse.Namespace) -> TextKey:
    return read_key(options.channel, options.stage, options.locale)


def _read_parts(words: Sequence[str]) -> dict[str, str]:
    """Read PART=TEXT, PART=@FILE and PART=@- words; raises ValidationError naming every one that is not."""
    typed: dict[str, str] = {}
    faults: list[Fault] = []
    for word in words:
        name, equals, text = word.partition("=")
        if not name or not equals:
            faults.append(Fault(word[:40], "INVALID_CHANGE", "must be PART=TEXT, PART=@FILE, or PART=@- for the input"))
            continue
        try:
            typed[name] = _from_file(text[1:]) if text.startswith("@") else text
        except (OSError, UnicodeError):
            faults.append(Fault(name, "UNREADABLE_FILE", f"{text[1:]} cannot be read as UTF-8"))
    if faults or not typed:
        raise ValidationError("Nothing was changed: say which part, as PART=TEXT.", faults=faults)
    return typed


def _from_file(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")


def _part_names(text: ShopText) -> str:
    return ", ".join(part.name for part in PARTS[text.key.channel] if part.name in text.parts)


def _broken(reason: str | None) -> str:
    return f"broken ({reason}): said in our phrases" if reason else "as written"


def _print(shown: MessagePreview) -> None:
    for name in ("subject", "preheader", "title"):
        if text := getattr(shown, name):
            print(f"{name}: {text}")
    print(shown.text.rstrip())
    if shown.segment_count:
        alphabet = "GSM-7" if shown.gsm else "UCS-2"
        print(f"\n{shown.segment_count} text message(s), {shown.units} units of {alphabet}")
    if shown.byte_count:
        print(f"\n{shown.byte_count} bytes")
    for fault in shown.faults:
        print(f"{fault.field}: {fault.message}")
