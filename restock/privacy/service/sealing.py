"""What a request says of a person, sealed; and the tombstones, which say it to nobody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from restock.links import Vault
from restock.privacy.values import Identity


@dataclass(frozen=True)
class Sealing:
    """Seal and open with one vault."""

    vault: Vault

    def seal_identity(self, shop_domain: str, identity: Identity) -> bytes:
        """Seal who is meant, bound to the shop."""
        return self.vault.seal(json.dumps(asdict(identity)), f"privacy.identity:{shop_domain}")

    def open_identity(self, shop_domain: str, sealed: bytes | None) -> Identity:
        """Open who is meant; raises SealError."""
        if sealed is None:
            return Identity()
        told = json.loads(self.vault.open(sealed, f"privacy.identity:{shop_domain}"))
        return Identity(**(told | {"order_ids": tuple(told["order_ids"])}))

    def seal_export(self, request_id: int, content: str) -> bytes:
        """Seal an export, bound to its request."""
        return self.vault.seal(content, f"privacy.export:{request_id}")

    def open_export(self, request_id: int, sealed: bytes) -> str:
        """Open an export; raises SealError."""
        return self.vault.open(sealed, f"privacy.export:{request_id}")

    def tombstones(self, hashes: Sequence[bytes], shopify_customer_id: int | None) -> list[bytes]:
        """Make the tombstones of addresses, by their hashes, and of a Shopify customer."""
        words = [f"address:{one.hex()}" for one in hashes]
        if shopify_customer_id is not None:
            words.append(f"shopify_customer:{shopify_customer_id}")
        return [self.vault.keyed_hash(f"redaction:{word}") for word in words]
