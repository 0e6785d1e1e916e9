"""Requests one by one: what is told, what is erased, and what happens when something else happens meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import text

from restock.channels.port import Channel
from restock.channels.values import Blame, ChannelName, Doubt, Envelope, Outcome, Verdict
from restock.errors import NotFoundError
from restock.links import Vault
from restock.privacy.service import PrivacyService
from tests.flows.story import SHOP, VARIANT, Story
from tests.privacy.conftest import Stage
from tests.privacy.search import count_rows, search_database

ADA, GRACE = {"email": "ada@marks-mail.com"}, {"email": "grace@marks-mail.com"}


def ask(story: Story, topic: str, customer: Mapping[str, object], shop: str = SHOP, **more: object) -> None:
    own = {"customers/redact": {"orders_to_redact": []}, "customers/data_request": {"data_request": {"id": 9999}}}
    body = {"shop_id": 954889, "shop_domain": shop} | own.get(topic, {}) | more
    assert story.webhook(topic, body | ({"customer": customer} if customer else {})).status_code == 200
    while story.services.inbox.apply_due():
        pass


def post(story: Story, customer: Mapping[str, object], variant: int = VARIANT) -> str:
    """Post an intent; return the customer's handle."""
    intent = {"shopify_variant_id": variant, "shopify_product_id": 632910392, "channel": "email"}
    body = {"intent": intent, "customer": customer}
    answer = story.client.post("/api/v1/intents.json", json=body, headers={"X-Shopify-Shop-Domain": SHOP})
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["customer"]["id"])


def redact(story: Story, customer: Mapping[str, object]) -> None:
    ask(story, "customers/redact", customer)
    assert story.services.privacy.work_due(seconds=30) == 1


def rows(story: Story, query: str) -> list[tuple[object, ...]]:
    with story.services.database.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


def is_gone(story: Story, mark: str) -> bool:
    return search_database(story.services.database.dsn, {"mark": mark.encode()}) == set()


def test_the_units_of_an_erased_person_go_to_whoever_is_next(stage: Stage) -> None:
    """Ada was told and it is her turn for the only unit; erased, her turn ends and Grace is told."""
    story = stage.story
    story.services.shops.change_settings(SHOP, {"policy": "strict"})
    post(story, ADA)
    post(story, GRACE)
    story.stock(1)
    story.settle()
    assert [address for address, _ in stage.mails] == [ADA["email"]]
    redact(story, ADA)
    story.settle()
    assert [address for address, _ in stage.mails] == [ADA["email"], GRACE["email"]]
    assert rows(story, "SELECT state FROM offers ORDER BY id") == [("ended",), ("open",)]
    assert is_gone(story, ADA["email"])


def test_what_is_queued_is_not_sent_any_more(stage: Stage) -> None:
    story = stage.story
    post(story, ADA)
    story.stock(3)
    while story.services.inbox.apply_due():
        pass
    story.services.restocks.check_due()
    while story.services.restocks.plan_due():
        pass
    redact(story, ADA)
    story.settle()
    assert stage.mails == []
    assert rows(story, "SELECT state, reason, contact_id FROM deliveries") == [("skipped", "redacted", None)]
    assert rows(story, "SELECT state, reason FROM offers") == [("returned", "redacted")]
    assert rows(story, "SELECT state, end_reason, contact_id FROM subscriptions") == [("cancelled", "redacted", None)]


