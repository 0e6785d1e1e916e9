"""What can be done with shops: add, find, change settings, end.

`find` stands on the path of every request, hence its short memory. Asking a shop anything is `service.tokens`'.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from sqlalchemy.orm import Session

from restock.database import Database
from restock.errors import Fault, NotFoundError, ValidationError
from restock.links import Vault
from restock.shopify.domains import clean_shop_domain
from restock.shops import repository, rules
from restock.shops.models import ShopRow
from restock.shops.repository import tokens as token_rows
from restock.shops.repository.tokens import NewPair
from restock.shops.rules.profile import stored_profile
from restock.shops.rules.sealing import access_context
from restock.shops.service.mailings import ShopMailings
from restock.shops.values import Shop, ShopAccess, ShopState

MEMORY_SECONDS = 2.0  # how stale a found shop may be: an uninstall is noticed at the latest after this
_MOST_KNOWN = 20_000
_MOST_UNKNOWN = 1_000  # strangers can make up domains; they must not fill the memory
_LONGEST_TOKEN = 512


def _nothing_follows(_session: Session, _before: Shop, _after: Shop) -> Callable[[], object]:
    return lambda: None


class Asked(NamedTuple):
    """What is noted when a look-up begins."""

    at: float
    forgets: int


@dataclass(frozen=True)
class ShopMemory:
    """What `find` learnt in the last moments, in this process. Safe across threads: one dictionary step each."""

    ticks: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, Shop]] = field(default_factory=dict)
    _unknown: dict[str, float] = field(default_factory=dict)
    _forgets: list[int] = field(default_factory=lambda: [0])  # how often something was forgotten
    _asked: dict[str, float] = field(default_factory=dict)  # of the known: which of its ends was said to come soon

    def recall(self, domain: str) -> tuple[bool, Shop | None]:
        """Say whether the domain was looked up lately, and what was found."""
        now = self.ticks()
        if (entry := self._known.get(domain)) and now < entry[0]:
            return True, entry[1]
        return now < self._unknown.get(domain, 0.0), None

    def asked(self) -> Asked:
        """Begin a look-up."""
        return Asked(self.ticks(), self._forgets[0])

    def keep(self, domain: str, shop: Shop | None, asked: Asked) -> None:
        """Remember what a look-up found, unless something was forgotten meanwhile: it may have been just that.

        Its time runs since it was asked: a slow answer is an old one, and never takes the place of a newer.
        """
        if asked.forgets != self._forgets[0]:
            return
        until = asked.at + MEMORY_SECONDS
        if (entry := self._known.get(domain)) and entry[0] > until:
            return
        if shop is None:
            _make_room(self._unknown, _MOST_UNKNOWN)
            self._unknown[domain] = until
        else:
            _make_room(self._known, _MOST_KNOWN)
            self._known[domain] = (until, shop)

    def is_ageing(self, domain: str) -> bool:
        """Say, once for each look-up, that half the time of a known shop is over."""
        entry = self._known.get(domain)
        if entry is None or self.ticks() < entry[0] - MEMORY_SECONDS / 2 or self._asked.get(domain) == entry[0]:
            return False
        _make_room(self._asked, _MOST_KNOWN)
        self._asked[domain] = entry[0]
        return True

    def forget(self, domain: str) -> None:
        """Look the domain up again next time."""
        self._forgets[0] += 1
        self._known.pop(domain, None)
        self._unknown.pop(domain, None)


@dataclass(frozen=True)
class ShopService:
    """The use cases of shops.

    `follow` has changed settings acted on, in the transaction that saves them and in what it returns, behind that.
    """

    database: Database
    vault: Vault
    memory: ShopMemory = field(default_factory=ShopMemory)
    follow: Callable[[Session, Shop, Shop], Callable[[], object]] = _nothing_follows

    def add(self, domain: str, token: str | None = None) -> Shop:
        """Add a shop, or bring back one that had left; repeating it changes nothing.

        `token` None leaves a stored token as it is. Raises ValidationError for a text that names no shop.
        """
        clean = _require_domain(domain)
        faults = _token_faults(token)
        if faults:
            raise ValidationError("The access token is not usable.", faults=faults)
        with self.database.transaction() as session:
            row = repository.install(session, clean)
            shop = to_shop(row)
            if token is not None:
                shop = self._accept_token(session, row, token.strip())
        self.memory.forget(clean)
        return shop

    def list(self) -> Sequence[Shop]:
        """List all shops by domain, the uninstalled ones too."""
        with self.database.transaction() as session:
            return [to_shop(row) for row in repository.every(session)]

    def find(self, domain: str) -> Shop | None:
        """Find a shop by its clean domain, installed or not; the answer may be MEMORY_SECONDS old."""
        remembered, shop = self.memory.recall(domain)
        return shop if remembered else self.look_up(domain)

    def look_up(self, domain: str) -> Shop | None:
        """Find a shop by its clean domain as it is now, and remember it."""
        asked = self.memory.asked()
        with self.database.transaction() as session:
            row = repository.by_domain(session, domain)
            shop = to_shop(row) if row else None
        self.memory.keep(domain, shop, asked)
        return shop

    def named(self, text: str) -> Shop:
        """Find a shop by what a person typed; raises ValidationError for no domain, NotFoundError for no shop here."""
        clean = _require_domain(text)
        with self.database.transaction() as session:
            row = repository.by_domain(session, clean)
            if row is None:
                raise _not_here(clean)
            return to_shop(row)

    def by_id(self, shop_id: int) -> Shop | None:
        """Find a shop by its id, installed or not; always the present state."""
        with self.database.transaction() as session:
            row = repository.by_id(session, shop_id)
            return to_shop(row) if row else None

    def change_settings(self, domain: str, changes: Mapping[str, str]) -> Shop:
        """Change settings by the keys of docs/settings.md; an empty value goes back to the default.

        All or nothing; restocks that are on are looked at by them at once. Raises NotFoundError for an unknown shop,
        ValidationError with every fault.
        """
        clean = _require_domain(domain)
        change = rules.read_changes(changes)
        if change.faults:
            raise ValidationError("Some settings are not usable; nothing was changed.", faults=change.faults)
        with self.database.transaction() as session:
            row = repository.locked_by_domain(session, clean)
            if row is None:
                raise _not_here(clean)
            before, stored = to_shop(row), rules.merge_settings(row.settings, change)
            shop = to_shop(repository.save_settings(session, row.id, stored, change.columns))
            then = self.follow(session, before, shop)
        self.memory.forget(clean)
        then()
        return shop

    def settings_table(self, shop: Shop) -> Sequence[rules.SettingLine]:
        """List every setting of a shop as text: key, value, default, what is allowed."""
        return rules.settings_lines(shop)

    @cached_property
    def ahead(self) -> LookAhead:
        """What keeps the shops of an event loop in memory."""
        return LookAhead(self)

    @cached_property
    def mailings(self) -> ShopMailings:
        """How shops send e-mail by providers of their own."""
        return ShopMailings(self.database, self.vault)

    def _accept_token(self, session: Session, row: ShopRow, token: str) -> Shop:
        """Keep a custom app's token, which has no end; what it allows is asked later."""
        sealed = self.vault.seal(token, access_context(row.id))
        token_rows.replace(session, row.id, NewPair(sealed, None, None, None, None))
        token_rows.set_access(session, row.id, ShopAccess.granted)
        repository.ask_again(session, row.id)
        session.refresh(row)
        return to_shop(row)


