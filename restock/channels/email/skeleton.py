"""Write the mails of a batch: what all have in common once, then each person's own into the gaps.

Filled in, a mail says letter for letter what `compose` would have written for that person alone; what cannot be said
that way is left to `compose`. Pure but for what it keeps, and that is bounded. Must never log an address.
"""

from __future__ import annotations

import binascii
import re
from collections import OrderedDict
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import attrgetter, ne

from restock.channels.email.message import BOUNDARY, Mail, Sender, compose, date_of, draft
from restock.channels.email.mime import assemble, assemble_around
from restock.channels.personal import LAST_PART, Bases, Frame, FramedWords, Tokens, rest_of, split, stand_in, stand_ins
from restock.channels.values import Envelope, MessageLinks, Notice

_MOST_SKELETONS = 128
_MOST_BYTES = 4_000_000
_MOST_SEEN = 1_024
_HEADER_LENGTH = 24  # of a stand-in in a header, where lengths make no difference
_ADDRESS = r"[A-Za-z0-9!#$%&'*+./^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}"  # none that `compose` would write otherwise
_BY_IDENTITY = frozenset(["kind", "sample_of", "shop", "product"])  # cheaper than to hash them
_PERSONAL = frozenset(["links", "words"])
_shared = attrgetter(*(one.name for one in fields(Notice) if one.name in _BY_IDENTITY))
_others = attrgetter(*(one.name for one in fields(Notice) if one.name not in _BY_IDENTITY | _PERSONAL))


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """A mail with a gap after each of its `pieces` but the last; `order`: which of a person's values fills which."""

    pieces: list[bytes]
    order: tuple[int, ...]
    bases: Bases
    held: Tokens | None  # whose lengths the links must have, where the shop's own words were written around them

    def fill(self, address: str, date: bytes, identity: str, links: MessageLinks) -> Mail | None:
        """Write one person's mail; None: what is personal in it fits into no gap."""
        own, page = links.decline or "", links.preferences or ""
        said = f"{address}\n{identity}\n{links.action}\n{links.unsubscribe}\n{own}\n{page}"
        found = _fitting(self.bases).fullmatch(said.encode("utf-8", "replace"))
        if found is None:
            return None
        recipient, name, *tokens = found.groups()
        if self.held is not None and any(map(ne, map(len, self.held), map(len, tokens))):
            return None
        values, filled = (recipient, date, name, *tokens), [b""] * (2 * len(self.pieces) - 1)
        filled[::2] = self.pieces
        filled[1::2] = [values[number] for number in self.order]
        return Mail(address, b"".join(filled), is_dotless=True)


@lru_cache(maxsize=64)
def _fitting(bases: Bases) -> re.Pattern[bytes]:
    """Describe an address, an identity and the links, and single out what is personal in them."""
    links = [f"{re.escape(base)}({LAST_PART})" if base is not None else "()" for base in bases]
    return re.compile("\n".join((f"({_ADDRESS})", "([A-Za-z0-9-]{1,64})", *links)).encode())


