"""The e-mail channel of an instance whose shops may have providers of their own: each envelope goes to its sender's.

What one shop's provider does, or a shop's wrong key, is that shop's alone. It must never log a choice: it holds a key.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from restock.channels.email.message import Sender
from restock.channels.email.providers.calls import Caller
from restock.channels.email.providers.catalogue import KINDS, Kind, ProviderName
from restock.channels.email.providers.channel import THREADS, Account, ApiSender
from restock.channels.email.providers.letters import bytes_of
from restock.channels.email.providers.mailgun import Mailgun
from restock.channels.email.providers.postmark import Postmark
from restock.channels.email.providers.resend import Resend
from restock.channels.email.providers.rulings import Provider
from restock.channels.email.providers.sendgrid import SendGrid
from restock.channels.port import Channel, StreamingChannel
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, SenderChoice, Verdict

_MOST_OPEN = 16  # shops whose connections are kept


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for a provider, and for a batch, in seconds."""

    connect_seconds: float = 3.0
    read_seconds: float = 20.0
    batch_seconds: float = 25.0


OpenServer = Callable[[str, Sender], Channel]  # a mail server by its URL, and who sends


@dataclass
class RoutingChannel:
    """Send e-mails, each by its own sender; one instance per process.

    `instance` is the channel of the instance's own mail server, None where it has none. `mark` names a delivery in
    what a provider reports. `open_server` opens a mail server by its URL. `hosts` replaces providers' addresses, and
    `speak` what speaks to them.
    """

    instance: Channel | None
    open_server: OpenServer
    mark: Callable[[int], str]
    patience: Patience = field(default_factory=Patience)
    hosts: Mapping[ProviderName, str] = field(default_factory=dict)
    speak: Callable[[ProviderName, SenderChoice], Provider] | None = None
    name: ChannelName = ChannelName.email
    doubt: Doubt = Doubt.resend_once  # of the instance's; a choice brings its own
    _open: OrderedDict[str, Account | Channel] = field(default_factory=OrderedDict)

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        """Hand over a batch; see `Channel.send`."""
        deadline = time.monotonic() + self.patience.batch_seconds
        by_sender: dict[str, list[Envelope]] = defaultdict(list)
        for envelope in envelopes:
            by_sender[envelope.sender.service if envelope.sender else ""].append(envelope)
        for group in by_sender.values():
            yield from self._send(group, deadline)

    @property
    def in_hand(self) -> int:
        """As many as the instance's own; only what it sends is streamed."""
        return self.instance.in_hand if isinstance(self.instance, StreamingChannel) else 0

    @property
    def batch_seconds(self) -> float:
        return self.patience.batch_seconds

    def stream(self, envelopes: Iterator[Envelope], count: int) -> Iterator[Outcome]:
        """Hand over what is drawn, to the instance's own; see `StreamingChannel.stream`."""
        if not isinstance(self.instance, StreamingChannel):
            raise TypeError("there is nothing to stream to")
        return self.instance.stream(envelopes, count)

    def service_of(self, envelope: Envelope) -> str | None:
        """Name whom a message goes to, where that is its shop's own provider."""
        return envelope.sender.service if envelope.sender else None

    def lookup(self, envelopes: Iterable[Envelope]) -> dict[int, bool]:  # noqa: ARG002 (the port's name)
        """No provider of e-mail is asked: their lists are minutes behind."""
        return {}

    def close(self) -> None:
        """End every connection."""
        if self.instance is not None:
            self.instance.close()
        while self._open:
            _close(self._open.popitem()[1])

    def _send(self, envelopes: Sequence[Envelope], deadline: float) -> Iterator[Outcome]:
        choice = envelopes[0].sender
        if choice is None:
            yield from _unusable(envelopes) if self.instance is None else self.instance.send(envelopes)
            return
        for told in self._by(self._of(choice), envelopes, deadline):
            yield replace(told, service=choice.service)

    def _by(
        self, opened: Account | Channel | None, envelopes: Sequence[Envelope], deadline: float
    ) -> Iterator[Outcome]:
        if opened is None:
            return _unusable(envelopes)
        if isinstance(opened, Account):
            return ApiSender(opened, self.mark, deadline).send(envelopes)
        return opened.send(envelopes)

    def _of(self, choice: SenderChoice) -> Account | Channel | None:
        """Give what was opened for a choice; a changed choice has another `service`, so that no old key is used."""
        known = self._open.get(choice.service)
        if known is None:
            known = self._opened(choice)
            if known is None:
                return None
            self._open[choice.service] = known
            if len(self._open) > _MOST_OPEN:
                _close(self._open.popitem(last=False)[1])
        self._open.move_to_end(choice.service)
        return known

    def _opened(self, choice: SenderChoice) -> Account | Channel | None:
        kind = next((one for name, one in KINDS.items() if name == choice.provider), None)
        if kind is None:  # stored by a later version
            return None
        if kind.name is ProviderName.ses:
            return self.open_server(_server_url(kind, choice), Sender(choice.address, choice.name))
        caller = Caller(
            self.hosts.get(kind.name, kind.host_of(choice.options)),
            connections=THREADS,
            connect_seconds=self.patience.connect_seconds,
            read_seconds=self.patience.read_seconds,
        )
        return Account(choice, (self.speak or provider_of)(kind.name, choice), caller)


def provider_of(name: ProviderName, choice: SenderChoice) -> Provider:
    """Make what speaks to a provider's API for a choice."""
    match name:
        case ProviderName.postmark:
            return Postmark(choice.secret, choice.options.get("stream", "outbound"))
        case ProviderName.sendgrid:
            return SendGrid(choice.secret)
        case ProviderName.mailgun:
            return Mailgun(choice.secret, choice.options.get("domain", ""), bytes_of)
        case ProviderName.resend:
            return Resend(choice.secret)
        case ProviderName.ses:
            raise ValueError("Amazon SES is a mail server here")


def _server_url(kind: Kind, choice: SenderChoice) -> str:
    user, _, password = choice.secret.partition(":")
    return f"smtp://{quote(user, safe='')}:{quote(password, safe='')}@{kind.host_of(choice.options)}:587?starttls=1"


def _unusable(envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
    for envelope in envelopes:
        yield Outcome(envelope.delivery_id, Verdict.deferred, "no_sender", Blame.provider)


def _close(opened: Account | Channel) -> None:
    if isinstance(opened, Account):
        opened.caller.close()
    else:
        opened.close()
