"""A shop's own e-mail provider: on its page, in a terminal, and never with its key in sight."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from sqlalchemy import text

from restock import cli
from restock.channels.email.providers.catalogue import KINDS, ProviderName
from restock.commands.mail.reasons import _WORDS
from restock.errors import ValidationError
from restock.links import Links
from restock.shops.rules.mailing import read_mailing
from restock.shops.values import Shop
from restock.web.admin.wording import texts
from tests.web.admin.conftest import DOMAIN, SECRET, House

PATH = "/messages/sender"
GOOD = {"provider": "postmark", "from": "Kettle <hello@kettle.example>", "secret": "server-token-canary"}


def post(house: House, **fields: str) -> str:
    return house.post(PATH, fields)


def test_a_provider_is_chosen_and_dropped_and_its_key_is_never_shown(house: House, kettle: Shop) -> None:
    assert texts()["sender.instance"].replace("'", "&#39;") in house.get(PATH)
    page = post(house, do="save", **GOOD)
    assert texts()["sender.done.save"] in page
    assert "canary" not in page
    assert "https://restock:" in page or "http://restock:" in page
    choice = house.services.shops.mailings.choice_of(kettle)
    assert choice is not None
    assert (choice.provider, choice.address, choice.name, choice.secret) == (
        "postmark", "hello@kettle.example", "Kettle", "server-token-canary",
    )  # fmt: skip
    with house.database.transaction() as session:
        stored = session.execute(text("SELECT * FROM shop_mailings")).one()
    assert b"canary" not in bytes(stored.secret_sealed)
    post(house, do="drop")
    assert house.services.shops.mailings.choice_of(kettle) is None


def test_a_key_that_is_not_typed_again_stays_and_every_change_is_another_service(house: House, kettle: Shop) -> None:
    post(house, do="save", **GOOD)
    before = house.services.shops.mailings.choice_of(kettle)
    post(house, do="save", **(GOOD | {"secret": "", "from": "other@kettle.example", "stream": "broadcast"}))
    after = house.services.shops.mailings.choice_of(kettle)
    assert before is not None
    assert after is not None
    assert (after.secret, after.address, after.options["stream"]) == (
        before.secret,
        "other@kettle.example",
        "broadcast",
    )
    assert before.service != after.service


def test_a_provider_chosen_again_after_it_was_dropped_is_another_service(house: House, kettle: Shop) -> None:
    """A worker keeps a service's connections, with the key they were opened by."""
    services = set()
    for number in range(3):
        post(house, do="save", **(GOOD | {"secret": f"key-{number}"}))
        choice = house.services.shops.mailings.choice_of(kettle)
        assert choice is not None
        services.add(choice.service)
        post(house, do="drop")
    assert len(services) == 3


def test_another_providers_key_is_asked_for_and_the_old_keys_go(house: House, kettle: Shop) -> None:
    post(house, do="save", **(GOOD | {"provider": "resend", "hook_secret": "whsec_abc"}))
    mailings = house.services.shops.mailings
    assert mailings.hook_secret(kettle.id, ProviderName.resend) == "whsec_abc"
    page = post(house, do="save", **(GOOD | {"secret": ""}))
    assert "is required" in page
    post(house, do="save", **GOOD)
    assert mailings.hook_secret(kettle.id, ProviderName.resend) is None
    post(house, do="save", **(GOOD | {"provider": "resend"}))
    assert mailings.hook_secret(kettle.id, ProviderName.resend) is None


def test_amazons_reports_are_heard_once_their_topic_is_named(house: House, kettle: Shop) -> None:
    topic, amazon = "arn:aws:sns:eu-west-1:123456789012:mail", GOOD | {"provider": "ses", "secret": "user:password"}
    page = post(house, do="save", **amazon)
    assert "Its reports are not read yet: enter the ARN of the SNS topic" in page
    assert "/webhooks/email/ses/" in page
    assert "raw message delivery off" in page
    page = post(house, do="save", **(amazon | {"hook_secret": topic}))
    assert "not read yet" not in page
    assert house.services.shops.mailings.hook_secret(kettle.id, ProviderName.ses) == topic
    assert "not read yet" not in post(house, do="save", **(amazon | {"secret": ""})), "it is kept"


def test_a_test_says_what_the_provider_said(house: House, kettle: Shop) -> None:
    post(house, do="save", **GOOD)
    assert texts()["sendertest.taken"] in post(house, do="test", to="ada@mail.example")
    post(house, do="save", **(GOOD | {"secret": "wrong-key"}))
    assert texts()["sendertest.login_rejected"] in post(house, do="test", to="ada@mail.example")
    assert "must be an e-mail address" in post(house, do="test", to="nobody")


