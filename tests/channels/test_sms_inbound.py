"""What people answer to a text message, and what it means."""

from __future__ import annotations

from unicodedata import combining, name, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.sms.inbound import Wish, is_twilios_own, read_wish, words
from restock.channels.tongues import LANGUAGES
from restock.channels.wording import phrases_for
from tests.spent import at_most

LISTED = {
    Wish.stop: f"{words.CLEAR_STOPS_WRITTEN}\n{words.STOPS_WRITTEN}\n{';'.join(words.TWILIO_STOPS)}",
    Wish.start: f"{words.STARTS_WRITTEN}\n{';'.join(words.TWILIO_STARTS)}",
    Wish.help: f"{words.HELPS_WRITTEN}\n{';'.join(words.TWILIO_HELPS)}",
}


@pytest.mark.parametrize("wish", LISTED)
def test_everything_listed_is_understood_however_it_is_written(wish: Wish) -> None:
    phrases = {one.strip() for line in LISTED[wish].splitlines() for one in line.split(";")} - {""}
    assert len(phrases) > 15
    for phrase in phrases:
        bare = "".join(one for one in normalize("NFD", phrase) if not combining(one) or "LATIN" not in name(phrase[0]))
        for text in (phrase, phrase.upper(), f" {phrase.title()}!! ", f"«{phrase}»", normalize("NFD", phrase), bare):
            assert read_wish(text) is wish, text


@pytest.mark.parametrize("locale", LANGUAGES)
def test_who_repeats_our_own_line_about_stopping_has_stopped(locale: str) -> None:
    line = phrases_for(locale).say("sms.stop")
    assert "STOP" in line
    first, colon, _ = line.partition(":")
    assert not colon or read_wish(first) is Wish.stop, first


def test_the_lists_contradict_nowhere() -> None:
    assert not words.STOPS & (words.STARTS | words.HELPS | words.POLITE)
    assert not words.STARTS & (words.HELPS | words.POLITE)


@pytest.mark.parametrize("word", sorted(words.TWILIO_STOPS))
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
        "İptal",
        "İPTAL",
        "Arrete",
        "desabonner",
        "DÉSINSCRIRE",
        "desabonnez-moi",
        "aufhoren",
        "aufhoeren",
        "przestan",
        "zrusit",
        "ΔΙΑΓΡΑΦΗ",
        "σταματηστε",
        "ยกเลิก",
        "बंद करो",
        "STOP bitte",
        "Stop svp",
        "Stop, merci",
        "stop gracias",
        "Bonjour, stop s'il vous plaît",
        "Bitte abmelden, danke",
        "S.T.O.P",
        "s t o p !",
        "unsub",
        "Unsubscribe from this list",
        "I said stop",
        "Can you stop?",
        "STOP STOP STOP STOP",
        "STOP STOP please",
        "STOP 12345",
        "Stop it!!! 😡",
        "🛑",
        "🛑🛑🛑",
        "STOP 🙏",
        "no quiero más mensajes",
        "No me manden más",
        "Ya no me escriban por favor",
        "Quiero darme de baja",
        "keine weiteren Nachrichten",
        "Ich möchte keine SMS mehr bekommen",
        "Bitte nicht mehr schreiben",
        "Hört auf!",
        "Je ne veux plus recevoir de messages",
        "je veux plus recevoir vos sms",
        "Arrêtez de m’écrire",
        "Stop aux messages",
        "Non voglio più ricevere messaggi",
        "Não quero mais mensagens",
        "Pare de me enviar mensagens",
        "Ik wil geen berichten meer",
        "Schrijf me uit",
        "Jag vill inte ha fler sms",
        "Jeg vil ikke have flere beskeder",
        "Nie chcę więcej wiadomości",
        "Nechci žádné zprávy",
        "Artık mesaj istemiyorum",
        "Больше не пишите мне",
        "Не надсилайте мені повідомлень",
        "Nu mai vreau mesaje",
        "Nem kérek több üzenetet",
        "En halua enää viestejä",
        "Δεν θέλω άλλα μηνύματα",
        "请不要再发了",
        "配信を停止してください",
        "문자 보내지 마세요",
        "لا ترسلوا لي رسائل",
        "أوقفوا الرسائل",
        "אל תשלחו לי יותר",
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
        "stop by the shop?",
        "Stop by tomorrow",
        "stop selling it?",
        "End of season?",
        "Ich habe keine Nachrichten",
        "Nicht aufhören!",
        "No quiero más colores, solo el azul",
        "Non voglio altri colori",
        "Jag vill inte ha den röda",
        "Je veux plus de tailles",
        "Où est l'arrêt de bus ?",
        "Où vous arrêtez-vous ?",
        "Не отправляйте заказ сегодня",
        "不需要发票",
        "请不要发货",
        "nie wysyłaj zamówienia jutro",
        "No me envíen el pedido",
        "אל תשלחו את ההזמנה",
        "Nem kérek több színt",
    ],
)
def test_what_merely_contains_such_a_word_changes_nothing(text: str) -> None:
    assert read_wish(text) is Wish.other
    assert not is_twilios_own(text)


@pytest.mark.parametrize("word", sorted(words.TWILIO_STARTS))
def test_a_start_is_a_start(word: str) -> None:
    assert read_wish(word.upper()) is Wish.start


@pytest.mark.parametrize("word", [*sorted(words.TWILIO_HELPS), "Hilfe", "AIDE", "¿ayuda?"])
def test_a_call_for_help_is_one(word: str) -> None:
    assert read_wish(word) is Wish.help


@pytest.mark.parametrize("wish", [Wish.stop, Wish.start, Wish.help])
def test_twilios_own_word_counts_before_ours(wish: Wish) -> None:
    assert read_wish("whatever was said", wish.value.upper()) is wish
    assert is_twilios_own("whatever was said", wish.value.upper())


@pytest.mark.parametrize("text", ["ﷺ" * 1600, "a " * 800, "не " * 600, "e\u0301" * 800, "stop " * 320, "n'" * 800])
def test_a_text_made_to_be_slow_is_read_at_once(text: str) -> None:
    with at_most(0.3):
        read_wish(text)


@given(st.text(max_size=2000), st.text(max_size=10))
def test_no_text_is_too_strange(body: str, opt_out_type: str) -> None:
    assert read_wish(body, opt_out_type) in Wish
