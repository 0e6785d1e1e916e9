"""`restock shop email` and `restock bounce`: by whom a shop sends its e-mail, and what comes back of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from restock.channels.email.providers.catalogue import KINDS
from restock.channels.email.reports.returned import LARGEST, read_returned
from restock.channels.values import Receipt
from restock.commands.mail.reasons import in_words
from restock.commands.shops import migrated_services, print_table, read_changes
from restock.commands.surroundings import surroundings
from restock.shops.service.mailings import ShownMailing
from restock.shops.values import Shop

if TYPE_CHECKING:
    from restock.bootstrap import Services

_FROM_INPUT = "@-"
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: the mail server keeps the mail and comes again


def show(options: argparse.Namespace) -> int:
    """Show by whom a shop sends its e-mail."""
    with migrated_services() as services:
        shop = services.shops.named(options.domain)
        shown = services.shops.mailings.show(shop)
        address = _reports_address(services, shop, shown)
    if shown is None:
        print("By this instance's mail server (SMTP_URL, EMAIL_FROM).")
        print(f"Choose a provider: restock shop email {shop.domain} set PROVIDER from=… secret=@-")
        return 0
    _print(shown, address)
    return 0


def choose(options: argparse.Namespace) -> int:
    """Choose a provider, or change what is known of it."""
    typed = {name: _typed(value) for name, value in read_changes(options.words).items()}
    with migrated_services() as services:
        shop = services.shops.named(options.domain)
        shown = services.shops.mailings.choose(shop, {**typed, "provider": options.provider})
        address = _reports_address(services, shop, shown)
    _print(shown, address)
    print(f"\nTry it: restock shop email {shop.domain} test you@example.com")
    return 0


def drop(options: argparse.Namespace) -> int:
    """Send by this instance's mail server again."""
    with migrated_services() as services:
        services.shops.mailings.drop(services.shops.named(options.domain))
    print("E-mail is sent by this instance's mail server again.")
    return 0


def test(options: argparse.Namespace) -> int:
    """Send a sample and say what the provider said; 1 when it did not take it."""
    with migrated_services() as services:
        reason = services.mailing_tests.send(services.shops.named(options.domain), options.address)
    print(in_words(reason))
    return int(bool(reason))


def providers(_options: argparse.Namespace) -> int:
    """List the providers, and what each has to know."""
    rows = []
    for kind in KINDS.values():
        names = ["from", "secret", *(option.name for option in kind.options)]
        rows.append((kind.name.value, " ".join(names + (["hook_secret"] if kind.hook_secret else [])), kind.secret))
    print_table(("PROVIDER", "WORDS", "SECRET"), rows)
    return 0


def bounce(options: argparse.Namespace) -> int:
    """Read one returned mail from the input, as a mail server's pipe hands it over.

    0 whatever it says, for a mail server must not answer a bounce with another; TRY_AGAIN while it cannot be recorded.
    """
    raw = sys.stdin.buffer.read(LARGEST + 1)
    try:
        return _record(raw, _came_to(options.to))
    except Exception as error:  # noqa: BLE001 (the outer door of a pipe: whatever is amiss here, the mail is not lost)
        print(f"Not recorded, to be tried again: {type(error).__name__}", file=sys.stderr)  # its text may quote a row
        return TRY_AGAIN


def _record(raw: bytes, came_to: Sequence[str]) -> int:
    with surroundings() as settings:
        event = read_returned(raw, came_to)
        if event is None:
            print("About no message of ours.")
            return 0
        from restock.bootstrap import build_services

        services = build_services(settings)
        try:
            delivery_id = services.links.read_report_mark(event.mark)
            receipt = Receipt(delivery_id or 0, event.status, event.reason, event.blame, event.message_id)
            is_news = delivery_id is not None and services.deliveries.record_receipt(receipt)
        finally:
            services.close()
    print(f"{event.status.value}: recorded." if is_news else "Nothing new.")
    return 0


def _came_to(asked: Sequence[str]) -> Sequence[str]:
    """Take what the pipe was told, else what postfix tells every pipe."""
    return asked or [os.environ[name] for name in ("ORIGINAL_RECIPIENT", "RECIPIENT") if os.environ.get(name)]


def _typed(value: str) -> str:
    """Read a secret from the input, so that it stands in no history."""
    return sys.stdin.readline().strip() if value == _FROM_INPUT else value


def _reports_address(services: Services, shop: Shop, shown: ShownMailing | None) -> str:
    """Write the address a provider reports to; "" where it is the instance's mail server."""
    if shown is None:
        return ""
    return services.links.reports_address(shown.kind.name, shop.id, with_login=shown.kind.hook_secret is None)


def _print(shown: ShownMailing, address: str) -> None:
    print(f"By {shown.kind.title}, from {shown.sender}.")
    for name, value in shown.options.items():
        print(f"  {name}: {value}")
    if not shown.opens:
        print("Its key cannot be opened with any key of SECRET_KEY: enter it again.")
    if address:
        print(f"Have it report deliveries, bounces and complaints to:\n  {address}")
        if not shown.reads_reports:
            print(f"and enter hook_secret, {shown.kind.hook_secret}: until then its reports are refused.")
    if shown.test_reason is not None:
        print(f"The last test: {in_words(shown.test_reason)}")
