"""Several push services behind one channel: one that is slow, busy or broken is nobody else's trouble."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from restock.channels.port import HELD_BACK
from restock.channels.push.channel import PushChannel
from restock.channels.push.sealing import Sealer
from restock.channels.push.subscription import PushSubscription, key_name, parse_push_subscription
from restock.channels.push.vapid import VapidSigner, generate_private_key, public_key_of
from restock.channels.values import Blame, Outcome, PushKeys, Recipient, Verdict
from restock.playground.fake_http import Answer, Request, Trouble
from restock.playground.fake_push import FakePush
from tests.channels.benches import envelope_for

KEY = generate_private_key()


@pytest.fixture
def services() -> Iterator[tuple[FakePush, FakePush]]:
    with ExitStack() as stack:
        found = FakePush(), FakePush()
        for one in found:
            one.start()
            stack.callback(one.close)
        yield found


@pytest.fixture
def channel(services: tuple[FakePush, FakePush]) -> Iterator[PushChannel]:
    opened = PushChannel(
        VapidSigner(KEY, "mailto:a@alerts.example"),
        extra_hosts=[one.host for one in services],
        connections=4,
        read_seconds=3.0,
    )
    yield opened
    opened.close()


def browser(service: FakePush) -> Recipient:
    subscription = service.subscribe(public_key_of(KEY))
    keys = subscription["keys"]
    assert isinstance(keys, dict)
    return Recipient(str(subscription["endpoint"]), PushKeys(**keys, vapid=key_name(public_key_of(KEY))))


def send(channel: PushChannel, *batches: tuple[FakePush, int], first: int = 1) -> dict[int, Outcome]:
    """Send so many messages of each service, mixed; numbered from `first` on, those of each service together."""
    people = [browser(service) for service, count in batches for _ in range(count)]
    envelopes = [envelope_for(number, who) for number, who in enumerate(people, first)]
    mixed = sorted(envelopes, key=lambda one: one.delivery_id % 7)
    outcomes = list(channel.send(mixed))
    assert len(outcomes) == len({one.delivery_id for one in outcomes}) == len(envelopes)
    return {one.delivery_id: one for one in outcomes}


def verdicts(outcomes: Sequence[Outcome]) -> set[tuple[Verdict, str]]:
    return {(one.verdict, one.reason) for one in outcomes}


def test_a_service_that_asks_for_patience_is_left_alone_and_the_other_is_not(
    services: tuple[FakePush, FakePush], channel: PushChannel
) -> None:
    busy, well = services
    busy.trouble_for = lambda _: Trouble(429, retry_after="7")  # type: ignore[method-assign]
    outcomes = send(channel, (busy, 40), (well, 40))
    asked = len(busy.requests)
    assert asked <= 12, "what was under way, and no more"
    of_busy = [outcomes[number] for number in range(1, 41)]
    assert sum(one.reason == "rate_limited" for one in of_busy) == asked
    assert all(6 < (one.retry_after_seconds or 0) <= 7 for one in of_busy)
    assert {one.reason for one in of_busy} == {"rate_limited", HELD_BACK}
    assert verdicts([outcomes[number] for number in range(41, 81)]) == {(Verdict.accepted, "")}
    again = send(channel, (busy, 3), (well, 3), first=100)
    assert verdicts([again[number] for number in (100, 101, 102)]) == {(Verdict.deferred, HELD_BACK)}
    assert len(busy.requests) == asked
    assert all(one.service == busy.host for one in of_busy)


@pytest.mark.parametrize("wait", ["Wed, 21 Oct 2099 07:28:00 GMT", "soon", None])
def test_patience_may_be_asked_for_by_a_date_or_without_saying_how_long(
    services: tuple[FakePush, FakePush], channel: PushChannel, wait: str | None
) -> None:
    busy, _ = services
    busy.troubles.append(Trouble(429, retry_after=wait))
    [first] = send(channel, (busy, 1)).values()
    assert first.retry_after_seconds == (86_400 if wait and wait.endswith("GMT") else None)
    [second] = send(channel, (busy, 1), first=2).values()
    assert second.reason == HELD_BACK
    assert (second.retry_after_seconds or 0) > (80_000 if wait and wait.endswith("GMT") else 0.1)


def test_a_silent_service_costs_the_other_no_time(services: tuple[FakePush, FakePush], channel: PushChannel) -> None:
    silent, well = services
    silent.trouble_for = lambda _: Trouble(hang=True)  # type: ignore[method-assign]
    people = [browser(silent) for _ in range(4)] + [browser(well) for _ in range(40)]
    outcomes = list(channel.send([envelope_for(number, who) for number, who in enumerate(people, 1)]))
    assert [one.verdict for one in outcomes] == [Verdict.accepted] * 40 + [Verdict.unanswered] * 4
    assert {one.reason for one in outcomes[40:]} == {"timeout"}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (503, {(Verdict.deferred, "push_service_unavailable"), (Verdict.deferred, "batch_time_over")}),
        (403, {(Verdict.deferred, "vapid_rejected"), (Verdict.deferred, "batch_time_over")}),
    ],
)
def test_a_broken_service_is_not_asked_for_each_of_a_batch(
    services: tuple[FakePush, FakePush],
    channel: PushChannel,
    status: int,
    told: set[tuple[Verdict, str]],
) -> None:
    broken, well = services
    broken.trouble_for = lambda _: Trouble(status)  # type: ignore[method-assign]
    outcomes = send(channel, (broken, 100), (well, 20))
    assert verdicts([outcomes[number] for number in range(1, 101)]) == told
    assert 10 <= len(broken.requests) <= 22
    assert verdicts([outcomes[number] for number in range(101, 121)]) == {(Verdict.accepted, "")}


def strangers(service: FakePush, count: int, *, known: bool) -> list[Recipient]:
    """Browsers subscribed with another key; `known`: they are kept as ours all the same."""
    found = []
    for _ in range(count):
        keys = service.subscribe(other := public_key_of(generate_private_key()))
        ours = browser(service).push_keys
        assert ours is not None
        assert isinstance(keys["keys"], dict)
        name = ours.vapid if known else None
        found.append(Recipient(str(keys["endpoint"]), PushKeys(**keys["keys"], vapid=name)))
        assert other != public_key_of(KEY)
    return found


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("status", [401, 403])
def test_a_service_that_accepted_one_and_refuses_everybody_since_condemns_nobody(
    services: tuple[FakePush, FakePush], channel: PushChannel, status: int, batch_size: int
) -> None:
    """Whatever was accepted a moment ago: a refused signature is nobody's own fault until the next is accepted."""
    service, _ = services
    assert verdicts(list(send(channel, (service, 1)).values())) == {(Verdict.accepted, "")}
    service.trouble_for = lambda _: Trouble(status)  # type: ignore[method-assign]
    told = [
        one for first in range(2, 102, batch_size) for one in send(channel, (service, batch_size), first=first).values()
    ]
    assert {one.verdict for one in told} == {Verdict.deferred}
    assert {one.reason for one in told} <= {"vapid_rejected", "batch_time_over"}
    by_provider = sum(one.blame is Blame.provider for one in told)
    assert by_provider >= 90 if batch_size < 100 else by_provider >= 10, "from the fifth on it is the service"


