"""A bench for each e-mail provider, so that the channels' one contract is held to all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from restock.channels.email.providers.catalogue import KINDS, ProviderName
from restock.channels.email.providers.routing import Patience, RoutingChannel, provider_of
from restock.channels.email.providers.rulings import Provider
from restock.channels.port import Channel
from restock.channels.values import Envelope, Notice, Recipient, SenderChoice
from restock.playground.fake_http import Trouble
from tests.channels.benches import READ_SECONDS, Bench, EmailBench
from tests.channels.providers.fakes import KEY, FakeEsp, FakeMailgun, FakePostmark, FakeResend, FakeSendGrid

FAKES: dict[ProviderName, type[FakeEsp]] = {
    ProviderName.postmark: FakePostmark,
    ProviderName.sendgrid: FakeSendGrid,
    ProviderName.mailgun: FakeMailgun,
    ProviderName.resend: FakeResend,
}


def choice_of(name: ProviderName, **changes: str) -> SenderChoice:
    """A shop's choice of a provider, with everything the provider asks for."""
    options = {option.name: option.default or "mg.shop.example" for option in KINDS[name].options}
    made = SenderChoice(name, f"{name}:1:1", "hello@shop.example", "", options, secret=KEY, doubt=KINDS[name].doubt)
    return replace(made, **changes)  # type: ignore[arg-type]


def nobody(_url: str, _sender: object) -> Channel:
    raise AssertionError("no mail server is spoken to here")


def mark(delivery_id: int) -> str:
    return f"{delivery_id}-abcdefghijklmnop"


def open_routing(
    peer: FakeEsp,
    name: ProviderName,
    *,
    batch_seconds: float = 25.0,
    read_seconds: float = READ_SECONDS,
    most: int = 0,
) -> RoutingChannel:
    """The channel with one fake provider behind it. `most`: so many messages a call, 0: what the provider takes."""

    def speak(kind: ProviderName, choice: SenderChoice) -> Provider:
        made = provider_of(kind, choice)
        return replace(made, most=most) if most else made  # type: ignore[type-var]

    patience = Patience(read_seconds=read_seconds, batch_seconds=batch_seconds)
    return RoutingChannel(None, nobody, mark, patience, {name: peer.url}, speak)


class ProviderBench(Bench):
    """One message a call: what the contract says of one message among others holds only then."""

    name: ProviderName

    def __init__(self) -> None:
        self.peer = FAKES[self.name]()
        self.peer.start()
        self.channel = self.open()

    def envelope(self, number: int, notice: Notice | None = None) -> Envelope:
        return replace(super().envelope(number, notice), sender=choice_of(self.name))

    def open(self, *, batch_seconds: float = 25.0, read_seconds: float = READ_SECONDS) -> Channel:
        return open_routing(self.peer, self.name, batch_seconds=batch_seconds, read_seconds=read_seconds, most=1)

    def recipient(self, number: int) -> Recipient:
        return Recipient(f"ada{number}@mail.example")

    def kill(self, envelope: Envelope) -> None:
        self.peer.dead.add(envelope.recipient.address)

    def postpone(self, envelope: Envelope) -> None:
        self.peer.trouble_by_address[envelope.recipient.address] = Trouble(429, retry_after="7")

    def swallow(self, envelope: Envelope) -> None:
        self.peer.trouble_by_address[envelope.recipient.address] = Trouble(after_accept=True, reset=True)

    def hang(self, envelope: Envelope) -> None:
        self.peer.trouble_by_address[envelope.recipient.address] = Trouble(after_accept=True, hang=True)

    def received(self) -> list[str]:
        return [message.headers["Message-ID"] for message in self.peer.taken]

    def hostile(self) -> Sequence[Recipient]:
        return EmailBench.hostile(self)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.peer.close()


def _bench(of: ProviderName) -> Callable[[], Bench]:
    class OneProvider(ProviderBench):
        name = of

    return OneProvider


PROVIDER_BENCHES: dict[str, Callable[[], Bench]] = {name.value: _bench(name) for name in FAKES}
