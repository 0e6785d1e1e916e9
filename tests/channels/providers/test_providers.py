"""What each provider's answers mean, what shares a call, and that a provider sends what the mail server would."""

from __future__ import annotations

import email.policy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from email import message_from_bytes
from typing import Any

import pytest

from restock.channels.email.message import Sender, compose
from restock.channels.email.providers.calls import Reply
from restock.channels.email.providers.catalogue import KINDS, ProviderName
from restock.channels.email.providers.letters import Letter, bytes_of, write_letter
from restock.channels.email.providers.postmark import CODES
from restock.channels.email.providers.resend import NAMES
from restock.channels.email.providers.routing import RoutingChannel, provider_of
from restock.channels.values import Blame, Doubt, Envelope, MessageLinks, Outcome, Recipient, Verdict
from restock.playground.fake_http import Answer, Trouble
from tests.channels.benches import envelope_for, notice_for, turn_for
from tests.channels.providers.benches import FAKES, choice_of, mark, nobody, open_routing
from tests.channels.providers.fakes import FakeEsp, FakePostmark, FakeResend, FakeSendGrid

PROVIDERS = list(FAKES)
ACCEPTED, REFUSED, DEFERRED, UNANSWERED = Verdict.accepted, Verdict.refused, Verdict.deferred, Verdict.unanswered
MESSAGE, ADDRESS, PROVIDER = Blame.message, Blame.address, Blame.provider


def envelopes(name: ProviderName, count: int, start: int = 1) -> list[Envelope]:
    people = range(start, start + count)
    return [replace(envelope_for(n, Recipient(f"ada{n}@mail.example")), sender=choice_of(name)) for n in people]


def letter_of(name: ProviderName, number: int = 1) -> Letter:
    [envelope] = envelopes(name, 1, number)
    return write_letter(envelope, choice_of(name), mark(number))


@pytest.fixture(params=PROVIDERS)
def name(request: pytest.FixtureRequest) -> ProviderName:
    found: ProviderName = request.param
    return found


@pytest.fixture
def peer(name: ProviderName) -> Iterator[FakeEsp]:
    started = FAKES[name]()
    started.start()
    yield started
    started.close()


@pytest.fixture
def channel(name: ProviderName, peer: FakeEsp) -> Iterator[RoutingChannel]:
    opened = open_routing(peer, name)
    yield opened
    opened.close()


