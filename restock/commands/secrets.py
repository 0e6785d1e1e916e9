"""The commands about the instance's own secrets."""

from __future__ import annotations

import argparse
import sys

from restock.channels.push.vapid import generate_private_key, public_key_of
from restock.commands.shops import migrated_services, print_table
from restock.shops.repository.sealed import SealedColumn
from restock.shops.service.resealing import Resealed, Resealing

SEALED_COLUMNS = (
    SealedColumn("shop_tokens", "shop_id", "access_sealed", "shop_id", "shops.access_token:{shop_id}"),
    SealedColumn("shop_tokens", "shop_id", "refresh_sealed", "shop_id", "shops.refresh_token:{shop_id}"),
    SealedColumn("shop_mailings", "shop_id", "secret_sealed", "shop_id", "shop_mailings.secret:{shop_id}"),
    SealedColumn("shop_mailings", "shop_id", "hook_secret_sealed", "shop_id", "shop_mailings.hook_secret:{shop_id}"),
    SealedColumn("privacy_requests", "id", "identity_sealed", "shop_domain", "privacy.identity:{shop_domain}"),
    SealedColumn("privacy_requests", "id", "export_sealed", "id", "privacy.export:{id}"),
)
_KEPT_KEYS = (
    "Keep older keys in SECRET_KEY all the same, behind the first: links in messages already sent are signed with\n"
    "them, and people who were erased are recognised by hashes made with them."
)

_FOR_LIFE = (
    "# Keep it for good, and safe: browsers are bound for life to the key they subscribed with. With another one in\n"
    "# VAPID_PRIVATE_KEY nobody who waits in a browser can be reached any more. Set VAPID_SUBJECT too (mailto:you@…)."
)


def reseal(_options: argparse.Namespace) -> int:
    """Seal what older keys have sealed with the first key of SECRET_KEY; 1 when something cannot be opened."""
    with migrated_services() as services:
        found = Resealing(services.database, services.vault, SEALED_COLUMNS).run(_show)
    rows = [(one.column, str(one.seen), str(one.resealed), str(one.lost)) for one in found]
    print_table(("COLUMN", "SECRETS", "SEALED AGAIN", "LOST"), rows)
    if sum(one.lost for one in found):
        print("\nLOST: sealed with a key that SECRET_KEY does not list. Add it at the end and run this again.")
        return 1
    print(f"\nEverything is sealed with the first key of SECRET_KEY. {_KEPT_KEYS}")
    return 0


def make_vapid(_options: argparse.Namespace) -> int:
    """Print a new key for web push, in the form of `.env`; it is kept nowhere."""
    private_key = generate_private_key()
    print(f"VAPID_PRIVATE_KEY={private_key}")
    print(f"# Its public key, for your records: {public_key_of(private_key)}", file=sys.stderr)
    print(_FOR_LIFE, file=sys.stderr)
    return 0


def _show(found: Resealed) -> None:
    if sys.stderr.isatty():
        print(f"{found.column}: {found.seen} …", file=sys.stderr, flush=True)
