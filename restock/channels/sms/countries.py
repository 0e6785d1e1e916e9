"""Which countries text messages go to. Pure.

A text message is the one that costs money by where it goes, and whoever pumps messages picks the dear places. So a shop
writes to its own country and its markets' until its merchant names others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

ANY = "any"
# Places people of one country count as home: they share its calling code and, by and large, its prices.
_HOMES = (
    frozenset({"US", "CA", "PR", "VI", "GU", "AS", "MP"}),
    frozenset({"GB", "GG", "JE", "IM"}),
    frozenset({"AU", "CX", "CC"}),
    frozenset({"FI", "AX"}),
    frozenset({"IT", "VA", "SM"}),
    frozenset({"NO", "SJ"}),
)


def allowed_countries(
    chosen: Collection[str], country: str | None, markets: Iterable[str] = (), ceiling: Collection[str] = ()
) -> frozenset[str] | None:
    """Say where a shop's text messages may go; None: anywhere.

    `chosen` is the merchant's own list, `("any",)` for no limit, empty: the shop's `country`, what counts as home
    there, and the countries of its `markets`; where none of these is known, anywhere. Nothing goes beyond the
    operator's `ceiling`, empty: none.
    """
    if ANY in chosen:
        wanted = None
    elif chosen:
        wanted = frozenset(chosen)
    else:
        wanted = _at_home(filter(None, (country, *markets)))
    if not ceiling or ANY in ceiling:
        return wanted
    return frozenset(ceiling) if wanted is None else wanted & frozenset(ceiling)


def is_allowed(number: str, allowed: Collection[str] | None) -> bool:
    """Say whether a number (E.164) belongs to one of these countries; None: any will do."""
    return allowed is None or not countries_of(number).isdisjoint(allowed)


def countries_of(number: str) -> frozenset[str]:
    """Name the countries a number (E.164) may belong to: one, or all of its calling code; empty for no number."""
    import phonenumbers  # sixty modules, where text messages are written alone

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return frozenset()
    region = phonenumbers.region_code_for_number(parsed)
    if region is not None:
        return frozenset([region])
    return frozenset(phonenumbers.region_codes_for_country_code(parsed.country_code or 0))


def _at_home(countries: Iterable[str]) -> frozenset[str] | None:
    found = frozenset(countries)
    return found.union(*(home for home in _HOMES if home & found)) or None
