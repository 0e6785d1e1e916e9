"""Read what people answer to a text message: stop, start again, help, or something else.

Pure. Twilio knows single words of English only; people may say no in any reasonable wording (47 CFR 64.1200(a)(10)), so
a text that asks us to stop in the languages we write is a stop. What merely contains such a word is not: nobody is
taken off a list for asking whether the bus stops here.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum


class Wish(StrEnum):
    """What an answer asks for."""

    stop = "stop"
    start = "start"
    help = "help"
    other = "other"


# Twilio acts on these by itself and answers them; nobody else needs to.
STOP_WORDS = frozenset(["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"])
START_WORDS = frozenset(["start", "unstop", "yes"])
HELP_WORDS = frozenset(["help", "info"])

# What people write who want no more, whole texts, in the languages we write; in English the phrases below besides.
_MORE_STOPS = frozenset(
    """
    opt out;stop it;stop all;stop now;stop stop;stop stop stop;no more;enough;go away;leave me alone;wrong number
    remove;remove me;not interested;no thanks stop;stopp;stoppen;abmelden;abbestellen;bitte abmelden;austragen
    keine nachrichten mehr;keine sms mehr;aufhören;bitte aufhören;abo beenden;arret;arrêt;arrête;arrêter;arrêtez
    désabonner;désinscrire;me désabonner;me désinscrire;plus de messages;plus de sms;ne plus recevoir;ça suffit;baja
    alto;basta;parar;cancelar;darme de baja;dame de baja;no más mensajes;no mas mensajes;no enviar más;detener
    ferma;annulla;disiscrivimi;cancellami;niente più messaggi;sair;pare;descadastrar;remover;chega;cancelar inscrição
    afmelden;uitschrijven;geen berichten meer;afmeld;frameld;ikke flere beskeder;avsluta;avregistrera;sluta
    inga fler meddelanden;avslutt;meld av;ikke flere meldinger;lopeta;peruuta;ei enää viestejä;wypisz;wypisz mnie
    rezygnuję;przestań;przestańcie;zrušit;odhlásit;přestaňte;dost;leiratkozás;leiratkozom;elég;dezabonare;opriți
    διαγραφή;σταματήστε;отписаться;отпишите меня;стоп;хватит;не пишите;відписатися;відпишіть мене;досить;не пишіть
    ret;iptal;dur;durdur;mesaj istemiyorum;הסר;הפסק;תפסיקו;די;توقف;إيقاف;الغاء;إلغاء;إلغاء الاشتراك;أوقف
    停止;配信停止;解約;解除;수신거부;거부;중지;해지;退订;退訂;取消;取消订阅;取消訂閱;不要再发;不要再發;बंद करो;रोको;बंद
    hủy;dừng;ngừng;berhenti;batal;stop na;ยกเลิก;หยุด
    """.strip()
    .replace("\n", ";")
    .split(";")
)
_STOPS = STOP_WORDS | {" ".join(text.split()) for text in _MORE_STOPS}
_STARTS = START_WORDS | {"resume", "anmelden", "reprendre", "alta"}
_HELPS = HELP_WORDS | {"hilfe", "aide", "ayuda", "مساعدة"}
_NEVER = r"(?:don't|do not|dont|never)"
_TEXTS = r"(?:texts?|texting|messages?|messaging|sms|alerts?|notifications?|spam)"
_ASKS_TO_STOP = re.compile(
    r"(?<!don't )(?<!do not )(?<!dont )(?<!never )\b(?:"
    r"(?:please|pls|plz|just) stop|stop (?:please|pls|it|now|me|spamming|bothering|contacting|sending|these|this|all|"
    rf"(?:the |your |my )?{_TEXTS})|quit (?:it|sending|{_TEXTS})|unsubscribe (?:me|my|please|pls)|please unsubscribe|"
    r"(?:remove|delete|erase) (?:me\b|my (?:phone |cell )?number)|take (?:me|my (?:phone )?number) off|"
    rf"opt (?:me )?out|{_NEVER} (?:text|message|contact|write|call) me|leave me alone|"
    rf"{_NEVER} send (?:me )?(?:any|more|these|your|{_TEXTS})|no more (?:of (?:these|your) )?{_TEXTS}|"
    rf"(?:{_NEVER}|no longer) want (?:to (?:get|receive|hear)|(?:\w+ ){{0,3}}{_TEXTS})|"
    rf"(?:revoke|withdraw) (?:my )?consent|cancel (?:my |these |the |all |your )*(?:{_TEXTS}|subscription)|"
    rf"end (?:these|my|the|all) {_TEXTS})\b"
)
_NOT_LETTERS = re.compile(r"[^\w' ]+")
_LONGEST = 1600  # Twilio's limit for a text


def read_wish(body: str, opt_out_type: str = "") -> Wish:
    """Read an answer; `opt_out_type` is Twilio's own word on it (STOP, START or HELP), where it gives one."""
    named = {"STOP": Wish.stop, "START": Wish.start, "HELP": Wish.help}.get(opt_out_type.upper())
    if named is not None:
        return named
    said = _plain(body)
    if said in _STOPS or _ASKS_TO_STOP.search(said):
        return Wish.stop
    if said in _STARTS:
        return Wish.start
    return Wish.help if said in _HELPS else Wish.other


def is_twilios_own(body: str, opt_out_type: str = "") -> bool:
    """Say whether Twilio answers this by itself, so that a second answer would be one too many."""
    return bool(opt_out_type) or _plain(body) in STOP_WORDS | START_WORDS | HELP_WORDS


def _plain(body: str) -> str:
    folded = unicodedata.normalize("NFKC", body[:_LONGEST]).casefold().replace("\u2019", "'")
    return " ".join(_NOT_LETTERS.sub(" ", folded).split())
