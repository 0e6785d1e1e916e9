"""`restock explain`, `restock simulate` and `restock shop settings --dry-run`, as somebody at a terminal sees them."""

from __future__ import annotations

import json

import pytest

from restock import cli
from tests.restocks.store import VARIANT, Store

Capsys = pytest.CaptureFixture[str]


def test_a_reason_is_explained_with_its_inputs_and_its_story(terminal: Store, capsys: Capsys) -> None:
    terminal.set(policy="strict")
    _, second = terminal.join(2)
    terminal.restock(1)
    assert cli.main(["explain", str(second)]) == 0
    shown = capsys.readouterr().out
    assert "The one unit in stock is offered to others; looked at again when a turn ends." in shown
    assert "s•••@example.com" in shown
    assert "place      2 (ahead: 1 person, 1 unit)" in shown
    assert "stock      1 unit, by webhook" in shown
    assert "asked" in shown


def test_a_reason_is_there_for_programs_too(terminal: Store, capsys: Capsys) -> None:
    (person,) = terminal.join(1)
    terminal.restock(1)
    terminal.send()
    assert cli.main(["explain", str(person), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["reason"]["code"] == "turn_running"
    assert said["sentence"].startswith("Told")
    assert {moment["kind"] for moment in said["moments"]} == {"asked", "offered", "sent"}


def test_an_unknown_subscription_is_an_error_with_a_sentence(terminal: Store, capsys: Capsys) -> None:
    assert cli.main(["explain", "4711"]) == 1
    assert capsys.readouterr().err == "There is no subscription 4711: the person's page has its number.\n"


def test_a_developer_asks_by_the_id_the_post_was_answered_with(terminal: Store, capsys: Capsys) -> None:
    (person,) = terminal.join(1)
    columns = "shop_id, contact_id, channel, variant_id, product_id, quantity"
    intent = str(
        terminal.one(
            f"INSERT INTO intents (id, customer_id, subscription_id, source, {columns}) "
            f"SELECT gen_random_uuid(), gen_random_uuid(), id, 'api', {columns} FROM subscriptions RETURNING id"
        )
    )
    assert cli.main(["explain", intent]) == 0
    assert f"Subscription {person} of " in capsys.readouterr().out
    assert cli.main(["explain", intent[:-4] + "0000"]) == 1
    assert capsys.readouterr().err == f"There is no intent {intent[:-4]}0000.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain", "x1"], "argument ID: must be a number or an intent's id, not 'x1'"),
        (["simulate", "abc", "3"], "argument VARIANT: must be a whole number, not 'abc'"),
    ],
)
def test_what_is_no_number_is_told_so(words: list[str], said: str, capsys: Capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main(words)
    assert said in capsys.readouterr().err


def test_a_dry_run_says_who_would_be_told_when_and_who_not(terminal: Store, capsys: Capsys) -> None:
    terminal.join(2)
    terminal.join(1, quantity=5)
    terminal.stock(0)
    terminal.check()
    assert cli.main(["simulate", str(VARIANT), "1", "--policy", "strict"]) == 0
    shown = capsys.readouterr().out
    assert "If variant 9007199254740993 had 1 unit" in shown
    assert "after 2 h" in shown
    assert "told         2 of 3 waiting, 2 units offered in 2 waves" in shown
    assert "not told     1: wants more than is in stock" in shown
    assert "Nothing was changed." in shown
    assert terminal.states("offers") == {}


def test_a_dry_run_is_there_for_programs_too(terminal: Store, capsys: Capsys) -> None:
    terminal.join(3)
    terminal.stock(0)
    assert cli.main(["simulate", str(VARIANT), "--unlimited", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["shop"], said["units"], said["played"]["told"]) == ("demo.myshopify.com", None, 3)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["1"], "No shop here has a variant 1."),
        ([str(VARIANT), "3", "--unlimited"], "one of the two"),
        ([str(VARIANT)], "one of the two"),
        ([str(VARIANT), "3", "--bought", "101"], "percentage from 0 to 100"),
        ([str(VARIANT), "3", "--shop", "nobody"], "is not a shop here"),
    ],
)
def test_what_cannot_be_played_is_said_with_the_mend(
    terminal: Store, capsys: Capsys, words: list[str], sentence: str
) -> None:
    assert cli.main(["simulate", *([*words, "3"] if words == ["1"] else words)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_variant_of_two_shops_asks_which_is_meant(terminal: Store, capsys: Capsys) -> None:
    terminal.stock(0)
    terminal.stock(0, shop=terminal.shops.add("other"))
    assert cli.main(["simulate", str(VARIANT), "3"]) == 1
    assert "--shop: must be one of demo.myshopify.com, other.myshopify.com" in capsys.readouterr().err
    assert cli.main(["simulate", str(VARIANT), "3", "--shop", "demo"]) == 0
    assert "Nobody waits for it." in capsys.readouterr().out


def test_settings_can_be_tried_before_they_are_saved(terminal: Store, capsys: Capsys) -> None:
    terminal.set(policy="strict")
    terminal.join(5)
    terminal.restock(1)
    assert cli.main(["shop", "settings", "demo", "policy=everyone", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "with these settings   4" in shown
    assert "Nothing was saved." in shown
    assert cli.main(["shop", "settings", "demo", "--dry-run", "policy=everyone"]) == 0
    assert capsys.readouterr().out == shown
    assert cli.main(["shop", "settings", "demo", "policy"]) == 1
    assert cli.main(["shop", "settings", "demo", "policy=x", "expire_days=0", "--dry-run"]) == 1
    faults = capsys.readouterr().err
    assert "policy: must be" in faults
    assert "expire_days: must be" in faults
    assert terminal.shops.named("demo").settings.policy == terminal.shop.settings.policy