def test_a_refused_signature_wipes_no_list_even_if_it_was_accepted_with_another(
    services: tuple[FakePush, FakePush],
) -> None:
    """Accepted yesterday says nothing of a signature made today: only the very one that was accepted is proven."""
    service, _ = services
    clock = [time.time()]
    signer = VapidSigner(KEY, "mailto:a@alerts.example", lambda: clock[0])
    channel = PushChannel(signer, extra_hosts=[service.host])
    assert verdicts(list(send(channel, (service, 1)).values())) == {(Verdict.accepted, "")}
    service.trouble_for = lambda _: Trouble(403)  # type: ignore[method-assign]
    [doubted] = send(channel, (service, 1), first=2).values()
    assert (doubted.verdict, doubted.blame) == (Verdict.deferred, Blame.message)
    clock[0] += 7 * 3600
    renewed = send(channel, (service, 5), first=3).values()
    assert {(one.verdict, one.blame) for one in renewed} == {(Verdict.deferred, Blame.provider)}
    channel.close()


@pytest.mark.parametrize(("known", "blame"), [(False, Blame.address), (True, Blame.message)])
def test_one_browser_of_another_key_among_many_is_found_and_nobody_waits_for_it(
    services: tuple[FakePush, FakePush], channel: PushChannel, *, known: bool, blame: Blame
) -> None:
    """It is gone only where we never knew which key it was subscribed with; else its message alone fails."""
    service, _ = services
    assert verdicts(list(send(channel, (service, 1)).values())) == {(Verdict.accepted, "")}
    people = [browser(service) for _ in range(40)]
    people[20:20] = strangers(service, 1, known=known)
    told = {one.delivery_id: one for one in channel.send([envelope_for(n, who) for n, who in enumerate(people, 2)])}
    alone = told.pop(22)
    assert (alone.verdict, alone.reason, alone.blame) == (Verdict.refused, "other_vapid_key", blame)
    assert verdicts(list(told.values())) == {(Verdict.accepted, "")}


