"""What each optional permission of Shopify's would bring, and which are granted. Pure.

The scopes are those that shopify.app.toml names as optional: others cannot be asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

SCOPES: Mapping[str, Sequence[str]] = {
    "sales": ("read_orders",),
    "consent": ("read_customers", "write_customers"),
    "locations": ("read_locations",),
    "markets": ("read_publications",),
}
MOST_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Permission:
    """One line: its name among the sentences, the scopes it takes, and whether all are granted."""

    key: str
    scopes: Sequence[str]
    granted: bool


@dataclass(frozen=True, slots=True)
class Permissions:
    """All lines. `awaited` was granted a moment ago, and Shopify has not told us yet; `looks`: how often we looked."""

    lines: Sequence[Permission]
    awaited: str | None = None
    looks: int = 0

    @property
    def look_again(self) -> bool:
        return self.awaited is not None and self.looks < MOST_LOOKS


def read_permissions(granted: Collection[str], asked: str | None = None, looks: int = 0) -> Permissions:
    """Compare with the scopes a shop has granted; to write something includes to read it."""
    held = {*granted, *(scope.replace("write_", "read_", 1) for scope in granted if scope.startswith("write_"))}
    lines = [Permission(key, scopes, held.issuperset(scopes)) for key, scopes in SCOPES.items()]
    awaited = next((line.key for line in lines if line.key == asked and not line.granted), None)
    return Permissions(lines, awaited, max(0, looks))