class Press:
    """Writes the mails of one sender; keeps a few megabytes at most, and is for one thread."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._kept: OrderedDict[object, _Skeleton | None] = OrderedDict()  # None: always `compose`
        self._bytes = 0
        self._seen: set[object] = set()
        self._near: dict[object, tuple[_Skeleton | None, Notice]] = {}  # by identity; the notice keeps that from reuse
        self._date = (0.0, date_of(0.0).encode())

    @property
    def kept_bytes(self) -> int:
        """How much of mails is kept."""
        return self._bytes

    def write(self, envelope: Envelope) -> Mail:
        """Write the mail for one recipient; raise ChannelError for an address no mail can be sent to."""
        skeleton = self._find(envelope.notice) if envelope.letter is None else None
        if skeleton is not None:
            if self._date[0] != envelope.queued_at:
                self._date = (envelope.queued_at, date_of(envelope.queued_at).encode())
            mail = skeleton.fill(envelope.recipient.address, self._date[1], envelope.identity, envelope.notice.links)
            if mail is not None:
                return mail
        return compose(envelope, self._sender)

    def _find(self, notice: Notice) -> _Skeleton | None:
        words = notice.words
        frame = words.frame if isinstance(words, FramedWords) else None
        if words and frame is None:
            return None  # written for this person alone
        links = (notice.links.decline is None, notice.links.preferences is None)
        near = (id(notice.shop), id(notice.product), _others(notice), links, id(frame))
        found = self._near.get(near)
        if found is None:
            skeleton, is_settled = self._look_up(notice, frame)
            if is_settled:
                if len(self._near) >= _MOST_SKELETONS:
                    self._near.clear()
                self._near[near] = (skeleton, notice)
            return skeleton
        return found[0]

    def _look_up(self, notice: Notice, frame: Frame | None) -> tuple[_Skeleton | None, bool]:
        """Find or make what fits a notice. What is seen for the first time may well be the last: it is not worth it."""
        parts = split(notice.links)
        if parts is None:
            return None, False
        bases = parts[0]
        key = (rest_of(notice), frame, bases)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key], True
        if key not in self._seen:
            self._seen = self._seen if len(self._seen) < _MOST_SEEN else set()
            self._seen.add(key)
            return None, False
        self._seen.discard(key)
        skeleton = _checked(_built(notice, self._sender, frame, bases), notice, self._sender)
        self._keep(key, skeleton)
        return skeleton, True

    def _keep(self, key: object, skeleton: _Skeleton | None) -> None:
        self._kept[key] = skeleton
        self._bytes += _size(skeleton)
        while len(self._kept) > _MOST_SKELETONS or self._bytes > _MOST_BYTES:
            self._bytes -= _size(self._kept.popitem(last=False)[1])
            self._near.clear()


def _built(notice: Notice, sender: Sender, frame: Frame | None, bases: Bases) -> _Skeleton | None:
    """Write a mail around stand-ins; None: one of them is where it cannot be found again."""
    if frame is not None and "subject" in frame.personal:
        return None
    held = frame.held if frame is not None else _held(bases)
    head = tuple(stand_in(name, _HEADER_LENGTH) for name in ("recipient", "date", "identity"))
    said = replace(notice, links=bases.links(held), words=frame.texts if frame is not None else {})
    try:
        pieces = assemble_around([*head, *filter(None, held)], *draft(said, sender, *head), BOUNDARY)
    except ValueError:
        return None
    numbers = [*range(len(head)), *(len(head) + number for number, one in enumerate(held) if one)]  # as `fill` has them
    order = tuple(numbers[piece] for piece in pieces if isinstance(piece, int))
    return _Skeleton(
        [one for one in pieces if isinstance(one, bytes)], order, bases, held if frame is not None else None
    )


def _held(bases: Bases) -> Tokens:
    lengths = Tokens(*("x" * _HEADER_LENGTH for _ in Tokens._fields))
    lengths = lengths if bases.decline is not None else lengths._replace(decline="")
    return stand_ins(lengths if bases.preferences is not None else lengths._replace(preferences=""))


def _checked(skeleton: _Skeleton | None, notice: Notice, sender: Sender) -> _Skeleton | None:
    """Let a skeleton pass that says of one person exactly what is said without it."""
    if skeleton is None:
        return None
    address, date, identity = "a@b.example", date_of(0.0), "i"
    filled = skeleton.fill(address, date.encode(), identity, notice.links)
    try:
        alone = assemble(*draft(notice, sender, address, date, identity), BOUNDARY)
    except ValueError:
        return None
    is_same = filled is not None and binascii.a2b_qp(filled.content) == binascii.a2b_qp(alone)
    return skeleton if is_same else None


def _size(skeleton: _Skeleton | None) -> int:
    return 0 if skeleton is None else sum(map(len, skeleton.pieces))
