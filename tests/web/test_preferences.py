"""A person's own page: a look changes nothing, a post changes only what is that address's own."""

from __future__ import annotations

from email import message_from_bytes, policy
from urllib.parse import urlsplit

import pytest

from restock.channels.email.message import Sender, compose
from restock.channels.values import Envelope, MessageLinks, Notice, NoticeKind, Recipient, ShopFacts
from restock.web.preferences.page import _FOLDER, Page
from tests.web.test_people_turns import Turns, turns  # noqa: F401 (a fixture)


def page_of(turns: Turns, contact_id: int | None = None) -> str:  # noqa: F811
    """The page of one address; of the first who joined where none is named."""
    contact_id = contact_id or first(turns)
    return urlsplit(turns.services.links.preferences(contact_id)).path


def first(turns: Turns) -> int:  # noqa: F811
    return int(turns.rows("SELECT min(id) FROM contacts")[0][0] or 1)


def contact_of(turns: Turns, name: str) -> int:  # noqa: F811
    return int(turns.rows(f"SELECT id FROM contacts WHERE address = '{name}@example.com'")[0][0])


def alert_of(turns: Turns, contact_id: int) -> int:  # noqa: F811
    return int(turns.rows(f"SELECT id FROM subscriptions WHERE contact_id = {contact_id}")[0][0])


def everything(turns: Turns) -> list[object]:  # noqa: F811
    return [
        turns.rows("SELECT id, state, quantity, locale, paused_at, paused_until, open_offer_id FROM subscriptions"),
        turns.rows("SELECT id, suppression, locale FROM contacts"),
        turns.rows("SELECT count(*) FROM privacy_requests"),
    ]


def test_a_look_changes_nothing_and_shows_no_whole_address(turns: Turns) -> None:  # noqa: F811
    turns.joins("bo")
    turns.joins("ada")
    path = page_of(turns, contact_of(turns, "ada"))
    before = everything(turns)
    page = turns.client.get(path)
    assert page.status_code == 200
    assert "a•••@example.com" in page.text
    assert "ada@" not in page.text
    assert "b•••" not in page.text
    assert "Mug &lt;b&gt;" in page.text
    assert "place about 2" in page.text
    assert turns.client.get(f"{path}/erase").status_code == 200
    turns.client.head(path)
    assert everything(turns) == before
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("tail", ["", "/erase"])
def test_a_wrong_link_shows_and_does_nothing(turns: Turns, tail: str) -> None:  # noqa: F811
    turns.joins("ada")
    before = everything(turns)
    own, other = page_of(turns), urlsplit(turns.services.links.unsubscribe(first(turns))).path.rpartition("/")[2]
    forged = own[:-9] + ("A" if own[-9] != "A" else "B") + own[-8:]
    for path in (forged, f"/preferences/{other}", "/preferences/x"):
        assert turns.client.get(path + tail).status_code == 404
        assert turns.client.post(path + tail, data={"do": "leave_all"}).status_code == 404
    assert everything(turns) == before


def test_another_persons_alert_is_none_of_ones_own(turns: Turns) -> None:  # noqa: F811
    turns.joins("ada")
    turns.joins("bo")
    ada, bo = contact_of(turns, "ada"), contact_of(turns, "bo")
    before = everything(turns)
    for act in ("pause", "resume", "leave", "quantity"):
        data = {"do": act, "alert": str(alert_of(turns, bo)), "quantity": "3", "days": "7"}
        assert "Nothing has changed" in turns.client.post(page_of(turns, ada), data=data).text
    for alert in ("x", "-1", "9" * 30, "0"):
        assert (
            "Nothing has changed" in turns.client.post(page_of(turns, ada), data={"do": "leave", "alert": alert}).text
        )
        turns.client.post(page_of(turns, ada), data={"do": "pause", "alert": alert})
    assert everything(turns) == before