def test_a_batch_takes_as_few_calls_as_the_provider_allows(
    name: ProviderName, peer: FakeEsp, channel: RoutingChannel
) -> None:
    told = list(channel.send(envelopes(name, 101)))  # one more than the least that any takes
    assert {one.verdict for one in told} == {ACCEPTED}
    most = provider_of(name, choice_of(name)).most
    assert len(peer.requests) == -(-101 // most)
    assert sorted(message.to for message in peer.taken) == sorted(f"ada{n}@mail.example" for n in range(1, 102))


def test_each_message_says_what_the_mail_servers_says(
    name: ProviderName, peer: FakeEsp, channel: RoutingChannel
) -> None:
    """Subject, both texts, and the headers that people and mailboxes act on, for different notices in one batch."""
    notices = [notice_for(1), turn_for(2, "fr"), notice_for(3, locale="ar"), turn_for(4)]
    batch = [
        replace(envelope_for(n, Recipient(f"ada{n}@mail.example"), notice), sender=choice_of(name))
        for n, notice in enumerate(notices, start=1)
    ]
    list(channel.send(batch))
    taken = {message.to: message for message in peer.taken}
    for envelope in batch:
        mail = compose(envelope, Sender("hello@shop.example"))
        wanted: Any = message_from_bytes(mail.content, policy=email.policy.default)
        got = taken[mail.recipient]
        assert got.subject == str(wanted["Subject"])
        for part, said in (("plain", got.text), ("html", got.html)):
            assert said.split() == wanted.get_body((part,)).get_content().split()
        for header in ("Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted"):
            assert got.headers[header] == str(wanted[header]), header
        assert got.mark == mark(envelope.delivery_id)
        assert got.sender.endswith("<hello@shop.example>")


def test_mailgun_gets_the_message_the_mail_server_gets() -> None:
    letter = letter_of(ProviderName.mailgun)
    [envelope] = envelopes(ProviderName.mailgun, 1)
    mail = compose(envelope, Sender("hello@shop.example"))
    both: list[Any] = [message_from_bytes(raw, policy=email.policy.default) for raw in (bytes_of(letter), mail.content)]
    assert both[0].items() == both[1].items()
    ours, theirs = ([part.get_content() for part in whole.iter_parts()] for whole in both)
    assert ours == theirs


def test_every_link_that_is_a_persons_own_is_taken_out_of_what_sendgrids_calls_share() -> None:
    """A link nobody thought of there would make each message a call of its own."""
    provider = provider_of(ProviderName.sendgrid, choice_of(ProviderName.sendgrid))
    letters = []
    for number, envelope in enumerate(envelopes(ProviderName.sendgrid, 5), start=1):
        links = {link.name: f"https://a.example/{link.name}/{number:06d}.sig" for link in fields(MessageLinks)}
        notice = replace(envelope.notice, links=MessageLinks(**links))
        letters.append(write_letter(replace(envelope, notice=notice), choice_of(ProviderName.sendgrid), mark(number)))
    assert [len(group) for group in provider.groups(letters)] == [5]
    body = json.loads(provider.call(letters).body)
    assert len(body["personalizations"][0]["substitutions"]) == len(fields(MessageLinks))


def test_one_dead_address_costs_nobody_else_a_message_nor_many_calls(
    name: ProviderName, peer: FakeEsp, channel: RoutingChannel
) -> None:
    peer.dead |= {"ada7@mail.example", "ada90@mail.example"}
    told = {one.delivery_id: one for one in channel.send(envelopes(name, 100))}
    refused = {number for number, one in told.items() if one.verdict is REFUSED}
    assert refused == {7, 90}
    assert {told[number].blame for number in refused} == {ADDRESS}
    assert len(peer.taken) == len({message.to for message in peer.taken}) == 98
    if name is not ProviderName.mailgun:
        assert len(peer.requests) <= 30


def test_a_wrong_key_is_found_out_once_and_nothing_more_is_handed_over(
    name: ProviderName, peer: FakeEsp, channel: RoutingChannel
) -> None:
    batch = [replace(one, sender=replace(choice_of(name), secret="wrong")) for one in envelopes(name, 60)]
    told = list(channel.send(batch))
    assert {(one.verdict, one.blame, one.reason) for one in told} == {(DEFERRED, PROVIDER, "login_rejected")}
    assert {one.service for one in told} == {f"{name}:1:1"}
    assert len(peer.requests) <= 8  # those that were under way at once
    assert peer.taken == []


def test_a_call_that_asks_for_a_moment_is_made_again_within_the_batch(
    name: ProviderName, peer: FakeEsp, channel: RoutingChannel
) -> None:
    peer.troubles.extend([Trouble(429, retry_after="0")] * 2)
    told = list(channel.send(envelopes(name, 3)))
    assert {one.verdict for one in told} == {ACCEPTED}
    assert len(peer.taken) == 3


def test_a_redirect_is_not_followed_and_is_the_providers_fault(
    name: ProviderName, peer: FakeEsp, channel: RoutingChannel
) -> None:
    peer.respond = lambda request: Answer(307, None, {"Location": f"{peer.url}/elsewhere"})  # type: ignore[method-assign]
    told = list(channel.send(envelopes(name, 1)))
    assert [(one.verdict, one.blame) for one in told] == [(DEFERRED, PROVIDER)]
    assert len(peer.requests) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 50_000, b'{"data":' + b" " * 2_000_000, b"[]", b"{}", b"null"])
def test_an_answer_that_makes_no_sense_leaves_the_message_in_doubt(
    name: ProviderName, peer: FakeEsp, channel: RoutingChannel, body: bytes
) -> None:
    if name is ProviderName.sendgrid:
        pytest.skip("SendGrid answers nothing but a status")
    peer.respond = lambda request: Answer(200, body)  # type: ignore[method-assign]
    assert [one.verdict for one in channel.send(envelopes(name, 1))] == [UNANSWERED]


