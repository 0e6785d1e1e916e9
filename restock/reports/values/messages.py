"""The words of a message shown before it is sent. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from restock.channels.texts.values import TextKey
from restock.errors import Fault


@dataclass(frozen=True, slots=True)
class MessagePreview:
    """A message as it would leave, for one of the shop's own goods or for an example.

    `subject`, `preheader` and `html` are an e-mail's, `title` a notification's; `text` is what each has. `units` of
    `segment_count` text messages are `gsm` septets or else UTF-16 units; `byte_count` is a notification's payload.
    `own` names the parts that are in the shop's words, `faults` what cannot be said as typed.
    """

    key: TextKey
    goods: str
    text: str
    own: Sequence[str] = ()
    faults: Sequence[Fault] = ()
    subject: str = ""
    preheader: str = ""
    html: str = field(default="", repr=False)
    title: str = ""
    segment_count: int = 0
    units: int = 0
    gsm: bool = True
    byte_count: int = 0
    links: Mapping[str, str] = field(default_factory=dict, repr=False)
