"""What merchants can do with the texts of their messages, and what a worker keeps of them.

A text that cannot be said as written never stops a message: our phrases stand in, and it is noted for the merchant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from restock.channels.texts.values import Source, TextError, TextKey
from restock.database import Database
from restock.errors import Fault, NotFoundError, ValidationError
from restock.shops.repository import texts
from restock.shops.values import Shop, ShopText

if TYPE_CHECKING:
    from restock.channels.texts.checking import Checked
    from restock.channels.texts.written import ShopTexts, Speaker

log = structlog.get_logger(__name__)

MOST_TEXTS = 100
_MOST_KEPT_LETTERS = 8_000_000


@dataclass(frozen=True)
class TextService:
    """The use cases of a shop's own texts. `forget` is told the domain of a shop whose texts have changed."""

    database: Database
    forget: Callable[[str], None] = lambda _: None

    def list(self, shop: Shop) -> Sequence[ShopText]:
        """List a shop's texts by channel, stage and locale."""
        with self.database.transaction() as session:
            return texts.every(session, shop.id)

    def find(self, shop: Shop, key: TextKey) -> ShopText | None:
        """Find one text; None: that message is said in our phrases."""
        with self.database.transaction() as session:
            return texts.find(session, shop.id, key)

    def check(self, key: TextKey, typed: Mapping[str, str]) -> Checked:
        """Look a text over without keeping it."""
        from restock.channels.texts.checking import check_texts  # liquid and MJML: where texts are typed alone

        return check_texts(key, typed)

    def save(self, shop: Shop, key: TextKey, typed: Mapping[str, str]) -> ShopText:
        """Keep a text in place of the one before. Raises ValidationError with every fault; then nothing is changed."""
        checked = self.check(key, typed)
        if checked.faults:
            raise ValidationError("This text is not usable; nothing was changed.", faults=checked.faults)
        with self.database.transaction() as session:
            version = texts.next_version(session, shop.id)
            if texts.count_others(session, shop.id, key) >= MOST_TEXTS:
                fault = Fault("locale", "TOO_MANY_TEXTS", f"a shop has at most {MOST_TEXTS} texts; drop one first")
                raise ValidationError("This text is one too many; nothing was changed.", faults=[fault])
            source = Source(checked.source.parts, checked.source.html, version)
            saved = texts.save(session, shop.id, key, source)
        self.forget(shop.domain)
        return saved

    def drop(self, shop: Shop, key: TextKey) -> None:
        """Go back to our phrases; raises NotFoundError where there is no such text."""
        with self.database.transaction() as session:
            if not texts.drop(session, shop.id, key):
                raise NotFoundError(f"There is no text for {key.channel} {key.stage} {key.locale}.")
            texts.next_version(session, shop.id)
        self.forget(shop.domain)


@dataclass
class TextShelf:
    """The texts a process has read, each shop's as of one version. Safe across threads: one dictionary step each."""

    most_letters: int = _MOST_KEPT_LETTERS
    _kept: dict[int, tuple[tuple[int, str], ShopTexts, int]] = field(default_factory=dict)
    _told: set[tuple[int, TextKey, int]] = field(default_factory=set)

    def speaker(self, session: Session, shop: Shop) -> Speaker | None:
        """Give what says a batch of a shop's messages; None, without a query, for a shop that never had texts."""
        if shop.texts_version == 0:
            return None
        from restock.channels.texts.written import Speaker  # with liquid, which few shops need

        as_of = (shop.texts_version, shop.locale)
        kept = self._kept.get(shop.id)
        if kept is None or kept[0] != as_of:
            kept = self._keep(shop.id, as_of, texts.sources(session, shop.id))
        return Speaker(kept[1])

    def tell(self, database: Database, shop_id: int, speaker: Speaker) -> None:
        """Note for the merchant which texts could not be said as written, each version once.

        Its own transaction, and none where there is nothing new. A database that is away is no reason to hold messages
        back: the next batch notes it.
        """
        fresh = {
            key: error for key, error in speaker.broken.items() if self._mark(shop_id, key, speaker) not in self._told
        }
        if not fresh:
            return
        with suppress(OperationalError, InterfaceError):
            with database.transaction() as session:
                for key, error in sorted(fresh.items(), key=lambda one: one[0]):
                    self._note(session, shop_id, key, speaker, error)
            self._told.update(self._mark(shop_id, key, speaker) for key in fresh)

    def _note(self, session: Session, shop_id: int, key: TextKey, speaker: Speaker, error: TextError) -> None:
        version = speaker.texts.sources[key].version
        if texts.mark_broken(session, shop_id, key, version, error.reason):
            log.warning("text_broken", channel=key.channel.value, stage=key.stage.value, reason=error.reason)

    def _keep(
        self, shop_id: int, as_of: tuple[int, str], sources: Mapping[TextKey, Source]
    ) -> tuple[tuple[int, str], ShopTexts, int]:
        from restock.channels.texts.written import ShopTexts

        letters = sum(len(source.html or "") + sum(map(len, source.parts.values())) for source in sources.values())
        if letters + sum(size for _, _, size in list(self._kept.values())) > self.most_letters:
            self._kept.clear()  # rare, and cheaper than to keep an order
        if len(self._told) > 10_000:
            self._told.clear()
        self._kept[shop_id] = (as_of, ShopTexts(sources, as_of[1]), letters)
        return self._kept[shop_id]

    def _mark(self, shop_id: int, key: TextKey, speaker: Speaker) -> tuple[int, TextKey, int]:
        return (shop_id, key, speaker.texts.sources[key].version)
