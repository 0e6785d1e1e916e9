"""The page of one restock: everybody it came to exactly once, each with the reason; and nobody else's restock."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import text

from restock.reports.values.restock import Fate
from restock.restocks.values import CloseReason, PassReason
from restock.shops.values import Shop
from restock.web.admin.wording import texts
from tests.web.admin.conftest import House, id_token
from tests.web.admin.crowd import fill, tell

_VARIED = """
UPDATE restock_events SET opened_at = now() - interval '400 days';
UPDATE offers o SET state = (ARRAY['ended', 'missed', 'declined', 'ended'])[1 + place % 4]
    FROM (SELECT id, row_number() OVER (PARTITION BY event_id ORDER BY id) place FROM offers) p WHERE p.id = o.id;
UPDATE offers o SET state = 'returned', reason = 'sold_out', accepted_at = NULL, ends_at = NULL
    FROM (SELECT id, row_number() OVER (PARTITION BY event_id ORDER BY id) place FROM offers) p
    WHERE p.id = o.id AND place % 5 = 0;
UPDATE deliveries d SET state = 'skipped', reason = 'sold_out', sent_at = NULL, finished_at = now()
    FROM offers o WHERE o.id = d.offer_id AND o.state = 'returned';
INSERT INTO subscription_events (shop_id, subscription_id, kind, reason, event_id, units, free_units, at)
    SELECT s.shop_id, s.id, 'passed_over', CASE WHEN row_number() OVER (PARTITION BY e.id ORDER BY s.id) % 2 = 0
        THEN 'wants_more' ELSE 'asleep' END, e.id, 3, 1, now()
    FROM subscriptions s JOIN restock_events e ON e.shop_id = s.shop_id AND e.variant_id = s.variant_id
    WHERE s.state = 'active'
"""


@pytest.fixture
def crowd(house: House, kettle: Shop) -> House:
    """A shop with a past in which everything has happened to somebody."""
    fill(house.database, kettle, 120, gap_seconds=9_000)
    tell(house.database, kettle)
    with house.database.transaction() as session:
        for statement in _VARIED.split(";\n"):
            session.execute(text(statement))
    return house


def busiest(house: House, shop: Shop) -> int:
    """The restock most people had a turn in."""
    with house.database.transaction() as session:
        query = "SELECT event_id FROM offers WHERE shop_id = :shop GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        return int(session.execute(text(query), {"shop": shop.id}).scalar_one())


def everybody(house: House, event_id: int) -> set[int]:
    """Whom the tables say a restock came to."""
    query = """SELECT subscription_id FROM offers WHERE event_id = :id
        UNION SELECT subscription_id FROM subscription_events WHERE event_id = :id"""
    with house.database.transaction() as session:
        return set(session.execute(text(query), {"id": event_id}).scalars())


def walk(house: House, path: str, way: str) -> tuple[list[int], str]:
    """Open page after page; return the people of all, and the address of the last."""
    found: list[int] = []
    for _ in range(60):
        page = house.get(path)
        found += [int(number) for number in re.findall(r'class="person" href="/subscribers/(\d+)', page)]
        link = re.search(rf'rel="{way}" href="([^"#]+)', page)
        if link is None:
            return found, path
        path = unescape(link[1])
    raise AssertionError("the pages have no end")


def test_everybody_a_restock_came_to_is_on_exactly_one_page(crowd: House, kettle: Shop) -> None:
    event = busiest(crowd, kettle)
    people, last = walk(crowd, f"/restocks/{event}", "next")
    assert len(people) > 10
    assert sorted(people) == sorted(everybody(crowd, event))
    back, _ = walk(crowd, last, "prev")
    assert set(back) == set(people)


def test_the_counts_by_reason_add_up_and_each_leads_to_its_people(crowd: House, kettle: Shop) -> None:
    event = busiest(crowd, kettle)
    report = crowd.services.restock_reports.report(kettle, event)
    assert report is not None
    assert sum(line.people for line in report.counts.lines) == len(everybody(crowd, event))
    told = {Fate.bought, Fate.unused, Fate.missed, Fate.declined, Fate.untold, Fate.passed_over}
    assert {line.fate for line in report.counts.lines} >= told - {Fate.bought, Fate.declined}
    for fate in {line.fate for line in report.counts.lines}:
        people, _ = walk(crowd, f"/restocks/{event}?fate={fate}", "next")
        assert len(people) == report.counts.of(fate), fate


def test_the_page_says_why_in_words(crowd: House, kettle: Shop) -> None:
    page = unescape(crowd.get(f"/restocks/{busiest(crowd, kettle)}"))
    for words in (texts()["passed.asleep"], texts()["passed.wants_more"], texts()["reason.sold_out"]):
        assert words in page


def test_another_shops_restock_is_nobodys_business(crowd: House) -> None:
    other = crowd.services.shops.add("other.myshopify.com")
    fill(crowd.database, other, 20, first=500)
    tell(crowd.database, other)
    event = busiest(crowd, other)
    headers = {"Authorization": f"Bearer {id_token()}"}
    for number in (event, 0, 10**25):
        assert crowd.client.get(f"/restocks/{number}", headers=headers).status_code == 404


def test_restocks_are_linked_from_the_first_page_and_from_a_persons_turn(crowd: House, kettle: Shop) -> None:
    event = busiest(crowd, kettle)
    assert "/restocks/" in crowd.get("/")
    report = crowd.services.restock_reports.report(kettle, event, Fate.unused)
    assert report is not None
    someone = report.page.people[0].facts.subscription_id
    assert f"/restocks/{event}?" in crowd.get(f"/subscribers/{someone}")


def test_an_erased_person_is_still_counted_and_named_by_nothing(crowd: House, kettle: Shop) -> None:
    event = busiest(crowd, kettle)
    report = crowd.services.restock_reports.report(kettle, event)
    assert report is not None
    with crowd.database.transaction() as session:
        gone = {"id": report.page.people[0].facts.subscription_id}
        session.execute(text("UPDATE subscriptions SET contact_id = NULL WHERE id = :id"), gone)
    assert texts()["restock.erased"] in crowd.get(f"/restocks/{event}")


@pytest.mark.parametrize(
    "query", ["fate=", "fate=eaten", "after=x", "after=1-", "before=-5-5", "fate=unused&after=0-0"]
)
def test_whatever_the_address_says_the_page_opens(crowd: House, kettle: Shop, query: str) -> None:
    assert crowd.get(f"/restocks/{busiest(crowd, kettle)}?{query}")


def test_every_fate_and_every_end_has_its_words() -> None:
    known = texts()
    assert {f"fate.{fate}" for fate in Fate} == {key for key in known if key.startswith("fate.")}
    assert {f"closing.{reason}" for reason in CloseReason} == {key for key in known if key.startswith("closing.")}
    assert {f"passed.{reason}" for reason in PassReason} <= known.keys()
