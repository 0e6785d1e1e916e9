"""How many of some text messages may leave now. Pure: facts in, a decision out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

PACED = "paced"  # the sender carries no more at this moment: the whole lane waits, in its order
DAY_CAP = "day_cap"  # the shop's text messages of the day are used up
FILTERED = "filtered_by_carriers"  # so many were filtered that going on would only make it worse
LOOK_AGAIN_SECONDS = 1800.0  # should the word of a raised cap be lost
FEWEST_FILTERED = 25
FILTERED_SHARE = 0.1
# Of 10,000 neighbouring numbers (all but the last four digits) so many in one shop and day are no chance, where they
# are a good part of everybody written to.
FLOOD_COUNT = 100
FLOOD_SHARE = 0.2
_BLOCK_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Text:
    """One text message that wants to leave."""

    delivery_id: int
    block: str
    segment_count: int


@dataclass(frozen=True, slots=True)
class Day:
    """What a shop has sent on its day so far. `blocks`: how many messages went to each block of numbers."""

    segment_count: int = 0
    message_count: int = 0
    filtered_count: int = 0
    blocks: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What becomes of the messages that want to leave. `why` is the reason of `held`."""

    leaving: Sequence[Text] = ()
    held: Sequence[Text] = ()
    flooding: Sequence[Text] = ()
    why: str = DAY_CAP


def judge_day(texts: Sequence[Text], day: Day, cap: int | None) -> Verdicts:
    """Decide by what the shop has sent today which messages may leave; `cap` is in segments, None: no limit.

    Who comes first leaves first: nobody is overtaken because a shorter message would still fit.
    """
    if day.filtered_count >= FEWEST_FILTERED and day.filtered_count > FILTERED_SHARE * day.message_count:
        return Verdicts(held=texts, why=FILTERED)
    calm, flooding = _floods(texts, day)
    room = within((text.segment_count for text in calm), None if cap is None else cap - day.segment_count)
    return Verdicts(calm[:room], calm[room:], flooding)


def within(costs: Iterable[int], room: int | None) -> int:
    """Count how many of the first costs fit into the room together; None: all."""
    totals = list(accumulate(costs))
    return len(totals) if room is None else sum(total <= room for total in totals)


def block_of(number: str) -> str:
    """Name the 10,000 numbers one belongs to."""
    return number[:-_BLOCK_DIGITS]


def shop_day(now: datetime, zone: str | None) -> tuple[date, float]:
    """Say which day it is at a shop, and how many seconds of it are left; an unknown zone is UTC."""
    local = now.astimezone(_zone(zone))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo)
    return local.date(), max(1.0, (midnight - now).total_seconds())


def natural_rate(sender: str, *, has_service: bool) -> float:
    """Say how many segments a second Twilio carries for a sender nobody has said more of.

    A messaging service, an alphanumeric sender and a number outside North America: 10; a short code: 100; a toll-free
    number: 3; any other North American number: 1.
    """
    digits = sender.removeprefix("+")
    if has_service or not digits.isdecimal():
        return 10.0
    if len(digits) <= 6:
        return 100.0
    if not digits.startswith("1"):
        return 10.0
    return 3.0 if digits[1:4] in _TOLL_FREE else 1.0


_TOLL_FREE = frozenset({"800", "833", "844", "855", "866", "877", "888"})


def _floods(texts: Sequence[Text], day: Day) -> tuple[list[Text], list[Text]]:
    blocks, sent = Counter(day.blocks), day.message_count
    calm: list[Text] = []
    flooding: list[Text] = []
    for text in texts:
        if blocks[text.block] >= FLOOD_COUNT and blocks[text.block] > FLOOD_SHARE * sent:
            flooding.append(text)
            continue
        calm.append(text)
        blocks[text.block] += 1
        sent += 1
    return calm, flooding


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
