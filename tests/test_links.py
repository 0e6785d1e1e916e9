"""Signed links and sealed secrets: what opens, what never does."""

from __future__ import annotations

import hashlib

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from restock import links as links_module
from restock.links import CONFIRM_MAX_AGE_SECONDS, Links, SealError, Vault
from restock.signing import IdSigner

OLD = "old-secret-of-thirty-two-letters"
NEW = "new-secret-of-thirty-two-letters"
LINKS = Links((NEW, OLD), "https://alerts.example/")
NUMBERS = st.integers(0, 2**63 - 1) | st.sampled_from([10**n + k for n in range(19) for k in (-1, 0)])
PURPOSES = ["click", "decline", "unsubscribe", "preferences", "confirm"]


def token_of(links: Links, purpose: str, number: int) -> str:
    url: str = getattr(links, purpose)(number)
    return url.rsplit("/", 1)[1]


def read(links: Links, purpose: str, token: str) -> int | None:
    result: int | None = getattr(links, f"read_{purpose}")(token)
    return result


@pytest.mark.parametrize("purpose", PURPOSES)
@given(number=st.integers(1, 2**63 - 1))
def test_every_link_brings_its_id_back(purpose: str, number: int) -> None:
    assert read(LINKS, purpose, token_of(LINKS, purpose, number)) == number


@pytest.mark.parametrize(
    ("purpose", "path"),
    [
        ("click", "c"),
        ("decline", "decline"),
        ("unsubscribe", "unsubscribe"),
        ("preferences", "preferences"),
        ("confirm", "confirm"),
    ],
)
def test_a_link_is_absolute_and_short(purpose: str, path: str) -> None:
    url = getattr(LINKS, purpose)(123_456_789)
    assert url.startswith(f"https://alerts.example/{path}/")
    assert len(token_of(LINKS, purpose, 123_456_789)) <= 56


def test_a_receipt_token_names_its_delivery() -> None:
    assert LINKS.read_receipt(LINKS.receipt_token(7)) == 7


@pytest.mark.parametrize("made_for", PURPOSES)
@pytest.mark.parametrize("read_as", [*PURPOSES, "receipt"])
def test_a_token_serves_one_purpose_only(made_for: str, read_as: str) -> None:
    token = token_of(LINKS, made_for, 42)
    assert read(LINKS, read_as, token) == (42 if made_for == read_as else None)


def test_after_a_rotation_old_links_still_work_and_new_ones_carry_the_new_key() -> None:
    old = token_of(Links((OLD,), "https://a.example"), "unsubscribe", 42)
    assert LINKS.read_unsubscribe(old) == 42
    fresh = token_of(LINKS, "unsubscribe", 42)
    assert Links((NEW,), "https://a.example").read_unsubscribe(fresh) == 42
    assert Links((OLD,), "https://a.example").read_unsubscribe(fresh) is None


@given(position=st.integers(0, 100), letter=st.sampled_from("abz2345670189-+@é"))
def test_one_changed_letter_makes_a_report_s_mark_name_nothing(position: int, letter: str) -> None:
    mark = LINKS.report_mark(123_456)
    at = position % len(mark)
    changed = mark[:at] + letter + mark[at + 1 :]
    assert LINKS.read_report_mark(changed) == (123_456 if changed == mark else None)


def test_marks_and_addresses_of_reports_serve_their_purpose_alone_and_outlive_a_change_of_keys() -> None:
    before = Links((OLD,), "https://a.example")
    assert LINKS.read_report_mark(before.report_mark(42).upper()) == 42
    assert LINKS.read_reports_key(before.reports_key(42)) == 42
    assert LINKS.is_reports_password(42, before.reports_password(42))
    assert not LINKS.is_reports_password(43, LINKS.reports_password(42))
    assert not LINKS.is_reports_password(42, LINKS.reports_key(42))
    assert before.read_report_mark(LINKS.report_mark(42)) is None
    tokens = (LINKS.report_mark(42), LINKS.receipt_token(42), LINKS.reports_key(42), LINKS.reports_password(42))
    reads = ("report_mark", "receipt", "reports_key", *PURPOSES)
    opened = {(place, name) for place, token in enumerate(tokens) for name in reads if read(LINKS, name, token)}
    assert opened == {(0, "report_mark"), (1, "receipt"), (2, "reports_key")}


@given(junk=st.text(max_size=200))
def test_a_forged_token_is_none_and_never_an_error(junk: str) -> None:
    assert LINKS.read_click(junk) is None
    assert LINKS.read_confirm(junk) is None