def test_who_pauses_keeps_the_place_and_is_passed_over_by_name(turns: Turns) -> None:  # noqa: F811
    turns.joins("ada")
    turns.joins("bo")
    ada = contact_of(turns, "ada")
    page = turns.client.post(page_of(turns, ada), data={"do": "pause", "alert": str(alert_of(turns, ada)), "days": "7"})
    assert "Paused. You keep your place." in page.text
    assert "Paused until" in page.text
    turns.restock()
    told = turns.rows(
        "SELECT c.address FROM offers o JOIN subscriptions s ON s.id = o.subscription_id"
        " JOIN contacts c ON c.id = s.contact_id"
    )
    assert told == [("bo@example.com",)]
    assert turns.rows("SELECT kind, reason FROM subscription_events ORDER BY id") == [
        ("paused", None),
        ("passed_over", "paused"),
    ]
    place = turns.services.reports.explain(turns.shop, alert_of(turns, ada))
    assert place is not None
    assert place.why.code == "paused"
    assert place.why.next_look is not None
    assert place.why.next_look.at is not None
    assert "You will be told again." in turns.client.post(page_of(turns, ada), data={"do": "resume"}).text
    assert turns.rows("SELECT count(*) FROM stock_checks") == [(1,)], "its stock is looked at"


def test_a_rest_ends_by_itself_and_its_stock_is_looked_at(turns: Turns) -> None:  # noqa: F811
    turns.joins("ada")
    turns.client.post(page_of(turns), data={"do": "pause", "days": "30"})
    assert turns.services.subscriptions.choices.resume_due() == 0
    turns.rows("UPDATE subscriptions SET paused_until = now() RETURNING 1")
    turns.rows("DELETE FROM stock_checks RETURNING 1")
    assert turns.services.subscriptions.choices.resume_due() == 1
    assert turns.services.subscriptions.choices.resume_due() == 0
    assert turns.rows("SELECT paused_at, paused_until FROM subscriptions") == [(None, None)]
    assert turns.rows("SELECT count(*) FROM stock_checks") == [(1,)]
    assert turns.rows("SELECT said_by FROM subscription_events WHERE kind = 'resumed'") == [("restock",)]


def test_quantity_is_saved_while_nobody_has_been_offered_anything(turns: Turns) -> None:  # noqa: F811
    turns.joins("ada")
    data = {"do": "quantity", "alert": str(alert_of(turns, first(turns))), "quantity": "4"}
    assert "Saved." in turns.client.post(page_of(turns), data=data).text
    assert "Nothing has changed" in turns.client.post(page_of(turns), data=data).text
    for typed in ("0", "-1", "1001", "x", "", "1e3"):
        turns.client.post(page_of(turns), data=data | {"quantity": typed})
    assert turns.rows("SELECT quantity FROM subscriptions") == [(4,)]
    assert turns.rows("SELECT kind, units, said_by FROM subscription_events") == [("quantity", 4, "shopper")]


def test_leaving_one_keeps_the_others_and_the_address_open(turns: Turns) -> None:  # noqa: F811
    turns.joins("ada")
    alert = alert_of(turns, first(turns))
    turns.rows(
        "INSERT INTO subscriptions (shop_id, contact_id, channel, variant_id, product_id, quantity, state, expires_at)"
        " SELECT shop_id, contact_id, channel, 7, 2, 1, 'active', expires_at FROM subscriptions RETURNING 1"
    )
    for words in ("Removed.", "Nothing has changed"):
        assert words in turns.client.post(page_of(turns), data={"do": "leave", "alert": str(alert)}).text
    assert turns.states("subscriptions") == ["cancelled", "active"]
    assert turns.rows("SELECT suppression FROM contacts") == [(None,)]
    assert turns.rows("SELECT action, variant_id FROM consents WHERE action = 'withdrawn'") == [("withdrawn", 1)]
    place = turns.services.reports.explain(turns.shop, alert)
    assert place is not None
    assert place.reason == "Left the list."


