"""The commands about shops."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from restock.commands.surroundings import surroundings
from restock.errors import Fault, ValidationError
from restock.shops.values import Shop, ShopAccess

if TYPE_CHECKING:
    from restock.bootstrap import Services
    from restock.shops.rules import SettingLine

_NARROWEST, _WIDEST = 40, 100  # columns


def add(options: argparse.Namespace) -> int:
    """Add a shop without Shopify's install flow."""
    with migrated_services() as services:
        shop = services.shops.add(options.domain, options.token)
    print(f"{shop.domain} is here. See its settings with: restock shop settings {shop.domain}")
    return 0


def show_all(_options: argparse.Namespace) -> int:
    """List the shops."""
    with migrated_services() as services:
        rows = [(shop.domain, shop.state.value, access_word(shop), shop.name) for shop in services.shops.list()]
    if rows:
        print_table(("DOMAIN", "STATE", "ACCESS", "NAME"), rows)
    else:
        print("No shop yet. Add one with: restock shop add your-shop.myshopify.com")
    return 0


def renew(options: argparse.Namespace) -> int:
    """Fetch new tokens for a shop; a token without end becomes one that expires and renews itself."""
    with migrated_services() as services:
        shop = services.shops.named(options.domain)
        services.tokens.renew(shop.id)
    print(f"{shop.domain} has new tokens.")
    return 0


def settings(options: argparse.Namespace) -> int:
    """Show a shop's settings, or change them."""
    changes = read_changes(options.changes)
    if options.dry_run:
        return _preview(options.domain, changes)
    with migrated_services() as services:
        shop = services.shops.change_settings(options.domain, changes)
        lines = services.shops.settings_table(shop)
    changed = [line for line in lines if line.key in changes] or lines
    print_settings(changed)
    return 0


def _preview(domain: str, changes: Mapping[str, str]) -> int:
    from restock.commands.simulate import print_preview

    if not changes:
        raise ValidationError("Nothing to try: say what to change, as KEY=VALUE.")
    with migrated_services() as services:
        print_preview(services.previewing.preview_settings(services.shops.named(domain), changes))
    return 0


def access_word(shop: Shop) -> str:
    """Say in a few words whether a shop's Admin API can be asked."""
    return {
        ShopAccess.none: "no token" if shop.is_installed else "",
        ShopAccess.granted: "granted",
        ShopAccess.needs_reauth: "over: open the app",
    }[shop.access]


def read_changes(words: Sequence[str]) -> Mapping[str, str]:
    """Read KEY=VALUE words; raises ValidationError naming every one that is not."""
    pairs = [word.partition("=") for word in words]
    faults = [
        Fault(word, "INVALID_CHANGE", "must be KEY=VALUE; an empty value goes back to the default")
        for word, (key, equals, _) in zip(words, pairs, strict=True)
        if not key or not equals
    ]
    if faults:
        raise ValidationError("Nothing was changed.", faults=faults)
    return {key.strip(): value for key, _, value in pairs}


@contextmanager
def migrated_services() -> Iterator[Services]:
    """Build the services on a database that is at the newest migration."""
    with surroundings() as found:
        from restock.bootstrap import build_services

        services = build_services(found)
        try:
            if not services.database.at_head():
                services.database.upgrade()
            yield services
        finally:
            services.close()


def print_settings(lines: Sequence[SettingLine]) -> None:
    """Print each setting with its value, the default where that is another, and below what may be chosen."""
    indent = max((len(line.key) for line in lines), default=0) + 2
    room = max(_NARROWEST, min(shutil.get_terminal_size().columns, _WIDEST) - indent)
    for line in lines:
        value, other = line.value or "–", f"(default: {line.default or 'empty'})"
        gap = "  " if len(value) + 2 + len(other) <= room else f"\n{'':{indent}}"
        print(f"{line.key:<{indent}}{value}{gap + other if line.value != line.default else ''}")
        for row in textwrap.wrap(line.allowed, room, break_on_hyphens=False, break_long_words=False):
            print(f"{'':{indent}}{row}")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns."""
    widths = [max(len(row[number]) for row in (head, *rows)) for number in range(len(head))]
    for row in (head, *rows):
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
