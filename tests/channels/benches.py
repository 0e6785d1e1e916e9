"""A bench for each channel: the channel itself, a local provider over real sockets, and hands on its faults."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as SmtpEnvelope

from restock.channels.email.channel import EmailChannel
from restock.channels.email.message import Sender
from restock.channels.email.smtp_pool import SmtpPool
from restock.channels.email.smtp_server import Patience, SmtpServer
from restock.channels.port import Channel
from restock.channels.push.channel import PushChannel
from restock.channels.push.vapid import VapidSigner, generate_private_key, public_key_of
from restock.channels.sms.channel import SmsChannel, TwilioAccount
from restock.channels.texts.values import Source, Stage, TextKey
from restock.channels.texts.written import ShopTexts, Speaker
from restock.channels.values import (
    Blame,
    ChannelName,
    Envelope,
    MessageLinks,
    Notice,
    NoticeKind,
    ProductFacts,
    PushKeys,
    Recipient,
    ShopFacts,
)
from restock.playground.fake_http import Trouble
from restock.playground.fake_push import FakePush
from restock.playground.fake_twilio import FakeTwilio

SHOP = ShopFacts("north.myshopify.com", "North & Pine", "https://north.example")
PRODUCT = ProductFacts("Harbour Vase", "Deep green", "€89.00", "https://cdn.shopify.com/vase.png", 2)
READ_SECONDS = 15.0  # a busy machine is not a silent provider
SILENCE_SECONDS = 1.5  # how long one is waited for where its silence is the point


OWN_PARTS = {
    ChannelName.email: {"subject": "{{ product.title }} {{ shop.name }}", "lead": "{{ variant.title }} {{ price }}"},
    ChannelName.sms: {"text": "{{ shop.name }} {{ product.title }} {{ links.action }}"},
    ChannelName.push: {"title": "{{ product.title }}", "body": "{{ shop.name }} {{ x | gone }}"},
}
OWN_LAYOUT = "<html><body>{{ product.title }} {{ links.action }} {{ links.unsubscribe }}</body></html>"
OWN_TEXTS = ShopTexts(
    {
        TextKey(channel, stage, locale): Source(parts, OWN_LAYOUT if channel is ChannelName.email else None)
        for channel, parts in OWN_PARTS.items()
        for stage in Stage
        for locale in ("en", "fr", "xx")
    }
)


def notice_for(number: int, kind: NoticeKind = NoticeKind.offer, locale: str = "en") -> Notice:
    links = MessageLinks(
        f"https://a.example/c/click-{number:06d}.sig", f"https://a.example/unsubscribe/{number:06d}.sig"
    )
    return Notice(kind, SHOP, links, locale, PRODUCT)


def turn_for(number: int, locale: str = "en") -> Notice:
    """An offer that is a turn of an hour, of somebody who missed the last one."""
    plain = notice_for(number, NoticeKind.offer, locale)
    links = replace(plain.links, decline=f"https://a.example/decline/{number:06d}.sig")
    return replace(plain, links=links, turn_minutes=60, missed_before=True)


def envelope_for(number: int, recipient: Recipient, notice: Notice | None = None) -> Envelope:
    return Envelope(number, f"offer-{number}-0", recipient, notice or notice_for(number), queued_at=1_790_000_000.0)


class Bench(ABC):
    """One channel and its provider. `down_blame` is where a provider that is away is said to lie."""

    channel: Channel
    down_blame = Blame.provider
    can_look_up = False
    says_when = True  # tells how long to wait when it is asked too often
    texts = ShopTexts()  # what the shop says in its own words

    def envelope(self, number: int, notice: Notice | None = None) -> Envelope:
        said = Speaker(self.texts).say(notice or notice_for(number), self.channel.name)
        return envelope_for(number, self.recipient(number), said)

    @abstractmethod
    def recipient(self, number: int) -> Recipient: ...

    @abstractmethod
    def kill(self, envelope: Envelope) -> None:
        """The address is dead from now on."""

    @abstractmethod
    def postpone(self, envelope: Envelope) -> None:
        """The provider wants this one later."""

    @abstractmethod
    def swallow(self, envelope: Envelope) -> None:
        """The provider takes this one and falls over before it answers."""

    @abstractmethod
    def hang(self, envelope: Envelope) -> None:
        """The provider takes this one and never answers."""

    @abstractmethod
    def received(self) -> list[str]:
        """What arrived: for each message the mark by which a repeat is known."""

    @abstractmethod
    def hostile(self) -> Sequence[Recipient]:
        """Recipients that should never have come this far."""

    @abstractmethod
    def stop(self) -> None:
        """The provider goes away."""

    def close(self) -> None:
        self.channel.close()
        self.stop()

    @abstractmethod
    def open(self, *, batch_seconds: float = 25.0, read_seconds: float = READ_SECONDS) -> Channel:
        """Open one more channel to the same provider."""

    def wait_no_longer_than(self, read_seconds: float) -> None:
        """Have the channel give up an answer after so many seconds."""
        self.channel.close()
        self.channel = self.open(read_seconds=read_seconds)


async def _started(server: Any) -> Any:
    return await server


class SmtpPeer:
    """A mail server in a thread, with a fault for each address that should have one."""

    def __init__(self, *, utf8: bool = False) -> None:
        self.faults: dict[str, str] = {}
        self.sessions = 0
        self.mails: list[tuple[str, bytes]] = []
        self.loop = asyncio.new_event_loop()
        self._utf8 = utf8
        self._sessions: list[Any] = []
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        server = self.loop.create_server(self._session, "127.0.0.1", 0)  # in its thread: this one may have a loop
        self._server = asyncio.run_coroutine_threadsafe(_started(server), self.loop).result(5)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def _session(self) -> SMTP:
        self.sessions += 1
        session = SMTP(self, hostname="peer", ident="peer", enable_SMTPUTF8=self._utf8, loop=self.loop)
        self._sessions.append(session)
        return session

    def hang_up(self) -> None:
        """Close every connection, and be there for new ones."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(5)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's)
        self, server: Any, session: object, envelope: SmtpEnvelope, address: str, options: list[str]
    ) -> str:
        fault = self.faults.get(address, "")
        if fault == "421 closing":
            server.transport.close()
        if fault[:1] in ("4", "5"):
            return fault
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: object, envelope: SmtpEnvelope) -> str:  # noqa: N802
        address = envelope.rcpt_tos[0]
        fault = self.faults.get(address, "")
        if fault.startswith("data "):
            return fault.removeprefix("data ")
        self.mails.append((address, bytes(envelope.original_content or b"")))
        if fault == "swallow":
            server.transport.abort()
        if fault == "hang":
            await asyncio.sleep(SILENCE_SECONDS * 3)
        return "250 OK"

    def messages(self) -> list[Any]:
        return [email.message_from_bytes(raw, policy=email.policy.default) for _, raw in self.mails]

    def stop(self) -> None:
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self._stop(), self.loop).result(5)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(5)
            self.loop.close()

    async def _hang_up(self) -> None:
        for session in self._sessions:
            if session.transport is not None:
                session.transport.abort()

    async def _stop(self) -> None:
        self._server.close()
        await self._hang_up()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class EmailBench(Bench):
    says_when = False

    def __init__(self) -> None:
        self.peer = SmtpPeer()
        self.channel = self.open()

    def open(self, *, batch_seconds: float = 25.0, read_seconds: float = READ_SECONDS) -> Channel:
        server, sender = SmtpServer("127.0.0.1", self.peer.port), Sender("alerts@alerts.example")
        pool = SmtpPool(server, sender.domain, sender.address, patience=Patience(read_seconds=read_seconds))
        return EmailChannel(pool, sender, batch_seconds=batch_seconds)

    def recipient(self, number: int) -> Recipient:
        return Recipient(f"ada{number}@mail.example")

    def kill(self, envelope: Envelope) -> None:
        self.peer.faults[envelope.recipient.address] = "550 5.1.1 no such user"

    def postpone(self, envelope: Envelope) -> None:
        self.peer.faults[envelope.recipient.address] = "451 4.3.0 try again later"

    def swallow(self, envelope: Envelope) -> None:
        self.peer.faults[envelope.recipient.address] = "swallow"

    def hang(self, envelope: Envelope) -> None:
        self.peer.faults[envelope.recipient.address] = "hang"

    def received(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.peer.messages()]

    def hostile(self) -> Sequence[Recipient]:
        bad = ["", "x", "a@b@c.example", "ada@mail.example\r\nRCPT TO:<eve@evil.example>", "ada@mail.example>\r\nDATA",
               "a b@c.example", "\x00@c.example", "ada@", "@c.example", "x" * 65 + "@c.example", "ada@-\udcff.example",
               "adä@mail.example", "ada@" + "ä" * 70 + ".example"]  # fmt: skip
        return [Recipient(address) for address in bad]

    def stop(self) -> None:
        self.peer.stop()


