"""A test of a shop's own e-mail provider: one sample, handed over now, and what the provider said of it.

It goes past the queue, so that the answer is there at once; nothing is recorded of whom it went
to.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from secrets import token_hex

from restock.channels.port import Channel
from restock.channels.values import (
    Envelope,
    MessageLinks,
    Notice,
    NoticeKind,
    ProductFacts,
    Recipient,
    SenderChoice,
    ShopFacts,
    Verdict,
)
from restock.clock import Clock, SystemClock
from restock.errors import ConflictError, Fault, ValidationError
from restock.shops.service.mailings import ShopMailings
from restock.shops.values import Shop


@dataclass(frozen=True)
class MailingTests:
    """Hand a sample to a shop's provider. `open_channel` opens the e-mail channel; it is closed again."""

    mailings: ShopMailings
    open_channel: Callable[[], Channel | None]
    clock: Clock = field(default_factory=SystemClock)

    def send(self, shop: Shop, address: str) -> str:
        """Send a sample to an address; return "" where the provider took it, else why not, as a stable word.

        Raises ConflictError where the shop has no provider of its own, ValidationError for no address.
        """
        shown, choice = self.mailings.show(shop), self.mailings.choice_of(shop)
        if shown is None or choice is None:
            raise ConflictError("The shop sends by this instance's mail server: choose a provider first.")
        if "@" not in address:
            fault = Fault("to", "INVALID_ADDRESS", "must be an e-mail address of yours")
            raise ValidationError("The test was not sent.", faults=[fault])
        reason = self._hand_over(shop, choice, address.strip()) if choice.secret else "key_lost"
        self.mailings.note_test(shop, shown.version, reason)
        return reason

    def _hand_over(self, shop: Shop, choice: SenderChoice, address: str) -> str:
        channel = self.open_channel()
        if channel is None:
            return "channel_off"
        with closing(channel):
            [outcome] = channel.send([self._sample(shop, choice, address)])
        return "" if outcome.verdict is Verdict.accepted else outcome.reason or outcome.verdict.value

    def _sample(self, shop: Shop, choice: SenderChoice, address: str) -> Envelope:
        url = f"https://{shop.domain}"
        notice = Notice(
            NoticeKind.test,
            ShopFacts(shop.domain, shop.name, url),
            MessageLinks(action=url, unsubscribe=url),
            shop.locale,
            ProductFacts("Sample"),
        )
        now = self.clock.now().timestamp()
        return Envelope(0, f"test-{token_hex(8)}", Recipient(address), notice, queued_at=now, sender=choice)
