"""The words of what shops are told. Standard library only; no shopper is ever named here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from restock.channels.values import ShopFacts


class AlertKind(StrEnum):
    """What a message to a shop is about."""

    new = "new"  # somebody has signed up
    digest = "digest"
    waitlist = "waitlist"  # so many wait for one variant


@dataclass(frozen=True, slots=True)
class VariantLine:
    """How many people wait for one variant, and how many units they want. `title` names product and variant."""

    title: str
    people: int
    units: int


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """What a message tells. Of a digest: `since` when, and what happened; of a waitlist: its one line.

    `told` and `bought` count messages and units. `broken` counts texts that cannot be sent as written, `down` names
    channels whose provider takes nothing. `test_locale`: it is a test, in this language; empty: it is none.
    """

    count: int = 0
    people: int = 0
    units: int = 0
    since: str = ""
    top: Sequence[VariantLine] = ()
    told: int = 0
    bought: int = 0
    broken: int = 0
    down: Sequence[str] = ()
    weekly: bool = False
    test_locale: str = ""

    @property
    def is_empty(self) -> bool:
        """There is nothing to tell: nobody came, nobody waits, nothing was sent or bought, nothing is wrong."""
        return not (self.count or self.people or self.told or self.bought or self.broken or self.down)


@dataclass(frozen=True, slots=True)
class AlertLinks:
    """The links of a message to a shop, absolute: to the app's own pages, and to where it is chosen who is told."""

    action: str
    settings: str

    @classmethod
    def of(cls, app_url: str, domain: str) -> AlertLinks:
        """Lead to the pages of one shop; `app_url` without a trailing slash."""
        return cls(f"{app_url}/?shop={domain}", f"{app_url}/messages/alerts?shop={domain}")


@dataclass(frozen=True, slots=True)
class ShopAlert:
    """What is to be said to a shop, before it is a letter. `words` as those of a `Notice`."""

    kind: AlertKind
    facts: AlertFacts
    shop: ShopFacts
    links: AlertLinks
    locale: str = "en"
    words: Mapping[str, str] = field(default_factory=dict, repr=False)