class SmsBench(Bench):
    can_look_up = True
    account_sid = "AC" + "0a" * 16

    def __init__(self) -> None:
        self.peer = FakeTwilio(self.account_sid, "secret")
        self.peer.start()
        self.channel = self.open()

    def open(self, *, batch_seconds: float = 25.0, read_seconds: float = READ_SECONDS) -> Channel:
        account = TwilioAccount(self.account_sid, "secret", sender="+15005550006", api_url=self.peer.url)
        return SmsChannel(account, threads=8, read_seconds=read_seconds, batch_seconds=batch_seconds)

    def recipient(self, number: int) -> Recipient:
        return Recipient(f"+1415555{number:04d}")

    def kill(self, envelope: Envelope) -> None:
        self.peer.opted_out.add(envelope.recipient.address)

    def postpone(self, envelope: Envelope) -> None:
        self._trouble(envelope, Trouble(429, code=20429, retry_after="7"))

    def swallow(self, envelope: Envelope) -> None:
        self._trouble(envelope, Trouble(after_accept=True, reset=True))

    def hang(self, envelope: Envelope) -> None:
        self._trouble(envelope, Trouble(after_accept=True, hang=True))

    def _trouble(self, envelope: Envelope, trouble: Trouble) -> None:
        self.peer.trouble_by_number[envelope.recipient.address] = trouble

    def received(self) -> list[str]:
        return [re.findall(r"click-\d+", message.body)[0] for message in self.peer.messages()]

    def hostile(self) -> Sequence[Recipient]:
        bad = ["", "918123676393", "+0123456789", "+1415", "+14155550000\r\n", "whatsapp:+14155550000", "+1415555000a",
               "+" + "1" * 16, "+١٤١٥٥٥٥٠٠٠٠", "\ud800"]  # fmt: skip
        return [Recipient(number) for number in bad]

    def stop(self) -> None:
        self.peer.close()


