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

_MORE_STOPS = frozenset(
    """
    opt out;stop it;stop all;stop now;stop please;please stop;stop texting;stop messaging;stop sending;stopp;stoppen
    unsubscribe me;remove me;take me off;no more;no more texts;no more messages;leave me alone;do not text;dont text
    do not text me;dont text me;stop texting me;stop messaging me;abmelden;abbestellen;bitte abmelden;austragen
    keine nachrichten mehr;keine sms mehr;aufhören;bitte aufhören;arret;arrêt;arrête;arrêter;arrêtez;désabonner
    désinscrire;me désabonner;me désinscrire;plus de messages;plus de sms;ne plus recevoir;baja;alto;parar;cancelar
    darme de baja;dame de baja;no más mensajes;no mas mensajes;no enviar más;توقف;إيقاف;الغاء;إلغاء;إلغاء الاشتراك
    """.strip()
    .replace("\n", ";")
    .split(";")
)
_STOPS = STOP_WORDS | {" ".join(text.split()) for text in _MORE_STOPS}
_STARTS = START_WORDS | {"resume", "anmelden", "reprendre", "alta"}
_HELPS = HELP_WORDS | {"hilfe", "aide", "ayuda", "مساعدة"}
_ASKS_TO_STOP = re.compile(
    r"(?<!don't )(?<!do not )(?<!dont )\b(?:please stop|stop (?:texting|messaging|sending|these|the texts|all)|"
    r"unsubscribe me|remove me from|take me off|opt me out|(?:don't|do not|dont) (?:text|message|contact) me)\b"
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
