"""Stories of the queue: who is told, who is not, and what keeps whose place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from restock.channels.values import ChannelName
from tests.channels.benches import SmtpPeer
from tests.flows.story import SHOP, Story


@pytest.fixture
def mail() -> Iterator[SmtpPeer]:
    """A mail server that keeps what it gets."""
    peer = SmtpPeer()
    yield peer
    peer.stop()


@pytest.fixture
def story(begin: Callable[..., Story], mail: SmtpPeer) -> Story:
    """An instance whose shop is strict: no more people are told than there are units for."""
    told = begin(smtp_url=f"smtp://127.0.0.1:{mail.port}", email_from="alerts@north-pine.example")
    told.services.shops.change_settings(SHOP, {"policy": "strict"})
    return told


def told(mail: SmtpPeer) -> list[str]:
    return [address for address, _ in mail.mails]


def joins(story: Story, name: str, quantity: int = 1) -> dict[str, object]:
    answer = story.intent("email", {"email": f"{name}@example.com"}, quantity)
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json())


def test_turns_are_counted_in_units_and_a_smaller_wish_may_go_first(story: Story, mail: SmtpPeer) -> None:
    """Three units: the first wants two, the second two, the third one; the second keeps the place and is next."""
    joins(story, "ada", 2)
    joins(story, "bo", 2)
    joins(story, "cy", 1)
    story.stock(3)
    story.settle()
    assert told(mail) == ["ada@example.com", "cy@example.com"]
    story.stock(5)
    story.settle()
    assert told(mail) == ["ada@example.com", "cy@example.com", "bo@example.com"]


def test_ten_copies_of_a_webhook_are_one_restock_and_one_message(story: Story, mail: SmtpPeer) -> None:
    joins(story, "ada")
    body = {
        "inventory_item_id": 39072856,
        "location_id": 655441491,
        "available": 4,
        "updated_at": "2026-11-20T11:00:00Z",
    }
    for number in range(10):
        same_id = "one-and-the-same" if number % 2 else f"another-{number}"
        assert story.webhook("inventory_levels/update", body, same_id).status_code == 200
    story.settle()
    story.settle()
    assert told(mail) == ["ada@example.com"]


def test_an_older_word_about_the_stock_changes_nothing(story: Story, mail: SmtpPeer) -> None:
    joins(story, "ada")
    story.stock(0, minute=50)
    story.stock(9, minute=40)
    story.settle()
    assert told(mail) == []


def test_who_left_is_not_told_and_comes_back_only_by_confirming(story: Story, mail: SmtpPeer) -> None:
    """Leaving is for good until the address itself says yes again; the answer to a post never shows it."""
    joins(story, "ada")
    story.stock(2)
    story.settle()
    text = mail.mails[0][1].decode()
    leave = re.search(r"List-Unsubscribe: <https://alerts\.north-pine\.example(/unsubscribe/[^>]+)>", unfold(text))
    assert leave
    assert story.client.post(leave[1], data={"List-Unsubscribe": "One-Click"}).status_code == 200
    story.stock(0)
    story.settle()

    joins(story, "ada")
    story.stock(2)
    story.settle()
    asked = mail.mails[1][1].decode()
    confirm = re.search(r"https://alerts\.north-pine\.example(/confirm/[\w.-]+)", unfold(asked))
    assert confirm, "the second message asks, it does not offer"
    story.settle()
    assert len(mail.mails) == 2
    assert story.client.get(confirm[1]).status_code == 200
    story.settle()
    assert len(mail.mails) == 2, "opening the link is not confirming"
    assert story.client.post(confirm[1]).status_code == 200
    story.settle()
    assert len(mail.mails) == 3


def test_an_address_that_does_not_exist_is_not_tried_again_and_the_next_in_line_is_told(
    story: Story, mail: SmtpPeer
) -> None:
    mail.faults["ada@example.com"] = "550 5.1.1 no such user"
    joins(story, "ada")
    joins(story, "bo")
    story.stock(1)
    story.settle()
    story.settle()
    assert told(mail) == ["bo@example.com"]
    joins(story, "ada")
    mail.faults.clear()
    story.stock(8)
    story.settle()
    assert told(mail) == ["bo@example.com"]


def test_sold_out_before_the_message_left_keeps_the_place(story: Story, mail: SmtpPeer) -> None:
    """The wave is planned, then it sells out: nobody is told, and the same people are first the next time."""
    joins(story, "ada")
    story.stock(1)
    services = story.services
    services.inbox.apply_due()
    services.restocks.check_due()
    services.restocks.plan_due()
    story.stock(0)
    services.inbox.apply_due()
    services.restocks.check_due()
    services.deliveries.drain(ChannelName.email, seconds=5)
    assert told(mail) == []
    joins(story, "bo")
    story.stock(1)
    story.settle()
    assert told(mail) == ["ada@example.com"]


def test_asking_while_it_can_already_be_bought_is_answered_at_once(story: Story, mail: SmtpPeer) -> None:
    """A cached page still said sold out: no webhook comes, yet the person is told."""
    story.stock(5)
    story.settle()
    joins(story, "ada")
    story.settle()
    assert told(mail) == ["ada@example.com"]


def test_the_same_address_asked_for_twice_is_told_once(story: Story, mail: SmtpPeer) -> None:
    first, second = joins(story, "ada"), joins(story, "ada")
    assert first["customer"] != second["customer"], "a stranger never receives another's id"
    story.stock(5)
    story.settle()
    story.settle()
    assert told(mail) == ["ada@example.com"]


def unfold(text: str) -> str:
    """Join folded headers and soft line breaks."""
    return re.sub(r"=\r?\n", "", re.sub(r"\r?\n[ \t]+", " ", text)).replace("=3D", "=")