class PushBench(Bench):
    down_blame = Blame.message  # one browser maker's service is away, never everybody's

    def __init__(self) -> None:
        self.key = generate_private_key()
        self.peer = FakePush()
        self.peer.start()
        self._troubles: dict[str, Trouble] = {}
        self._subscriptions: dict[str, dict[str, Any]] = {}
        self.peer.trouble_for = lambda request: self._troubles.get(request.path)  # type: ignore[method-assign]
        self.channel = self.open()

    def open(self, *, batch_seconds: float = 25.0, read_seconds: float = READ_SECONDS) -> Channel:
        signer = VapidSigner(self.key, "mailto:alerts@alerts.example")
        return PushChannel(signer, extra_hosts=[self.peer.host], read_seconds=read_seconds, batch_seconds=batch_seconds)

    def recipient(self, number: int) -> Recipient:
        subscription: dict[str, Any] = self.peer.subscribe(public_key_of(self.key))
        self._subscriptions[subscription["endpoint"]] = subscription
        return Recipient(subscription["endpoint"], PushKeys(**subscription["keys"]))

    def kill(self, envelope: Envelope) -> None:
        self.peer.expire(self._subscriptions[envelope.recipient.address])

    def postpone(self, envelope: Envelope) -> None:
        self._trouble(envelope, Trouble(429, retry_after="7"))

    def swallow(self, envelope: Envelope) -> None:
        self._trouble(envelope, Trouble(after_accept=True, reset=True))

    def hang(self, envelope: Envelope) -> None:
        self._trouble(envelope, Trouble(after_accept=True, hang=True))

    def _trouble(self, envelope: Envelope, trouble: Trouble) -> None:
        self._troubles["/" + envelope.recipient.address.split("/", 3)[3]] = trouble

    def received(self) -> list[str]:
        return [message.topic for message in self.peer.messages()]

    def hostile(self) -> Sequence[Recipient]:
        good = self.recipient(0)
        assert good.push_keys is not None
        endpoints = [
            "",
            "x",
            "https://evil.example/x",
            "http://127.0.0.1:1/x",
            f"{good.address}#x",
            "file:///etc/passwd",
        ]
        keys = [
            None,
            PushKeys("", ""),
            PushKeys("AAAA", "AAAA"),
            PushKeys("é", "\ud800"),
            replace(good.push_keys, auth="AAA"),
            replace(good.push_keys, p256dh="BA" + "A" * 85),
        ]
        return [Recipient(address, good.push_keys) for address in endpoints] + [
            Recipient(good.address, k) for k in keys
        ]

    def stop(self) -> None:
        self.peer.close()


BENCHES: dict[str, Callable[[], Bench]] = {"email": EmailBench, "sms": SmsBench, "push": PushBench}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
