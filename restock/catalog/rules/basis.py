"""What a merchant's choices have to do with readings: a change of choices alone never looks like a restock. Pure."""

from __future__ import annotations

from collections.abc import Callable

from restock.catalog.values import KeptReading, ReadingBasis, StockVerdict
from restock.shops.values import PublicationCheck, ShopSettings


def basis_of(settings: ShopSettings) -> ReadingBasis:
    """Take the choices that readings depend on from a shop's settings."""
    return ReadingBasis(settings.publication_check, frozenset(settings.locations), settings.policy.minimum_units)


def write_basis(basis: ReadingBasis) -> str:
    """Write choices as a short text, the same for the same choices; `read_basis` is its inverse."""
    locations = ",".join(str(one) for one in sorted(basis.locations))
    return f"{basis.publication_check.value}/{basis.minimum_units}/{locations}"


def read_basis(text: str | None) -> ReadingBasis | None:
    """Read what `write_basis` wrote; None for what it never wrote."""
    try:
        check, units, locations = (text or "").split("/")
        chosen = frozenset(int(one) for one in locations.split(",") if one)
        return ReadingBasis(PublicationCheck(check), chosen, int(units))
    except ValueError:
        return None


def opens(verdict: StockVerdict, basis: ReadingBasis) -> bool:
    """Say whether a reading would be enough for a restock."""
    return verdict.sellable and (verdict.units is None or verdict.units >= basis.minimum_units)


def hold_back(
    previous: KeptReading | None,
    verdict: StockVerdict,
    basis: ReadingBasis,
    under: Callable[[ReadingBasis], StockVerdict],
) -> ReadingBasis | None:
    """Decide whether a reading is enough for a restock by changed choices alone, and return the choices before.

    None: nothing to hold back. `under` says what the same facts amount to by other choices. What is held back stays so
    until the merchant confirms, stock falls short, or there would be enough by the choices before, too.
    """
    if previous is None or not opens(verdict, basis):
        return None
    origin = previous.held_from or previous.basis
    if origin is None or origin == basis:
        return None
    if previous.held_from is None and opens(previous.verdict, origin):
        return None
    return None if opens(under(origin), origin) else origin