def test_leaving_all_says_so_and_erasing_asks_once_more(turns: Turns) -> None:  # noqa: F811
    turns.joins("ada")
    path = page_of(turns)
    page = turns.client.post(path, data={"do": "leave_all"})
    assert "You will hear no more" in page.text
    assert "Nothing is sent here any more" in page.text
    asked = turns.client.get(f"{path}/erase")
    assert "Erase everything about me?" in asked.text
    assert turns.rows("SELECT count(*) FROM privacy_requests") == [(0,)]
    for _ in range(2):
        assert "You are being erased" in turns.client.post(f"{path}/erase").text
    assert turns.rows("SELECT count(*) FROM privacy_requests") == [(1,)], "asking again is the same wish"
    while turns.services.privacy.work_due():
        pass
    for table in ("contacts", "customers", "intents", "consents"):
        assert turns.rows(f"SELECT count(*) FROM {table}") == [(0,)]
    assert turns.client.get(path).status_code == 404


def test_another_language_is_spoken_from_now_on(turns: Turns) -> None:  # noqa: F811
    turns.joins("ada")
    page = turns.client.post(page_of(turns), data={"do": "speak", "locale": "ar"})
    assert 'dir="rtl"' in page.text
    assert turns.rows("SELECT locale FROM contacts") == [("ar",)]
    assert turns.rows("SELECT locale FROM subscriptions") == [("ar",)]
    turns.client.post(page_of(turns), data={"do": "speak", "locale": "xx<script>"})
    assert turns.rows("SELECT locale FROM contacts") == [("ar",)]


@pytest.mark.parametrize(
    ("url", "shown_here", "shown_in_production"),
    [
        ("https://cdn.shopify.com/mug.png", True, True),
        ("http://127.0.0.1:8000/mug.svg", True, False),
        ("http://localhost:8000/mug.svg", True, False),
        ("http://127.0.0.1.evil.example/mug.svg", False, False),
        ("http://pictures.example/mug.svg", False, False),
        ("javascript:alert(1)", False, False),
        ("http://[", False, False),
    ],
)
def test_a_picture_is_shown_where_the_page_may_load_it(
    turns: Turns,  # noqa: F811
    url: str,
    shown_here: bool,
    shown_in_production: bool,
) -> None:
    """Plain HTTP is for this machine's own playground alone; what may not be loaded is not asked for either."""
    turns.joins("ada")
    turns.rows(f"UPDATE products SET image_url = '{url}' RETURNING 1")
    page = turns.client.get(page_of(turns))
    assert ("<img" in page.text) is shown_here
    assert "img-src 'self' https: http://127.0.0.1:* http://localhost:*;" in page.headers["Content-Security-Policy"]
    own = turns.services.people.own_alerts(first(turns))
    assert own is not None
    with turns.client.application.test_request_context():
        live = Page(own, "x").show()
    assert ("<img" in live.get_data(as_text=True)) is shown_in_production
    assert "img-src 'self' https:;" in live.headers["Content-Security-Policy"]


def test_a_turn_is_shown_with_its_end(turns: Turns) -> None:  # noqa: F811
    turns.joins("ada")
    turns.restock()
    assert "Your turn until" in turns.client.get(page_of(turns)).text
    turns.rows("UPDATE offers SET state = 'ended' RETURNING 1")
    assert "Told on" in turns.client.get(page_of(turns)).text


def test_every_language_has_the_sentences_and_slots_of_english() -> None:
    import json
    import string

    def slots(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    files = {path.stem: json.loads(path.read_text("utf-8")) for path in _FOLDER.glob("*.json")}
    for language, sentences in files.items():
        assert list(sentences) == list(files["en"]), language
        for key, text in sentences.items():
            assert slots(text) == slots(files["en"][key]), (language, key)


def test_every_e_mail_leads_here_beside_its_unsubscribe_link() -> None:
    base = "https://r.example"
    links = MessageLinks(f"{base}/c/a", f"{base}/unsubscribe/b", None, preferences=f"{base}/preferences/c")
    assert links.preferences
    notice = Notice(NoticeKind.offer, ShopFacts("kettle.myshopify.com", "Kettle", "https://kettle.example"), links)
    envelope = Envelope(1, "r1-0", Recipient("ada@example.com"), notice)
    mail = message_from_bytes(compose(envelope, Sender("alerts@example.com")).content, policy=policy.default)
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        assert links.preferences in body.get_content()
        assert links.unsubscribe in body.get_content()
    assert mail["List-Unsubscribe"] == f"<{links.unsubscribe}>"
