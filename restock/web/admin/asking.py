"""From a list's address to what is asked of it, and back: the two are each other's inverse. Pure.

Faults never stop the page: each is told beside its field, and the field counts as empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from restock.channels.values import ChannelName
from restock.reports.rules.lists import search_hashes
from restock.reports.values.subscribers import Bookmark, SubscriberFilter, SubscriberLine, SubscriberStatus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ITEM = re.compile(r"([pv])(\d{1,18})", re.ASCII)
_MARK = re.compile(r"(-?\d{1,17})-(\d{1,18})", re.ASCII)
_LONGEST_SEARCH = 254
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class ListAsked:
    """What a list is asked. `faults` has the key of a sentence for each field that cannot be right."""

    wanted: SubscriberFilter
    bookmark: Bookmark | None = None
    faults: Mapping[str, str] = field(default_factory=dict)


def read_query(query: Mapping[str, str], country: str | None = None) -> ListAsked:
    """Read the address; `country` is the shop's, the last resort for a national phone number."""
    faults: dict[str, str] = {}
    kind, number = _item(query, faults)
    wanted = SubscriberFilter(
        product_id=number if kind == "p" else None,
        variant_id=number if kind == "v" else None,
        channel=_word(ChannelName, query, "channel", faults),
        status=_word(SubscriberStatus, query, "status", faults),
        since=_day(query, "from", faults),
        until=_day(query, "to", faults),
        search=_search(query, country, faults),
        newest_first=query.get("sort") != "oldest",
    )
    if wanted.since and wanted.until and wanted.since > wanted.until:
        faults["to"] = "fault.to_before_from"
    return ListAsked(wanted, read_mark(query), faults)


def write_query(wanted: SubscriberFilter) -> dict[str, str]:
    """Write what `read_query` reads, defaults left out."""
    product, variant = wanted.product_id, wanted.variant_id
    item = f"v{variant}" if variant is not None else f"p{product}" if product is not None else None
    pairs = {
        "q": wanted.search,
        "item": item,
        "channel": wanted.channel,
        "status": wanted.status,
        "from": wanted.since.isoformat() if wanted.since else None,
        "to": wanted.until.isoformat() if wanted.until else None,
        "sort": None if wanted.newest_first else "oldest",
    }
    return {name: str(value) for name, value in pairs.items() if value}


def write_bookmark(line: SubscriberLine, *, backward: bool) -> dict[str, str]:
    """Write the place of a line, so that a page can start behind it or end before it."""
    return write_mark(Bookmark(line.queued_at, line.id, backward))


def write_mark(mark: Bookmark) -> dict[str, str]:
    """Write a place of a list, so that a page can start behind it or end before it."""
    microseconds = (mark.queued_at - _EPOCH) // timedelta(microseconds=1)
    return {"before" if mark.backward else "after": f"{microseconds}-{mark.subscription_id}"}


def read_mark(query: Mapping[str, str]) -> Bookmark | None:
    """Read such a place; None: there is none, or it is none."""
    for name in ("after", "before"):
        if match := _MARK.fullmatch(query.get(name, "")):
            try:
                at = _EPOCH + timedelta(microseconds=int(match[1]))
            except OverflowError:
                return None
            return Bookmark(at, int(match[2]), backward=name == "before")
    return None


def _item(query: Mapping[str, str], faults: dict[str, str]) -> tuple[str | None, int]:
    typed = query.get("item") or ""
    for name, kind in (("product", "p"), ("variant", "v")):
        typed = f"{kind}{query[name]}" if query.get(name) else typed
    match = _ITEM.fullmatch(typed)
    if typed and match is None:
        faults["item"] = "fault.choice"
    return (match[1], int(match[2])) if match else (None, 0)


def _word(words: type[_Word], query: Mapping[str, str], name: str, faults: dict[str, str]) -> _Word | None:
    typed = query.get(name)
    if not typed:
        return None
    try:
        return words(typed)
    except ValueError:
        faults[name] = "fault.choice"
        return None


def _day(query: Mapping[str, str], name: str, faults: dict[str, str]) -> date | None:
    typed = query.get(name)
    if not typed:
        return None
    try:
        return date.fromisoformat(typed)
    except ValueError:
        faults[name] = "fault.day"
        return None


def _search(query: Mapping[str, str], country: str | None, faults: dict[str, str]) -> str | None:
    typed = query.get("q", "").strip()
    if not typed:
        return None
    if len(typed) > _LONGEST_SEARCH or "\0" in typed or not search_hashes(typed, country):
        faults["q"] = "fault.search"
    return typed[:_LONGEST_SEARCH]
