"""Cases of links and of forgetting people (docs/cases.md) that no other test shows as they stand."""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import text

from tests.channels.benches import SmtpPeer
from tests.flows.story import Story

ADA = {"email": "ada@example.com"}


def state(story: Story) -> str:
    with story.services.database.transaction() as session:
        query = "SELECT state FROM subscriptions ORDER BY id DESC LIMIT 1"
        return str(session.execute(text(query)).scalar_one())


def test_case_49_a_key_opens_one_door_only(story: Story, mail: SmtpPeer) -> None:
    """A wrong key leaves a sign-up pending, one for confirming cannot unsubscribe, another word does nothing."""
    story.intent("email", ADA)
    with story.services.database.transaction() as session:
        contact = session.execute(text("SELECT id FROM contacts")).scalar_one()
    story.services.subscriptions.unsubscribe(contact)
    story.intent("email", ADA)
    confirm = urlsplit(story.services.links.confirm(contact)).path
    key = confirm.rpartition("/")[2]
    wrong = f"{key[:-6]}{'A' if key[-6] != 'A' else 'B'}{key[-5:]}"  # of the last letter not every bit counts
    for path in (f"/confirm/{wrong}", f"/unsubscribe/{key}", f"/forget/{key}"):
        assert story.client.post(path).status_code == 404
        assert state(story) == "pending"
    assert story.client.post(confirm).status_code == 200
    assert state(story) == "active"
    assert story.client.post(f"/unsubscribe/{key}").status_code == 404
    assert state(story) == "active"