@given(position=st.integers(0, 200), letter=st.sampled_from("AQgw09_-."))
def test_one_changed_letter_breaks_a_token(position: int, letter: str) -> None:
    token = token_of(LINKS, "click", 123_456)
    at = position % (len(token) - 1)  # the last letter holds unused bits of base64
    changed = token[:at] + letter + token[at + 1 :]
    assert LINKS.read_click(changed) == (123_456 if changed == token else None)


@pytest.mark.parametrize("value", [True, 0, -1, "1", [1], 2**63, 1.5, None])
def test_only_a_positive_id_comes_out(value: object) -> None:
    assert LINKS.read_click(str(LINKS._click.dumps(value))) is None


def test_a_confirmation_expires_after_a_week_and_an_unsubscribe_never() -> None:
    with time_machine.travel("2026-11-01T12:00:00Z", tick=False) as clock:
        confirm, leave = token_of(LINKS, "confirm", 5), token_of(LINKS, "unsubscribe", 5)
        clock.shift(CONFIRM_MAX_AGE_SECONDS)
        assert LINKS.read_confirm(confirm) == 5
        clock.shift(1)
        assert LINKS.read_confirm(confirm) is None
        clock.shift(10 * 365 * 24 * 3600)
        assert LINKS.read_unsubscribe(leave) == 5


def test_a_confirmation_made_again_for_the_same_moment_is_the_same_link() -> None:
    assert LINKS.confirm(5, at=1_790_000_000.25) == LINKS.confirm(5, at=1_790_000_000.75)
    assert LINKS.confirm(5, at=1_790_000_000) != LINKS.confirm(6, at=1_790_000_000)


def test_links_and_vault_refuse_to_work_without_a_key() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        Links((), "https://a.example")
    with pytest.raises(ValueError, match="at least one key"):
        Vault(())


VAULT = Vault((NEW, OLD))


@given(secret=st.text(), context=st.text(max_size=40))
def test_what_is_sealed_opens_in_its_context(secret: str, context: str) -> None:
    assert VAULT.open(VAULT.seal(secret, context), context) == secret


def test_a_seal_differs_each_time_and_does_not_show_the_secret() -> None:
    first, second = (VAULT.seal("shpat_canary", "shops.access_token:42") for _ in range(2))
    assert first != second
    assert b"canary" not in first


def test_a_value_copied_to_another_row_does_not_open() -> None:
    sealed = VAULT.seal("secret", "shops.access_token:42")
    with pytest.raises(SealError, match="another place"):
        VAULT.open(sealed, "shops.access_token:43")


@given(position=st.integers(0, 500))
def test_a_damaged_seal_does_not_open(position: int) -> None:
    sealed = bytearray(VAULT.seal("secret", "here"))
    sealed[position % len(sealed)] ^= 1
    with pytest.raises(SealError):
        VAULT.open(bytes(sealed), "here")


@pytest.mark.parametrize("short", [b"", b"abc", b"abcd", b"abcd" + b"0" * 12])
def test_a_cut_seal_does_not_open(short: bytes) -> None:
    with pytest.raises(SealError):
        VAULT.open(short, "here")
    with pytest.raises(SealError):
        VAULT.open(VAULT.seal("secret", "here")[: len(short)], "here")


def test_a_rotated_vault_opens_old_seals_and_says_which_need_renewing() -> None:
    old = Vault((OLD,)).seal("secret", "here")
    assert VAULT.open(memoryview(old), "here") == "secret"  # type: ignore[arg-type]  # drivers hand over memoryviews
    assert VAULT.needs_resealing(old)
    assert not VAULT.needs_resealing(VAULT.seal("secret", "here"))
    with pytest.raises(SealError, match="SECRET_KEY"):
        Vault((OLD,)).open(VAULT.seal("secret", "here"), "here")


def test_a_keyed_hash_is_stable_under_the_first_key_and_needs_it() -> None:
    assert VAULT.keyed_hash("198.51.100.7") == Vault((NEW,)).keyed_hash("198.51.100.7")
    assert VAULT.keyed_hash("198.51.100.7") != Vault((OLD,)).keyed_hash("198.51.100.7")
    assert len(VAULT.keyed_hash("")) == 16


@given(secret=st.text(min_size=1, max_size=90), number=NUMBERS, salt=st.sampled_from(PURPOSES))
def test_a_token_is_what_itsdangerous_makes_of_it(secret: str, number: int, salt: str) -> None:
    """Letter for letter: links signed since the first version stay the same, and valid."""
    settings = {"key_derivation": "hmac", "digest_method": hashlib.sha256, "algorithm": links_module._ShortHmac()}
    assert IdSigner(secret, salt).sign(number) == URLSafeSerializer(secret, salt, signer_kwargs=settings).dumps(number)
