"""The page of what a shop is told itself, and whether shoppers are asked first."""

from __future__ import annotations

from sqlalchemy import text

from restock.shops.values import AlertRhythm, Shop
from restock.web.admin.wording import texts
from tests.web.admin.conftest import House, dotted
from tests.web.admin.crowd import fill

WHERE = "/messages/alerts"


def post(house: House, **fields: str) -> str:
    return house.post(WHERE, dotted(fields))


def test_every_rhythm_kind_and_state_has_its_words_and_no_other_has() -> None:
    asked = {f"alerts.when.{one}" for one in AlertRhythm}
    asked |= {f"alerts.kind.{one}" for one in ("new", "digest", "waitlist")}
    asked |= {f"alerts.state.{one}" for one in ("queued", "sending", "sent", "failed", "unknown", "skipped")}
    families = ("alerts.when.", "alerts.kind.", "alerts.state.")
    assert {name for name in texts() if name.startswith(families)} == asked


def test_choices_are_saved_and_shown(house: House, kettle: Shop) -> None:
    assert WHERE in house.get("/messages")
    page = post(
        house,
        alerts__to="owner@example.com, buyer@example.com",
        alerts__when="weekly",
        alerts__hour="7",
        alerts__waitlist="25",
        double_opt_in__sms="true",
    )
    assert texts()["alerts.saved"] in page
    settings = house.saved(kettle).settings
    assert settings.alerts.to == ("owner@example.com", "buyer@example.com")
    assert (settings.alerts.when, settings.alerts.hour, settings.alerts.waitlist) == (AlertRhythm.weekly, 7, 25)
    assert (settings.double_opt_in.email, settings.double_opt_in.sms) == (False, True)
    assert "owner@example.com,buyer@example.com" in house.get(WHERE)


def test_what_cannot_be_is_named_beside_its_field_and_nothing_is_changed(house: House, kettle: Shop) -> None:
    six = ",".join(f"a{n}@example.com" for n in range(6))
    for typed in (six, "no address", "a@b", 'x"><script>@example.com'):
        page = post(house, alerts__to=typed, alerts__when="hourly", alerts__hour="24", alerts__waitlist="-1")
        assert page.count('role="alert"') >= 4
        assert "<script>@" not in page
    assert house.saved(kettle).settings.alerts.to == ()


def test_an_address_that_is_not_reached_is_named_with_the_reason_while_it_is_one_of_theirs(
    house: House, kettle: Shop
) -> None:
    assert texts()["alerts.missed"] not in house.get(WHERE)
    house.services.shops.change_settings(kettle.domain, {"alerts.to": "a@example.com,b@example.com,c@example.com"})
    with house.database.transaction() as session:
        for number, (address, state, reason, attempt) in enumerate([
            ("a@example.com", "failed", "mailbox_unknown", 1), ("a@example.com", "sent", None, 1),
            ("b@example.com", "sent", None, 1), ("b@example.com", "failed", "mailbox_full", 1),
            ("b@example.com", "queued", None, 0),
            ("c@example.com", "queued", "login_rejected", 2),
            ("gone@example.com", "failed", "null_mx", 1),
        ]):  # fmt: skip
            session.execute(
                text("INSERT INTO shop_alerts (shop_id, kind, dedupe_key, address, facts, state, reason, attempt)"
                     " VALUES (:shop, 'new', :key, :address, '{}', :state, :reason, :attempt)"),
                {"shop": kettle.id, "key": f"k{number}", "address": address, "state": state, "reason": reason,
                 "attempt": attempt},
            )  # fmt: skip
    page = house.get(WHERE)
    banner = page.partition(texts()["alerts.missed"])[2].partition("<form")[0]
    for words in ("b@example.com", texts()["alertmiss.mailbox_full"], texts()["alerts.missed.lost"]):
        assert words in banner
    for words in ("c@example.com", texts()["outage.login_rejected"], texts()["alerts.missed.yet"]):
        assert words in banner
    assert "a@example.com" not in banner
    assert "gone@example.com" not in banner


def test_who_waits_for_a_yes_is_counted(house: House, kettle: Shop) -> None:
    fill(house.database, kettle, 12)
    with house.database.transaction() as session:
        session.execute(text("UPDATE subscriptions SET state = 'pending' WHERE state = 'active' AND channel = 'email'"))
        session.execute(text("UPDATE subscriptions SET open_offer_id = NULL WHERE state = 'pending'"))
    count = house.services.merchant_reports.pending(kettle)["email"]
    assert f"{count} wait for a yes" in house.get(WHERE)
    assert "for a yes" in house.get("/")


def test_who_stands_first_is_said_on_the_first_page(house: House, kettle: Shop) -> None:
    assert "Who stands first" not in house.get("/")
    house.services.shops.change_settings(kettle.domain, {"policy.priority_tag": "VIP"})
    assert "Who stands first: customers tagged VIP are being asked for." in house.get("/")