def test_an_answer_without_end_is_cut_off_and_the_next_call_is_answered_all_the_same(
    name: ProviderName, peer: FakeEsp, channel: RoutingChannel
) -> None:
    """What is left of the first must not be taken for the second's."""
    whole, first = peer.respond, envelopes(name, 1)
    peer.respond = lambda request: Answer(500, b" " * 3_000_000)  # type: ignore[method-assign]
    assert [one.verdict for one in channel.send(first)] == [UNANSWERED]
    peer.respond = whole  # type: ignore[method-assign]
    assert [one.verdict for one in channel.send(envelopes(name, 1, start=2))] == [ACCEPTED]


BY_STATUS = {
    401: (DEFERRED, PROVIDER),
    402: (DEFERRED, PROVIDER),
    403: (DEFERRED, PROVIDER),
    404: (DEFERRED, PROVIDER),
    413: (REFUSED, MESSAGE),
    418: (REFUSED, MESSAGE),
    429: (DEFERRED, MESSAGE),
    500: (UNANSWERED, MESSAGE),
    502: (UNANSWERED, MESSAGE),
    503: (DEFERRED, PROVIDER),
    504: (UNANSWERED, MESSAGE),
    302: (DEFERRED, PROVIDER),
}


def read(
    name: ProviderName, status: int, said: Any, count: int = 1, headers: Mapping[str, str] | None = None
) -> list[Outcome] | None:
    provider = provider_of(name, choice_of(name))
    letters = [letter_of(name, n) for n in range(1, count + 1)]
    told = provider.read(letters, Reply(status, said, headers or {}), 0.0)
    return None if told is None else list(told)


@pytest.mark.parametrize(("status", "meant"), BY_STATUS.items())
def test_a_status_without_words_is_judged_alike_for_all(
    name: ProviderName, status: int, meant: tuple[Verdict, Blame]
) -> None:
    told = read(name, status, None)
    assert told is not None
    assert [(one.verdict, one.blame) for one in told] == [meant]


def judged(told: list[Outcome] | None) -> tuple[Verdict, str, Blame]:
    assert told is not None
    [one] = told
    return one.verdict, one.reason, one.blame


POSTMARK = [
    (0, "OK", (ACCEPTED, "", MESSAGE)),
    (406, "inactive", (REFUSED, "suppressed_by_provider", ADDRESS)),
    (300, "Invalid 'To' address: 'x'.", (REFUSED, "invalid_address", ADDRESS)),
    (300, "Invalid 'From' address.", (REFUSED, "rejected", MESSAGE)),
    (300, "The message is too large.", (REFUSED, "too_large", MESSAGE)),
    (400, "", (DEFERRED, "sender_refused", PROVIDER)),
    (401, "", (DEFERRED, "sender_refused", PROVIDER)),
    (405, "", (DEFERRED, "quota_used_up", PROVIDER)),
    (412, "", (DEFERRED, "account_rejected", PROVIDER)),
    (1235, "", (DEFERRED, "account_rejected", PROVIDER)),
    (99999, "new", (REFUSED, "rejected", MESSAGE)),
]


@pytest.mark.parametrize(("code", "text", "meant"), POSTMARK)
def test_postmarks_codes(code: int, text: str, meant: tuple[Verdict, str, Blame]) -> None:
    said = [{"ErrorCode": code, "Message": text, "MessageID": "m-1"}]
    assert judged(read(ProviderName.postmark, 200, said)) == meant


def test_only_a_word_about_the_recipient_condemns_an_address() -> None:
    """No table may suppress somebody for what is our fault, or the shop's."""
    assert [code for code, ruling in CODES.items() if ruling.blame is ADDRESS] == [406]
    assert [word for word, ruling in NAMES.items() if ruling.blame is ADDRESS] == []