@dataclass
class WhileSending:
    """A channel during whose hand-over the person is erased."""

    story: Story
    outcome: Outcome
    name: ChannelName = ChannelName.email
    doubt: Doubt = Doubt.resend_once

    def send(self, envelopes: Sequence[Envelope]) -> Iterator[Outcome]:
        for envelope in envelopes:
            redact(self.story, ADA)
            yield replace(self.outcome, delivery_id=envelope.delivery_id)

    def lookup(self, envelopes: Sequence[Envelope]) -> dict[int, bool]:
        assert not envelopes, "nobody is asked about a person who was erased"
        return {}

    def close(self) -> None:
        """Nothing was opened."""


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome(0, Verdict.accepted, provider_message_id="marks-provider-id"), "sent"),
        (Outcome(0, Verdict.deferred, reason="greylisted", blame=Blame.address), "skipped"),
        (Outcome(0, Verdict.refused, reason="no_such_user", blame=Blame.address), "failed"),
        (Outcome(0, Verdict.unanswered, reason="cut"), "unknown"),  # nobody can say that it did not arrive
    ],
    ids=["accepted", "deferred", "refused", "unanswered"],
)
def test_a_message_on_its_way_does_not_bring_the_person_back(story: Story, outcome: Outcome, state: str) -> None:
    """The worker records what became of it, nothing more; what was not taken is not tried again."""
    channel: Channel = WhileSending(story, outcome)
    deliveries = replace(story.services.deliveries, channels={ChannelName.email: channel})
    post(story, ADA)
    story.stock(3)
    story.services.inbox.apply_due()
    story.services.restocks.check_due()
    story.services.restocks.plan_due()
    deliveries.drain(ChannelName.email, seconds=1)
    with story.services.database.transaction() as session:
        session.execute(text("UPDATE deliveries SET next_at = now()"))
        session.execute(text("UPDATE delivery_lanes SET next_at = now()"))
    for _ in range(3):
        deliveries.resolve_unknown()
        deliveries.drain(ChannelName.email, seconds=1)
    (found,) = rows(story, "SELECT state, contact_id, provider_message_id FROM deliveries")
    assert found == (state, None, None)
    assert rows(story, "SELECT * FROM suppressions") == []
    assert is_gone(story, ADA["email"])
    assert is_gone(story, "marks-provider-id")


def test_posts_that_race_an_erasure_end_as_one_or_the_other(story: Story) -> None:
    """Nobody gets an error, nothing is half there, and a last erasure leaves nothing."""
    services = story.services
    stop, faults = threading.Event(), []

    def post() -> None:
        client = story.client.application.test_client()
        while not stop.is_set():
            body = {
                "intent": {"shopify_variant_id": VARIANT, "shopify_product_id": 632910392, "channel": "email"},
                "customer": ADA | {"name": "Marked"},
            }
            answer = client.post("/api/v1/intents.json", json=body, headers={"X-Shopify-Shop-Domain": SHOP})
            if answer.status_code not in {200, 201, 429}:
                faults.append(answer.text)

    posters = [threading.Thread(target=post) for _ in range(3)]
    for poster in posters:
        poster.start()
    for _ in range(8):
        ask(story, "customers/redact", ADA)
        services.privacy.work_due(seconds=30)
    stop.set()
    for poster in posters:
        poster.join()
    assert faults == []
    orphans = """
        SELECT (SELECT count(*) FROM subscriptions s LEFT JOIN contacts c ON c.id = s.contact_id
                WHERE s.contact_id IS NOT NULL AND c.id IS NULL)
             + (SELECT count(*) FROM intents i LEFT JOIN customers c ON c.id = i.customer_id WHERE c.id IS NULL)
    """
    assert rows(story, orphans) == [(0,)]
    with services.database.transaction() as session:
        session.execute(text("UPDATE privacy_requests SET next_at = now() WHERE state = 'received'"))
    ask(story, "customers/redact", ADA)
    services.privacy.work_due(seconds=30)
    assert {line.state.value for line in services.privacy.requests(SHOP)} == {"done"}
    assert is_gone(story, ADA["email"])
    assert is_gone(story, "Marked")


def test_who_asks_again_is_new_and_welcome(story: Story) -> None:
    handle = post(story, ADA)
    redact(story, ADA)
    assert post(story, ADA | {"id": handle}) != handle
    assert rows(story, "SELECT count(*) FROM subscriptions WHERE state = 'active'") == [(1,)]


def test_an_erased_person_is_not_imported_again(story: Story) -> None:
    """Also when the signing key was changed meanwhile; in another shop nobody knows of it."""
    privacy = story.services.privacy
    shop_id = story.services.shops.add(SHOP).id
    post(story, ADA)
    redact(story, ADA | {"id": 77})
    later = replace(privacy, vault=Vault(["a-new-key-0001"]), older=[privacy.vault])
    stranger = replace(privacy, vault=Vault(["a-new-key-0001"]))
    with story.services.database.transaction() as session:
        for service, expected in ((privacy, True), (later, True), (stranger, False)):
            address = (ChannelName.email, ADA["email"])
            assert service.was_redacted(session, shop_id, [address]) is expected
            assert service.was_redacted(session, shop_id, [], 77) is expected
        assert not privacy.was_redacted(session, shop_id + 1, [address], 77)
        assert not privacy.was_redacted(session, shop_id, [], None)


