"""The commands about privacy requests."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from restock.commands.shops import migrated_services, print_table
from restock.errors import ValidationError
from restock.local.lifeline import StartError
from restock.shopify.domains import clean_shop_domain

_HEAD = ("REQUEST", "KIND", "STATE", "REASON", "RECEIVED", "DONE", "ROWS", "EXPORT UNTIL")


def requests(options: argparse.Namespace) -> int:
    """List what Shopify has asked about a shop's people, the newest first."""
    domain = _domain(options.domain)
    with migrated_services() as services:
        lines = services.privacy.requests(domain)
    if not lines:
        print(f"Nothing was asked about {domain}.")
        return 0
    rows = [
        (
            str(line.id),
            line.kind.value,
            line.state.value,
            line.reason or "",
            f"{line.received_at:%Y-%m-%d %H:%M}",
            f"{line.finished_at:%Y-%m-%d %H:%M}" if line.finished_at else "",
            str(line.row_count),
            f"{line.export_until:%Y-%m-%d}" if line.export_until else "",
        )
        for line in lines
    ]
    print_table(_HEAD, rows)
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the export of a data request to a new file that only its owner can read."""
    out = Path(options.out)
    with migrated_services() as services:
        found = services.privacy.export(_domain(options.domain), options.request)
    text = found.html if out.suffix.lower() in {".html", ".htm"} else found.json
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise StartError(f"{out} is there already: choose another file.") from None
    except OSError as error:
        raise StartError(f"{out} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{out} holds everything about one person: hand it on safely, then delete it.")
    return 0


def _domain(text: str) -> str:
    clean = clean_shop_domain(text)
    if clean is None:
        raise ValidationError("This is not a shop's domain: it looks like your-shop.myshopify.com.")
    return clean