class LookAhead:
    """Looks shops up again before they are forgotten, in a thread: who asks for one in between never waits for it."""

    def __init__(self, shops: ShopService) -> None:
        self._shops = shops
        self._threads: Executor | None = None

    def attach(self, threads: Executor) -> None:
        """Look up in these threads from now on; before that nothing is looked up ahead."""
        self._threads = threads

    def keep_known(self, domain: str) -> None:
        """See to it that a known shop stays known; one that cannot be looked up is forgotten as ever."""
        if self._threads is not None and self._shops.memory.is_ageing(domain):
            with suppress(RuntimeError):  # a server that stops has ended them, and answers what is on its way
                self._threads.submit(self._shops.look_up, domain)


def to_shop(row: ShopRow) -> Shop:
    """Make the value that other rooms see of a row: what the merchant chose, else what Shopify says."""
    said = stored_profile(row.profile)
    chosen = rules.read_settings(row.settings)
    return Shop(
        id=row.id,
        domain=row.domain,
        state=ShopState(row.state),
        name=row.name or said.name or row.domain.partition(".")[0],
        locale=row.locale or said.locale or "en",
        currency=row.currency or said.currency,
        settings=replace(chosen, country=chosen.country or said.country),
        access=ShopAccess(row.access),
        scopes=frozenset(row.scopes),
        time_zone=said.time_zone,
        primary_url=said.primary_url,
        texts_version=row.texts_version,
    )


def _require_domain(text: str) -> str:
    clean = clean_shop_domain(text)
    if clean is None:
        fault = Fault("domain", "INVALID_SHOP", "must be a shop's domain such as example.myshopify.com")
        raise ValidationError("This is not a shop's domain.", faults=[fault])
    return clean


def _not_here(domain: str) -> NotFoundError:
    return NotFoundError(f"{domain} is not a shop here; add it with: restock shop add {domain}")


def _token_faults(token: str | None) -> Sequence[Fault]:
    if token is None or (0 < len(token.strip()) <= _LONGEST_TOKEN and token.strip().isascii()):
        return ()
    sentence = f"must be the app's Admin API access token: 1 to {_LONGEST_TOKEN} plain characters"
    return (Fault("token", "INVALID_TOKEN", sentence),)


def _make_room(entries: dict[str, object] | dict[str, tuple[float, Shop]] | dict[str, float], most: int) -> None:
    if len(entries) >= most:
        entries.clear()  # two seconds' worth of look-ups: cheaper to ask again than to keep an order