def test_a_no_outlives_the_person(story: Story) -> None:
    """Who left the list and was erased is asked before anything is sent to that address again."""
    post(story, ADA)
    ((contact_id,),) = rows(story, "SELECT id FROM contacts")
    story.services.subscriptions.unsubscribe(int(str(contact_id)))
    redact(story, ADA)
    post(story, ADA)
    assert rows(story, "SELECT state FROM subscriptions WHERE contact_id IS NOT NULL") == [("pending",)]


def test_a_shared_browser_keeps_the_other_person(story: Story) -> None:
    post(story, GRACE | {"id": post(story, ADA | {"name": "Marked"})}, VARIANT + 1)
    redact(story, ADA)
    assert rows(story, "SELECT address FROM contacts") == [(GRACE["email"],)]
    assert rows(story, "SELECT count(*) FROM intents") == [(1,)]
    assert is_gone(story, ADA["email"])
    assert is_gone(story, "Marked")


def test_everything_held_is_told_to_the_merchant_for_thirty_days(story: Story) -> None:
    story.services.shops.add("other.myshopify.com")
    post(story, ADA | {"name": "<b>Marked</b>"})
    ask(story, "customers/data_request", ADA)
    privacy = story.services.privacy
    assert privacy.work_due(seconds=30) == 1
    (line,) = privacy.requests(SHOP)
    assert (line.kind.value, line.state.value, line.shopify_request_id) == ("data_request", "done", 9999)
    assert line.export_until is not None
    found = privacy.export(SHOP, line.id)
    told = json.loads(found.json)
    assert told["held"]["contacts"][0]["address"] == ADA["email"]
    assert told["held"]["customers"][0]["name"] == "<b>Marked</b>"
    assert [word["purpose"] for word in told["held"]["consents"]] == ["back_in_stock"]
    assert told["held"]["purchases"] == []
    assert "&lt;b&gt;Marked" in found.html
    assert "<b>Marked" not in found.html
    with pytest.raises(NotFoundError):
        privacy.export("other.myshopify.com", line.id)
    assert ADA["email"] not in repr(found)
    with story.services.database.transaction() as session:
        session.execute(text("UPDATE privacy_requests SET finished_at = now() - interval '31 days'"))
    with pytest.raises(NotFoundError, match="30 days"):
        privacy.export(SHOP, line.id)
    privacy.sweep(seconds=30)
    assert rows(story, "SELECT export_sealed FROM privacy_requests") == [(None,)]


def test_an_earlier_export_of_an_erased_person_goes_too(story: Story) -> None:
    for person in (ADA, GRACE):
        post(story, person)
        ask(story, "customers/data_request", person)
    redact_all(story)
    redact(story, ADA)
    kept = [line.export_until is not None for line in story.services.privacy.requests(SHOP)]
    assert kept == [False, True, False]


def test_an_export_goes_whatever_it_was_asked_for_by(story: Story) -> None:
    """Asked for by the address, erased by the number of the customer: what was shown is the person's all the same."""
    post(story, ADA | {"shopify_customer_id": "77123400567891"})
    ask(story, "customers/data_request", ADA)
    redact_all(story)
    redact(story, {"id": 77123400567891})
    assert rows(story, "SELECT count(*) FROM privacy_requests WHERE export_sealed IS NOT NULL") == [(0,)]


WAITING = {
    "the address in capitals": ("orders/create", {"email": "Ada@Marks-Mail.com"}, True),
    "the address of another topic": ("fulfillments/create", {"email": "ada@marks-mail.com"}, True),
    "the phone as it was typed": ("customers/update", {"phone": "(+91) 81236-76393"}, True),
    "the customer's number": ("orders/paid", {"customer": {"id": 77123400567891}}, True),
    "the customer's GraphQL id": ("orders/paid", {"a": "gid://shopify/Customer/77123400567891"}, True),
    "an order that is named": ("orders/paid", {"id": 66123400567892}, True),
    "a longer address": ("orders/create", {"email": "xada@marks-mail.com"}, False),
    "a longer number": ("orders/paid", {"id": 771234005678910}, False),
    "news of goods": ("products/update", {"id": 77123400567891}, False),
    "news of the app": ("app/uninstalled", {"email": "ada@marks-mail.com"}, False),
}


