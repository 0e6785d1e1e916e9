"""How a shop sends its e-mail: by the instance's mail server, or by a provider it has an account with.

The keys lie sealed, each for its own row; they are opened to send and to read reports, and never shown again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from restock.channels.email.providers.catalogue import KINDS, Kind, ProviderName
from restock.channels.values import SenderChoice
from restock.database import Database
from restock.links import SealError, Vault
from restock.shops.models import ShopMailingRow
from restock.shops.repository import mailings
from restock.shops.repository.mailings import NewMailing
from restock.shops.rules.mailing import read_mailing
from restock.shops.rules.sealing import mailing_context, mailing_hook_context
from restock.shops.values import Shop


@dataclass(frozen=True, slots=True)
class ShownMailing:
    """What may be shown of a shop's choice. `test_reason` "": the last test was taken; `tested_at` None: never tested.

    `reads_reports`: what comes back is told to us. `opens` False: no key of SECRET_KEY opens what is kept.
    """

    kind: Kind
    from_address: str
    from_name: str
    options: Mapping[str, str]
    version: int
    reads_reports: bool
    opens: bool
    tested_at: datetime | None = None
    test_reason: str | None = None

    @property
    def sender(self) -> str:
        """Write the sender as it was typed."""
        return f"{self.from_name} <{self.from_address}>" if self.from_name else self.from_address


@dataclass(frozen=True)
class ShopMailings:
    """Choose, show, and hand to whoever sends."""

    database: Database
    vault: Vault

    def choose(self, shop: Shop, typed: Mapping[str, str]) -> ShownMailing:
        """Choose a provider, or change what is known of it; raise ValidationError with every fault.

        A key that is not typed stays, as long as the provider is the same.
        """
        with self.database.transaction() as session:
            row = mailings.find(session, shop.id)
            known = _kind(row)
            read = read_mailing(typed, has_secret=known.name if known else None)
            new = NewMailing(
                provider=read.kind.name,
                from_address=read.sender.address,
                from_name=read.sender.name,
                options=read.options,
                secret_sealed=self._seal(read.secret, mailing_context(shop.id)),
                hook_secret_sealed=self._seal(read.hook_secret, mailing_hook_context(shop.id)),
            )
            return self._shown(mailings.save(session, shop.id, new), read.kind)

    def drop(self, shop: Shop) -> bool:
        """Send by the instance's mail server again; False: it does already."""
        with self.database.transaction() as session:
            return mailings.drop(session, shop.id)

    def show(self, shop: Shop) -> ShownMailing | None:
        """Show a shop's choice; None: the instance's mail server."""
        with self.database.transaction() as session:
            row = mailings.find(session, shop.id)
            kind = _kind(row)
            return self._shown(row, kind) if row is not None and kind is not None else None

    def senders(self) -> Mapping[int, str]:
        """Give the address each shop sends from by a provider of its own, by the shop's id."""
        with self.database.transaction() as session:
            return {row.shop_id: row.from_address for row in mailings.every(session)}

    def choice(self, session: Session, shop_id: int) -> SenderChoice | None:
        """Give what a shop's messages are sent with, in the caller's transaction; None: the instance's own.

        What does not open is handed on without a key: its messages wait until somebody types it again.
        """
        row = mailings.find(session, shop_id)
        if row is None:
            return None
        kind = _kind(row)
        return SenderChoice(
            provider=row.provider,
            service=f"{row.provider}:{row.shop_id}:{row.version}",
            address=row.from_address,
            name=row.from_name,
            options=row.options,
            secret=self._open(row.secret_sealed, mailing_context(shop_id)) or "",
            doubt=kind.doubt if kind else None,
        )

    def choice_of(self, shop: Shop) -> SenderChoice | None:
        """Give what a shop's messages are sent with; None: the instance's own."""
        with self.database.transaction() as session:
            return self.choice(session, shop.id)

    def hook_secret(self, shop_id: int, provider: ProviderName) -> str | None:
        """Give the key by which a shop's provider signs its reports; None: another provider, or none was typed."""
        with self.database.transaction() as session:
            row = mailings.find(session, shop_id)
            if row is None or row.provider != provider or row.hook_secret_sealed is None:
                return None
            return self._open(row.hook_secret_sealed, mailing_hook_context(shop_id))

    def sends_by(self, shop_id: int, provider: ProviderName) -> bool:
        """Say whether a shop has chosen this provider."""
        with self.database.transaction() as session:
            row = mailings.find(session, shop_id)
            return row is not None and row.provider == provider

    def note_test(self, shop: Shop, version: int, reason: str) -> None:
        """Keep what a test said, "" where the message was taken."""
        with self.database.transaction() as session:
            mailings.note_test(session, shop.id, version, reason)

    def _shown(self, row: ShopMailingRow, kind: Kind) -> ShownMailing:
        return ShownMailing(
            kind=kind,
            from_address=row.from_address,
            from_name=row.from_name,
            options=row.options,
            version=row.version,
            reads_reports=kind.hook_secret is None or row.hook_secret_sealed is not None,
            opens=self._open(row.secret_sealed, mailing_context(row.shop_id)) is not None,
            tested_at=row.tested_at,
            test_reason=row.test_reason,
        )

    def _seal(self, secret: str | None, context: str) -> bytes | None:
        return None if secret is None else self.vault.seal(secret, context)

    def _open(self, sealed: bytes, context: str) -> str | None:
        try:
            return self.vault.open(sealed, context)
        except SealError:
            return None


def _kind(row: ShopMailingRow | None) -> Kind | None:
    return None if row is None else next((kind for name, kind in KINDS.items() if name == row.provider), None)
