"""What the delivery engine may rely on, the same for every channel, over real sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from restock.channels.values import Blame, Doubt, Envelope, NoticeKind, Outcome, ProductFacts, ShopFacts, Verdict
from tests.channels.benches import BENCHES, OWN_TEXTS, PRODUCT, SILENCE_SECONDS, Bench, notice_for, turn_for
from tests.channels.providers.benches import PROVIDER_BENCHES

ALL = {**BENCHES, **PROVIDER_BENCHES}


@pytest.fixture(params=[(name, own) for name in ALL for own in ("ours", "own")], ids="-".join)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Every channel, with messages in our phrases and in a shop's own words."""
    name, words = request.param
    opened = ALL[name]()
    if words == "own":
        opened.texts = OWN_TEXTS
    yield opened
    opened.close()


@pytest.fixture(params=ALL)
def plain(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Every channel, where it does not matter what the messages say."""
    opened = ALL[request.param]()
    yield opened
    opened.close()


def send(bench: Bench, envelopes: Sequence[Envelope]) -> dict[int, Outcome]:
    """Send a batch and check what always holds: one outcome for each envelope, and only for those."""
    outcomes = list(bench.channel.send(envelopes))
    assert Counter(o.delivery_id for o in outcomes) == Counter(e.delivery_id for e in envelopes)
    return {outcome.delivery_id: outcome for outcome in outcomes}


def test_a_batch_is_accepted_and_arrives_once(bench: Bench) -> None:
    envelopes = [bench.envelope(number) for number in range(1, 21)]
    outcomes = send(bench, envelopes)
    assert {outcome.verdict for outcome in outcomes.values()} == {Verdict.accepted}
    assert len(set(bench.received())) == len(bench.received()) == 20


def test_an_empty_batch_is_no_trouble(plain: Bench) -> None:
    assert send(plain, []) == {}


def test_a_dead_address_is_refused_and_the_others_go_on(bench: Bench) -> None:
    first, dead, last = (bench.envelope(number) for number in (1, 2, 3))
    bench.kill(dead)
    outcomes = send(bench, [first, dead, last])
    assert (outcomes[2].verdict, outcomes[2].blame) == (Verdict.refused, Blame.address)
    assert outcomes[2].reason
    assert outcomes[1].verdict is outcomes[3].verdict is Verdict.accepted
    assert len(bench.received()) == 2


def test_not_now_is_deferred_and_condemns_nobody(bench: Bench) -> None:
    first, busy, last = (bench.envelope(number) for number in (1, 2, 3))
    bench.postpone(busy)
    outcomes = send(bench, [first, busy, last])
    assert (outcomes[2].verdict, outcomes[2].blame) == (Verdict.deferred, Blame.message)
    assert outcomes[2].retry_after_seconds == (7.0 if bench.says_when else None)
    assert outcomes[1].verdict is outcomes[3].verdict is Verdict.accepted


def test_a_provider_that_is_away_defers_everything_and_condemns_nobody(bench: Bench) -> None:
    envelopes = [bench.envelope(number) for number in range(1, 6)]
    bench.stop()
    outcomes = send(bench, envelopes)
    assert {(o.verdict, o.blame) for o in outcomes.values()} == {(Verdict.deferred, bench.down_blame)}


def test_a_message_taken_without_an_answer_is_in_doubt_and_the_others_go_on(bench: Bench) -> None:
    first, doubtful, last = (bench.envelope(number) for number in (1, 2, 3))
    bench.swallow(doubtful)
    outcomes = send(bench, [first, doubtful, last])
    assert outcomes[2].verdict is Verdict.unanswered
    assert outcomes[1].verdict is outcomes[3].verdict is Verdict.accepted
    assert len(bench.received()) == 3


def test_a_silent_provider_is_given_up_in_time_and_the_message_is_in_doubt(plain: Bench) -> None:
    silent, last = plain.envelope(1), plain.envelope(2)
    plain.wait_no_longer_than(SILENCE_SECONDS)
    plain.hang(silent)
    outcomes = send(plain, [silent, last])
    assert outcomes[1].verdict is Verdict.unanswered
    assert outcomes[2].verdict is Verdict.accepted


def test_a_doubtful_message_can_be_looked_up_or_says_it_cannot(plain: Bench) -> None:
    taken, never = plain.envelope(1), plain.envelope(2)
    plain.swallow(taken)
    send(plain, [taken])
    assert plain.channel.lookup([taken, never]) == ({1: True, 2: False} if plain.can_look_up else {})
    assert (plain.channel.doubt is Doubt.at_most_once) == plain.can_look_up


def test_a_lookup_while_the_provider_is_away_claims_nothing(plain: Bench) -> None:
    envelope = plain.envelope(1)
    plain.stop()
    assert plain.channel.lookup([envelope]) == {}


def test_a_repeat_carries_the_same_mark_so_that_it_replaces_the_first(bench: Bench) -> None:
    envelope = bench.envelope(1)
    send(bench, [envelope])
    send(bench, [replace(envelope, attempt=2)])
    assert len(set(bench.received())) == 1  # once, where the provider itself tells a repeat


def test_a_reminder_is_a_message_of_its_own_and_replaces_no_other(bench: Bench) -> None:
    offer = bench.envelope(1)
    reminder = bench.envelope(2, notice_for(2, NoticeKind.reminder))
    send(bench, [offer, replace(reminder, recipient=offer.recipient)])
    first, second = bench.received()
    assert first != second


def test_a_recipient_that_should_never_have_come_this_far_is_refused_alone(bench: Bench) -> None:
    hostile = [replace(bench.envelope(n), recipient=who) for n, who in enumerate(bench.hostile(), start=10)]
    outcomes = send(bench, [bench.envelope(1), *hostile, bench.envelope(2)])
    assert {outcomes.pop(number).verdict for number in (1, 2)} == {Verdict.accepted}
    assert {outcome.verdict for outcome in outcomes.values()} == {Verdict.refused}
    assert len(bench.received()) == 2


SOME_LANGUAGES = ("en", "ar", "he", "ja", "pl", "zh-TW", "fr-CA", "xx")
HOSTILE_TEXTS = [
    "x\r\nBcc: eve@evil.example\r\n\r\ninjected",
    "\r\n.\r\nMAIL FROM:<eve@evil.example>",
    "<script>alert(1)</script>\u202e\x00\x1b[2J",
    "{{ 7*7 }}{shop}{0}%s",
    "\ud800 lone surrogate",
    "🛒" * 3000,
    "",
    " ",
]


def test_a_hostile_text_stays_one_message(bench: Bench) -> None:
    for number, text in enumerate(HOSTILE_TEXTS, start=1):
        base = notice_for(number)
        shop = ShopFacts(base.shop.domain, text, base.shop.url)
        notice = replace(base, shop=shop, product=ProductFacts(text, text, text, text, 3), locale=text[:10])
        outcomes = send(bench, [bench.envelope(number, notice), bench.envelope(100 + number)])
        assert {outcome.verdict for outcome in outcomes.values()} == {Verdict.accepted}, text
        assert len(bench.received()) == 2 * number, text


def test_every_kind_of_message_leaves_in_languages_of_all_sorts_with_and_without_the_goods(bench: Bench) -> None:
    """That each of the languages can say everything is shown where the phrases are.

    Each kind meets each language, and each of both comes with the goods and without.
    """
    notices = [
        replace(
            turn_for(1, locale) if kind is None else notice_for(1, kind, locale),
            product=(None, PRODUCT)[(row + at) % 2],
        )
        for row, kind in enumerate((None, *NoticeKind))
        for at, locale in enumerate(SOME_LANGUAGES)
    ]
    outcomes = send(bench, [bench.envelope(number, notice) for number, notice in enumerate(notices, start=1)])
    assert {outcome.verdict for outcome in outcomes.values()} == {Verdict.accepted}


def test_a_batch_that_has_run_out_of_time_sends_nothing_more(bench: Bench) -> None:
    channel = bench.open(batch_seconds=-1.0)
    outcomes = list(channel.send([bench.envelope(1), bench.envelope(2)]))
    channel.close()
    assert {(o.verdict, o.reason) for o in outcomes} == {(Verdict.deferred, "batch_time_over")}
    assert bench.received() == []


def test_a_closed_channel_opens_again(bench: Bench) -> None:
    send(bench, [bench.envelope(1)])
    bench.channel.close()
    bench.channel.close()
    assert send(bench, [bench.envelope(2)])[2].verdict is Verdict.accepted


def test_no_outcome_repeats_an_address(bench: Bench) -> None:
    dead, fine = bench.envelope(1), bench.envelope(2)
    bench.kill(dead)
    shown = repr(send(bench, [dead, fine])) + repr([dead, fine])
    assert dead.recipient.address not in shown
    assert fine.recipient.address not in shown
