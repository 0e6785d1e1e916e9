"""What people answer to a text message, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.sms.inbound import HELP_WORDS, START_WORDS, STOP_WORDS, Wish, is_twilios_own, read_wish


@pytest.mark.parametrize("word", sorted(STOP_WORDS))
def test_a_word_that_stops_does_so_however_it_is_written(word: str) -> None:
    for text in (word, word.upper(), f" {word.title()}. ", f"“{word}”!", f"{word}\n"):
        assert read_wish(text) is Wish.stop
        assert is_twilios_own(text)


@pytest.mark.parametrize(
    "text",
    [
        "Please stop",
        "stop texting me!!",
        "Can you take me off this list?",
        "unsubscribe me pls",
        "Don’t text me again",
        "DO NOT TEXT ME",
        "opt-out",
        "no more messages",
        "I said please stop",
        "Abmelden",
        "Bitte aufhören!",
        "Arrêtez",
        "désabonner",
        "BAJA",
        "no más mensajes",
        "إلغاء الاشتراك",
        "ＳＴＯＰ please",
        "please stop texting me",
        "no more",
        "No more texts please",
        "I don't want these texts anymore",
        "i no longer want to receive your messages",
        "Leave me alone!",
        "quit texting me",
        "wrong number",
        "Delete my number",
        "take my number off your list",
        "STOP STOP STOP",
        "Stop sending me messages",
        "stop spamming",
        "never text me again",
        "don't send me any more of this",
        "I revoke my consent",
        "cancel my alerts",
        "cancel all these texts",
        "please unsubscribe",
        "Would you please opt me out of this?",
        "just stop",
        "Afmelden",
        "Basta!",
        "Sair",
        "Wypisz mnie",
        "Отписаться",
        "Хватит!",
        "配信停止",
        "수신거부",
        "退订",
        "הסר",
        "Ret",
        "Avsluta",
        "Lopeta",
    ],
)
def test_a_no_in_any_reasonable_wording_is_a_no(text: str) -> None:
    assert read_wish(text) is Wish.stop


@pytest.mark.parametrize(
    "text",
    [
        "Does the bus stop there?",
        "don't stop!",
        "please don't stop texting me",
        "Is this the end?",
        "thanks",
        "",
        "👍",
        "I want to cancel my order 1001",
        "yes please, the green one",
        "help me choose a size",
        "never stop texting me, I love it",
        "do not stop sending these",
        "I want more of these",
        "When will you stop selling this?",
        "can I cancel my order?",
        "no thanks, the blue one",
        "stop by the store tomorrow?",
        "I don't want any other colour",
    ],
)
def test_what_merely_contains_such_a_word_changes_nothing(text: str) -> None:
    assert read_wish(text) is Wish.other
    assert not is_twilios_own(text)


@pytest.mark.parametrize("word", sorted(START_WORDS))
def test_a_start_is_a_start(word: str) -> None:
    assert read_wish(word.upper()) is Wish.start


@pytest.mark.parametrize("word", [*sorted(HELP_WORDS), "Hilfe", "AIDE", "¿ayuda?"])
def test_a_call_for_help_is_one(word: str) -> None:
    assert read_wish(word) is Wish.help


@pytest.mark.parametrize("wish", [Wish.stop, Wish.start, Wish.help])
def test_twilios_own_word_counts_before_ours(wish: Wish) -> None:
    assert read_wish("whatever was said", wish.value.upper()) is wish
    assert is_twilios_own("whatever was said", wish.value.upper())


@given(st.text(max_size=2000), st.text(max_size=10))
def test_no_text_is_too_strange(body: str, opt_out_type: str) -> None:
    assert read_wish(body, opt_out_type) in Wish
