"""The words of a message shown before it is sent, and of what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from babel.numbers import format_currency

from restock.channels.texts.values import TextKey
from restock.errors import Fault


@dataclass(frozen=True, slots=True)
class TextCost:
    """So many text messages of so many segments each.

    `price` is what a segment costs, on average where that differs; None: not known. For `unpriced_count` of the
    messages no price is known. `country`: it is the price of this country alone; None: the same everywhere, or that of
    each number's own.
    """

    message_count: int
    segments_each: int
    price: Decimal | None
    currency: str
    unpriced_count: int = 0
    country: str | None = None

    @property
    def segment_count(self) -> int:
        return self.message_count * self.segments_each

    @property
    def amount(self) -> str:
        """Write what is known of the cost as people write money, small sums to four places; empty: nothing is known."""
        if self.price is None:
            return ""
        total = self.price * self.segments_each * (self.message_count - self.unpriced_count)
        places = "¤#,##0.00##" if total < 1 else "¤#,##0.00"
        return str(format_currency(total, self.currency, places, locale="en", currency_digits=False))


@dataclass(frozen=True, slots=True)
class MessagePreview:
    """A message as it would leave, for one of the shop's own goods or for an example.

    `subject`, `preheader` and `html` are an e-mail's, `title` a notification's; `text` is what each has. `units` of
    `segment_count` text messages are `gsm` septets or else UTF-16 units; `byte_count` is a notification's payload.
    `cost` is a text message's own. `own` names the parts that are in the shop's words, `faults` what cannot be said as
    typed; `words` are the parts as said. `is_example`: an alert with made-up figures, as nobody has asked for anything
    yet.
    """

    key: TextKey
    goods: str
    text: str
    own: Sequence[str] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    subject: str = ""
    preheader: str = ""
    html: str = field(default="", repr=False)
    title: str = ""
    segment_count: int = 0
    units: int = 0
    gsm: bool = True
    byte_count: int = 0
    cost: TextCost | None = None
    is_example: bool = False
    links: Mapping[str, str] = field(default_factory=dict, repr=False)