RESEND = [
    (401, "invalid_api_key", "", (DEFERRED, "login_rejected", PROVIDER)),
    (403, "validation_error", "The x.example domain is not verified.", (DEFERRED, "sender_refused", PROVIDER)),
    (422, "validation_error", "Invalid `to` field.", (REFUSED, "invalid_address", ADDRESS)),
    (422, "validation_error", "Invalid `reply_to` field.", (REFUSED, "rejected", MESSAGE)),
    (429, "daily_quota_exceeded", "", (DEFERRED, "quota_used_up", PROVIDER)),
    (429, "rate_limit_exceeded", "", (DEFERRED, "rate_limited", MESSAGE)),
    (409, "concurrent_idempotent_requests", "", (UNANSWERED, "provider_error", MESSAGE)),
    (409, "invalid_idempotent_request", "", (UNANSWERED, "provider_error", MESSAGE)),
    (500, "internal_server_error", "", (UNANSWERED, "provider_error", MESSAGE)),
]


@pytest.mark.parametrize(("status", "word", "text", "meant"), RESEND)
def test_resends_words(status: int, word: str, text: str, meant: tuple[Verdict, str, Blame]) -> None:
    said = {"statusCode": status, "name": word, "message": text}
    assert judged(read(ProviderName.resend, status, said)) == meant


SENDGRID = [
    (202, None, None, (ACCEPTED, "", MESSAGE)),
    (400, "personalizations.0.to.0.email", "Does not contain a valid address.", (REFUSED, "invalid_address", ADDRESS)),
    (400, "subject", "The subject is required.", (REFUSED, "rejected", MESSAGE)),
    (
        403,
        "from",
        "The from address does not match a verified Sender Identity.",
        (DEFERRED, "sender_refused", PROVIDER),
    ),
    (401, None, "Maximum credits exceeded", (DEFERRED, "quota_used_up", PROVIDER)),
    (401, None, "The provided authorization grant is invalid", (DEFERRED, "login_rejected", PROVIDER)),
]


@pytest.mark.parametrize(("status", "where", "text", "meant"), SENDGRID)
def test_sendgrids_errors(status: int, where: str | None, text: str | None, meant: tuple[Verdict, str, Blame]) -> None:
    said = {"errors": [{"field": where, "message": text}]} if text else None
    assert judged(read(ProviderName.sendgrid, status, said)) == meant


MAILGUN = [
    (200, {"id": "<a@b.example>", "message": "Queued."}, (ACCEPTED, "", MESSAGE)),
    (400, {"message": "'to' parameter is not a valid address."}, (REFUSED, "invalid_address", ADDRESS)),
    (400, {"message": "'from' parameter is not a valid address."}, (DEFERRED, "sender_refused", PROVIDER)),
    (401, None, (DEFERRED, "login_rejected", PROVIDER)),
    (403, {"message": "Domain x is not allowed to send: free accounts"}, (DEFERRED, "account_rejected", PROVIDER)),
    (404, {"message": "Domain not found: x"}, (DEFERRED, "account_rejected", PROVIDER)),
]


@pytest.mark.parametrize(("status", "said", "meant"), MAILGUN)
def test_mailguns_answers(status: int, said: Any, meant: tuple[Verdict, str, Blame]) -> None:
    assert judged(read(ProviderName.mailgun, status, said)) == meant


def test_a_call_refused_for_one_of_several_is_looked_into() -> None:
    said = {"statusCode": 422, "name": "validation_error", "message": "Invalid `to` field."}
    assert read(ProviderName.resend, 422, said, count=2) is None
    assert read(ProviderName.sendgrid, 400, {"errors": []}, count=2) is None


def test_a_wish_to_wait_is_passed_on(name: ProviderName) -> None:
    told = read(name, 429, None, headers={"Retry-After": "7"})
    assert told is not None
    assert told[0].retry_after_seconds == 7.0


def test_messages_that_differ_in_more_than_their_links_share_no_call_of_sendgrids() -> None:
    provider = provider_of(ProviderName.sendgrid, choice_of(ProviderName.sendgrid))
    alike = [letter_of(ProviderName.sendgrid, n) for n in range(1, 6)]
    other = [replace(letter_of(ProviderName.sendgrid, 6), subject="another")]
    assert sorted(len(group) for group in provider.groups([*alike, *other])) == [1, 5]