def test_one_browser_of_another_key_that_is_always_asked_last_is_found_the_second_time(
    services: tuple[FakePush, FakePush], channel: PushChannel
) -> None:
    service, _ = services
    [stranger] = strangers(service, 1, known=False)
    send(channel, (service, 1))
    [first] = channel.send([envelope_for(2, stranger)])
    assert (first.verdict, first.reason, first.blame) == (Verdict.deferred, "vapid_rejected", Blame.message)
    send(channel, (service, 1), first=3)
    [second] = channel.send([envelope_for(2, stranger)])
    assert (second.verdict, second.reason, second.blame) == (Verdict.refused, "other_vapid_key", Blame.address)


class Saying(FakePush):
    """Refuses with a body of its own."""

    body = b""

    def respond(self, request: Request) -> Answer:
        return Answer(400, self.body) if request.path.startswith("/push/") else super().respond(request)


@pytest.mark.parametrize(
    ("body", "verdict", "reason"),
    [
        (b"<TITLE>UnauthorizedRegistration</TITLE>", Verdict.deferred, "vapid_rejected"),
        (b'{"reason":"VapidPkHashMismatch"}', Verdict.deferred, "vapid_rejected"),
        (b'{"reason":"BadWebPushTopic"}', Verdict.refused, "rejected"),
        (b"x" * 60_000, Verdict.refused, "rejected"),
    ],
)
def test_a_400_may_mean_the_signature(body: bytes, verdict: Verdict, reason: str) -> None:
    service = Saying()
    service.body = body
    service.start()
    channel = PushChannel(VapidSigner(KEY, "mailto:a@alerts.example"), extra_hosts=[service.host])
    assert verdicts(list(send(channel, (service, 2)).values())) == {(verdict, reason)}
    channel.close()
    service.close()


def test_a_browser_of_another_key_is_not_asked_and_not_given_up(
    services: tuple[FakePush, FakePush], channel: PushChannel
) -> None:
    """Its key may come back; a service that refused it would count against everybody."""
    service, _ = services
    ours = browser(service)
    assert ours.push_keys is not None
    theirs = Recipient(ours.address, PushKeys(ours.push_keys.p256dh, ours.push_keys.auth, "another"))
    unknown = Recipient(ours.address, PushKeys(ours.push_keys.p256dh, ours.push_keys.auth))
    lost, sent = channel.send([envelope_for(1, theirs), envelope_for(2, unknown)])
    assert (lost.verdict, lost.reason, lost.blame) == (Verdict.refused, "other_vapid_key", Blame.message)
    assert sent.verdict is Verdict.accepted
    assert len(service.requests) == 1


def test_a_subscription_remembers_the_key_it_was_made_with_and_one_made_with_another_is_refused() -> None:
    service, public = FakePush(), public_key_of(KEY)
    subscription = service.subscribe(public)
    hosts = [service.host]
    plain = parse_push_subscription(subscription, extra_hosts=hosts, our_key=public)
    said = parse_push_subscription(
        subscription | {"applicationServerKey": public + "="}, extra_hosts=hosts, our_key=public
    )
    assert isinstance(plain, PushSubscription)
    assert plain == said
    assert plain.keys.vapid == key_name(public) == VapidSigner(KEY, "mailto:a@alerts.example").key_name
    other = subscription | {"applicationServerKey": public_key_of(generate_private_key())}
    found = parse_push_subscription(other, extra_hosts=hosts, our_key=public)
    assert isinstance(found, tuple)
    assert [(fault.field, fault.code) for fault in found] == [("customer.push.applicationServerKey", "OTHER_VAPID_KEY")]
    assert isinstance(
        parse_push_subscription(subscription | {"applicationServerKey": 7}, extra_hosts=hosts), PushSubscription
    )
    service.close()


def test_what_is_sealed_never_exceeds_what_every_service_takes(services: tuple[FakePush, FakePush]) -> None:
    sealer = Sealer(VapidSigner(KEY, "mailto:a@alerts.example"))
    keys = browser(services[0]).push_keys
    assert keys is not None
    assert len(sealer.encrypt(b"x" * 2048, keys)) <= 2048 + 103
    with pytest.raises(Exception, match="too_large"):
        sealer.encrypt(b"x" * 4000, keys)