@pytest.mark.parametrize(("topic", "body", "emptied"), WAITING.values(), ids=WAITING.keys())
def test_a_webhook_that_waits_is_emptied_where_it_names_the_person(
    story: Story, topic: str, body: Mapping[str, object], emptied: bool
) -> None:
    story.webhook(topic, dict(body), "waits")
    with story.services.database.transaction() as session:  # held back, as one that failed once is
        session.execute(text("UPDATE inbox_messages SET next_at = now() + interval '1 hour' WHERE state = 'received'"))
    who = ADA | {"id": 77123400567891, "phone": "+918123676393"}
    ask(story, "customers/redact", who, orders_to_redact=[66123400567892])
    assert story.services.privacy.work_due(seconds=30) == 1
    found = rows(story, "SELECT state, body = '' FROM inbox_messages WHERE webhook_id = 'waits'")
    assert found == [("kept" if emptied else "received", emptied)]


def test_a_request_about_nobody_and_of_an_unknown_shop_is_done(story: Story) -> None:
    redact(story, {"id": 1})
    ask(story, "customers/data_request", {"email": "nobody@marks-mail.com"})
    assert story.services.privacy.work_due(seconds=30) == 1
    assert {line.state.value for line in story.services.privacy.requests(SHOP)} == {"done"}
    assert rows(story, "SELECT count(*) FROM privacy_requests WHERE identity_sealed IS NOT NULL") == [(0,)]


def test_a_shop_that_has_left_is_still_asked(story: Story) -> None:
    post(story, ADA)
    story.webhook("app/uninstalled", {"id": 1})
    redact(story, ADA)
    assert is_gone(story, ADA["email"])


def test_a_request_whose_key_is_lost_says_so(story: Story) -> None:
    ask(story, "customers/redact", ADA)
    stranger = replace(story.services.privacy, vault=Vault(["a-new-key-0001"]))
    assert stranger.work_due(seconds=30) == 1
    (line,) = stranger.requests(SHOP)
    assert (line.state.value, line.reason) == ("failed", "key_lost")


def test_a_shop_that_has_the_app_is_not_erased(story: Story) -> None:
    post(story, ADA)
    ask(story, "shop/redact", {})
    assert story.services.privacy.work_due(seconds=30) == 1
    (line,) = story.services.privacy.requests(SHOP)
    assert (line.state.value, line.reason) == ("refused", "installed")
    assert rows(story, "SELECT count(*) FROM contacts") == [(1,)]


def test_a_shop_that_lost_its_word_of_leaving_but_let_us_in_no_more_is_erased(story: Story) -> None:
    """Shopify asks two days after the leaving; where its word was lost, access that is over tells the same."""
    post(story, ADA)
    with story.services.database.transaction() as session:
        session.execute(text("UPDATE shops SET access = 'needs_reauth'"))
    ask(story, "shop/redact", {})
    while story.services.privacy.work_due(seconds=30):
        pass
    assert is_gone(story, ADA["email"])


def test_an_erasure_killed_again_and_again_still_ends(story: Story) -> None:
    """Each call does one piece, as if its process died behind it; the next goes on from there."""
    services = story.services
    shop_id = services.shops.add(SHOP).id
    post(story, ADA)
    story.webhook("app/uninstalled", {"id": 1})
    ask(story, "shop/redact", {})
    calls = 0
    while not is_done(services.privacy) and calls < 100:
        replace(services.privacy).work_due(seconds=0)
        calls += 1
    assert 10 < calls < 100
    left = {table: count for table, count in count_rows(services.database.dsn, shop_id, SHOP).items() if count}
    assert left == {"privacy_requests": 1}
    assert is_gone(story, ADA["email"])


def test_a_shop_that_comes_back_in_the_middle_is_left_alone(story: Story) -> None:
    services = story.services
    story.webhook("app/uninstalled", {"id": 1})
    ask(story, "shop/redact", {})
    services.privacy.work_due(seconds=0)
    services.shops.add(SHOP)
    post(story, ADA)
    while services.privacy.work_due(seconds=30):
        pass
    (line,) = services.privacy.requests(SHOP)
    assert (line.state.value, line.reason) == ("refused", "installed")
    assert not is_gone(story, ADA["email"])


def is_done(privacy: PrivacyService) -> bool:
    return all(line.state.value == "done" for line in privacy.requests(SHOP))


def redact_all(story: Story) -> None:
    while story.services.privacy.work_due(seconds=30):
        pass