def test_a_text_that_already_holds_a_place_for_a_link_is_sent_as_it_is() -> None:
    peer = FakeSendGrid()
    peer.start()
    channel = open_routing(peer, ProviderName.sendgrid)
    notice = notice_for(1)
    assert notice.product is not None
    hostile = replace(notice, product=replace(notice.product, title="%rsk-link-0% %rsk-link-1%"))
    [envelope] = envelopes(ProviderName.sendgrid, 1)
    list(channel.send([replace(envelope, notice=hostile)]))
    channel.close()
    peer.close()
    assert "%rsk-link-0% %rsk-link-1%" in peer.taken[0].text
    assert json.loads(peer.requests[0].body)["personalizations"][0]["substitutions"] == {}


def test_the_same_messages_are_the_same_call_of_resends_and_others_are_another() -> None:
    provider = provider_of(ProviderName.resend, choice_of(ProviderName.resend))
    one, two = letter_of(ProviderName.resend, 1), letter_of(ProviderName.resend, 2)
    keys = [provider.call(letters).headers["Idempotency-Key"] for letters in ([one], [one], [two], [one, two])]
    assert len(set(keys)) == 3
    assert keys[0] == keys[1]


def test_what_a_doubt_comes_to_is_known_of_every_provider() -> None:
    """Where the Message-ID stays ours a repeat replaces the first; where it does not, nothing is sent twice."""
    doubts = {name: kind.doubt for name, kind in KINDS.items()}
    assert doubts == dict.fromkeys(ProviderName, Doubt.resend_once) | {ProviderName.resend: Doubt.at_most_once}


def test_senders_of_one_batch_are_kept_apart_and_an_unknown_provider_waits() -> None:
    postmark, resend = FakePostmark(), FakeResend()
    for each in (postmark, resend):
        each.start()
    hosts = {ProviderName.postmark: postmark.url, ProviderName.resend: resend.url}
    channel = RoutingChannel(None, nobody, mark, hosts=hosts)
    later = replace(choice_of(ProviderName.resend), provider="pigeon", service="pigeon:1:1")
    first, second, third, fourth = envelopes(ProviderName.postmark, 4)
    second = replace(second, sender=replace(choice_of(ProviderName.resend)))
    batch = [first, second, replace(third, sender=later), replace(fourth, sender=None)]
    told = {one.delivery_id: (one.verdict, one.reason, one.service) for one in channel.send(batch)}
    channel.close()
    for each in (postmark, resend):
        each.close()
    assert told == {
        1: (ACCEPTED, "", "postmark:1:1"),
        2: (ACCEPTED, "", "resend:1:1"),
        3: (DEFERRED, "no_sender", "pigeon:1:1"),
        4: (DEFERRED, "no_sender", None),
    }


class TakesNothing(RoutingChannel):
    """Stands for a mail server."""

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        return iter(())


def test_amazons_mail_servers_are_spoken_to_as_mail_servers() -> None:
    seen: list[str] = []

    def open_server(url: str, sender: Sender) -> RoutingChannel:
        seen.extend([url, sender.address])
        return TakesNothing(None, nobody, mark)

    channel = RoutingChannel(None, open_server, mark)
    choice = replace(choice_of(ProviderName.ses), secret="AKIA:p@ss/w:rd", options={"region": "eu-west-1"})
    list(channel.send([replace(envelopes(ProviderName.postmark, 1)[0], sender=choice)]))
    channel.close()
    assert seen == [
        "smtp://AKIA:p%40ss%2Fw%3Ard@email-smtp.eu-west-1.amazonaws.com:587?starttls=1",
        "hello@shop.example",
    ]


def test_neither_a_key_nor_an_address_is_in_what_is_shown_of_a_choice_or_a_call() -> None:
    for kind in PROVIDERS:
        provider = provider_of(kind, choice_of(kind))
        letter = letter_of(kind)
        shown = repr(
            (choice_of(kind), provider, letter, provider.call([letter]), Reply(200, {"x": "ada1@"}, {"a": "ada1@"}))
        )
        assert "canary" not in shown
        assert "ada1@" not in shown