def test_one_shops_key_copied_into_another_shops_row_does_not_open(house: House, kettle: Shop) -> None:
    post(house, do="save", **GOOD)
    other = house.services.shops.add("other")
    with house.database.transaction() as session:
        session.execute(
            text(
                "INSERT INTO shop_mailings (shop_id, provider, from_address, secret_sealed)"
                " SELECT :other, provider, from_address, secret_sealed FROM shop_mailings"
            ),
            {"other": other.id},
        )
    choice = house.services.shops.mailings.choice_of(other)
    assert choice is not None
    assert choice.secret == ""


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"provider": "pigeon"}, ["provider"]),
        ({"from": "nobody"}, ["from"]),
        ({"from": "shop@gmail.com"}, ["from"]),
        ({"from": "a@b.example\r\nBcc: eve@evil.example"}, ["from"]),
        ({"secret": ""}, ["secret"]),
        ({"secret": "two words"}, ["secret"]),
        ({"secret": "x" * 513, "from": ""}, ["from", "secret"]),
        ({"stream": "a/../b"}, ["stream"]),
        ({"provider": "mailgun"}, ["domain"]),
        ({"provider": "mailgun", "domain": "evil.example/v3/x?"}, ["domain"]),
        ({"provider": "sendgrid", "region": "mars"}, ["region"]),
        ({"provider": "ses", "region": "eu-west-1.evil.example"}, ["region", "secret"]),
        ({"provider": "sendgrid", "hook_secret": "no-key"}, ["hook_secret"]),
        ({"provider": "resend", "hook_secret": "abc"}, ["hook_secret"]),
        ({"provider": "ses", "secret": "user:password", "hook_secret": "arn:aws:sns:evil/:1:x"}, ["hook_secret"]),
        ({"provider": "ses", "secret": "user:password", "region": "x@evil.example#"}, ["region"]),
    ],
)
def test_what_cannot_be_right_is_refused_with_every_fault(changes: dict[str, str], faults: list[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        read_mailing(GOOD | changes)
    assert sorted(fault.field for fault in refused.value.faults) == faults


def test_every_address_a_key_is_sent_to_belongs_to_its_provider() -> None:
    """Nothing a merchant may type becomes another host."""
    hosts = {kind.host_of({"region": region}) for kind in KINDS.values() for region in ("", "us", "eu", "eu-west-1")}
    ours = (".postmarkapp.com", ".sendgrid.com", ".mailgun.net", ".resend.com", ".amazonaws.com")
    assert all(host.endswith(ours) for host in hosts)


def test_every_answer_of_a_test_is_said_alike_on_the_page_and_in_a_terminal() -> None:
    known = {name.removeprefix("sendertest.") for name in texts() if name.startswith("sendertest.")}
    assert known - {"taken", "other"} == set(_WORDS) - {""}


@pytest.fixture
def run(  # noqa: PLR0917 (fixtures)
    house: House,
    kettle: Shop,
    clean_database: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> object:
    """A terminal in which the servers are set; gives the exit code and all that was said."""
    monkeypatch.chdir(tmp_path)
    given = {"DATABASE_URL": clean_database, "REDIS_URL": "redis://127.0.0.1:1/0", "SHOPIFY_API_SECRET": SECRET}
    given |= {"SECRET_KEY": "a-key-for-tests-only-000000000001", "RESTOCK_DATA_DIR": str(tmp_path / "data")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, given: str = "") -> tuple[int, str]:
        typed = io.TextIOWrapper(io.BytesIO(given.encode()))
        monkeypatch.setattr("sys.stdin", typed)
        code = cli.main(list(words))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_a_provider_is_chosen_in_a_terminal_and_its_key_is_read_from_the_input(run: object) -> None:
    assert callable(run)
    where = ("shop", "email", DOMAIN)
    assert "By this instance's mail server" in run(*where)[1]
    assert run(*where, "providers")[1].count("\n") == 1 + len(KINDS)
    code, said = run(*where, "set", "mailgun", "from=hello@kettle.example", "secret=@-", "domain=mg.kettle.example",
                     given="key-canary\n")  # fmt: skip
    assert (code, "By Mailgun, from hello@kettle.example." in said, "canary" in said) == (0, True, False)
    assert "until then its reports are refused" in run(*where)[1]
    assert run(*where, "set", "mailgun", "from=x")[0] == 1
    assert run(*where, "drop")[0] == 0


def test_a_returned_mail_that_is_about_nothing_is_no_failure_of_the_pipe(run: object) -> None:
    assert callable(run)
    assert run("bounce", given="To: somebody@example.com\n\nhello") == (0, "About no message of ours.\n")
    forged = "To: bounces+7-aaaaaaaaaaaaaaaa@example.com\nFrom: mailer-daemon@x.example\n\n550 5.1.1 no such user\n"
    assert run("bounce", given=forged) == (0, "Nothing new.\n")


def test_a_returned_mail_that_cannot_be_recorded_now_is_left_with_the_mail_server(
    run: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(run)
    monkeypatch.setenv("DATABASE_URL", "postgresql://restock:password-canary@127.0.0.1:1/restock")
    mark = Links(["a-key-for-tests-only-000000000001"], "https://x.example").report_mark(7)
    returned = f"To: bounces+{mark}@example.com\nFrom: mailer-daemon@x.example\n\n550 5.1.1 no such user\n"
    code, said = run("bounce", given=returned)
    assert (code, "to be tried again" in said, "canary" in said) == (75, True, False)
