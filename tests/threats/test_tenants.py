"""One shop's staff at every page of the merchant's, with another shop's ids: nothing is seen, nothing is changed."""

from __future__ import annotations

from typing import Any

from psycopg import sql
from sqlalchemy import text

from tests.flows.story import SHOP, VARIANT
from tests.threats.conftest import EMAIL, MARKS, RIVAL, SHOP_NAME, Town

# The address itself is typed into every search, so it is not looked for in the answers.
TOLD = (*MARKS[1:], "Enamel mug", SHOP_NAME, SHOP)
OF_SHOPS = "SELECT table_name FROM information_schema.columns WHERE column_name = 'shop_id' AND table_schema = 'public'"


def rows_of_the_shop(town: Town) -> dict[str, list[Any]]:
    """Everything the tables hold of the first shop."""
    database = town.story.services.database
    with database.transaction() as session:
        shop_id = session.execute(text("SELECT id FROM shops WHERE domain = :domain"), {"domain": SHOP}).scalar_one()
        tables = session.execute(text(OF_SHOPS)).scalars().all()
    cursor = database.hot()
    found = {"shops": cursor.execute("SELECT s::text FROM shops s WHERE id = %s", [shop_id]).fetchall()}
    for table in tables:
        query = sql.SQL("SELECT t::text FROM {} t WHERE shop_id = %s ORDER BY 1").format(sql.Identifier(table))
        found[table] = cursor.execute(query, [shop_id]).fetchall()
    return {table: rows for table, rows in found.items() if rows}


def test_the_first_shop_has_something_to_see(town: Town) -> None:
    paths = ("/", "/subscribers", f"/subscribers/{town.filled['subscriber_id']}")
    seen = "".join(town.ask(path, staff_of=SHOP).text for path in paths)
    assert EMAIL in seen
    assert "Enamel mug" in seen
    assert {"subscriptions", "contacts", "customers", "intents", "variants"} <= set(rows_of_the_shop(town))


def test_no_route_shows_or_changes_anything_of_another_shop(town: Town) -> None:
    before = rows_of_the_shop(town)
    query = {"shop": SHOP, "variant": VARIANT, "variant_id": VARIANT, "q": EMAIL}
    form = {"do": "save", "part.subject": "{{ product.title }}", "to": EMAIL, "shop": SHOP}
    asked = 0
    for rule in town.rules("admin"):
        for method in sorted({"GET", "POST"} & (rule.methods or set())):
            options: dict[str, Any] = {"query_string": query} | ({"data": form} if method == "POST" else {})
            answer = town.ask(town.path(rule), method, RIVAL, **options)
            assert answer.status_code < 500, rule.rule
            assert [mark for mark in TOLD if mark in answer.text] == [], rule.rule
            if "subscriber_id" in rule.arguments:
                assert answer.status_code == 404, "as if there were no such person"
            asked += 1
    assert asked >= 8
    assert rows_of_the_shop(town) == before


def test_an_id_of_nobody_and_an_id_of_another_shop_are_answered_alike(town: Town) -> None:
    of_another = town.ask(f"/subscribers/{town.filled['subscriber_id']}", staff_of=RIVAL)
    of_nobody = town.ask("/subscribers/987654321", staff_of=RIVAL)
    assert of_another.status_code == of_nobody.status_code == 404
    assert len(of_another.data) == len(of_nobody.data)


def test_a_look_at_any_page_changes_nothing(town: Town) -> None:
    """Mail scanners, link checkers and browsers that read ahead open whatever they find, buttons' words and all."""
    contact_id = town.story.services.database.hot().execute("SELECT id FROM contacts").fetchall()[0][0]
    links = town.story.services.links
    tokens = {
        name: write(contact_id).rpartition("/")[2]
        for name, write in (("confirm", links.confirm), ("unsubscribe", links.unsubscribe))
    }
    before, opened = rows_of_the_shop(town), set()
    for rule in town.rules():
        purpose = rule.rule.split("/")[1]
        instead = {"token": tokens[purpose]} if purpose in tokens else {}
        staff_of = SHOP if rule.endpoint.startswith("admin.") else None
        query = {"shop": SHOP, "do": "save", "confirm": "yes"}
        for method in sorted({"GET", "HEAD"} & (rule.methods or set())):
            answer = town.ask(town.path(rule, **instead), method, staff_of, query_string=query)
            if answer.status_code == 200:
                opened.add(rule.endpoint.partition(".")[2])
    assert {"sender", "alerts", "preferences", "ask_to_erase", "ask_to_confirm", "ask_to_leave"} <= opened
    assert rows_of_the_shop(town) == before


def test_without_a_token_no_page_of_the_merchant_opens(town: Town) -> None:
    for rule in town.rules("admin"):
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        answer = town.ask(town.path(rule), method, query_string={"shop": SHOP})
        assert answer.status_code in {302, 400, 401, 403}, rule.rule
        assert EMAIL not in answer.text
