"""Sentences that ask us to stop, by what they are made of rather than word for word. Pure.

Each is written as `plain` leaves a text: lower case, single spaces, no punctuation but `'`; accents do not count.
Whatever says the opposite in its language must not match; the tests hold both.
"""

from __future__ import annotations

import re

from restock.channels.sms.inbound.plain import unmarked

_NEVER = r"(?:don't|do not|dont|never)"
_TEXTS = r"(?:texts?|texting|messages?|messaging|sms|alerts?|notifications?|spam)"
_ENGLISH = re.compile(
    r"(?<!don't )(?<!do not )(?<!dont )(?<!never )\b(?:"
    r"(?:please|pls|plz|just) stop|stop (?:please|pls|it|now|me|spamming|bothering|contacting|sending|these|this|all|"
    rf"(?:the |your |my )?{_TEXTS})|quit (?:it|sending|{_TEXTS})|"
    r"unsubscribe (?:me|my|from|please|pls)|please unsubscribe|"
    r"(?:remove|delete|erase) (?:me\b|my (?:phone |cell )?number)|take (?:me|my (?:phone )?number) off|"
    rf"opt (?:me )?out|{_NEVER} (?:text|message|contact|write|call) me|leave me alone|"
    rf"{_NEVER} send (?:me )?(?:any|more|these|your|{_TEXTS})|no (?:more|further) (?:of (?:these|your) )?{_TEXTS}|"
    rf"(?:{_NEVER}|no longer) want (?:to (?:get|receive|hear)|(?:\w+ ){{0,3}}{_TEXTS})|"
    rf"(?:revoke|withdraw) (?:my )?consent|cancel (?:my |these |the |all |your )*(?:{_TEXTS}|subscription)|"
    rf"end (?:these|my|the|all) {_TEXTS}|"
    r"(?:said|say|told you|asked you|want you|need you|can you|could you|would you)(?: to)? (?:stop$|unsubscribe)|"
    r"how (?:do|can|to) (?:i )?(?:stop$|unsubscribe|opt out))\b"
)
_OTHERS = (
    # German
    r"keine? weiteren? (?:nachrichte?n?|sms|benachrichtigung(?:en)?|mitteilungen|meldungen|infos)",
    r"keine (?:nachrichten|sms|benachrichtigungen|mitteilungen|meldungen|infos) mehr",
    r"(?:nicht mehr|nie wieder|nicht weiter) (?:an)?(?:schreiben|schicken|senden|kontaktieren|benachrichtigen)",
    r"(?:schreib|schreibt|schreiben sie|schick|schickt|schicken sie|senden sie) mir(?: bitte)? (?:nichts? mehr|keine)",
    r"kontaktieren sie mich(?: bitte)? (?:nicht mehr|nie wieder)",
    r"(?:hort|hor|horen sie|hoert|hoer|hoeren sie)(?: bitte)? auf",
    r"(?:will|mochte|moechte|wunsche|wuensche) (?:\S+ )?keine (?:\S+ )?(?:nachrichten|sms|benachrichtigungen)",
    r"(?:melden sie|meldet|meld) mich(?: bitte)? ab|(?:mich|mochte mich|will mich)(?: bitte)? abmelden",
    # French
    r"(?:ne )?(?:veux|souhaite|desire|voudrais) plus (?:recevoir|etre|de (?:messages?|sms)|vos|rien|aucun)",
    r"(?:ne |n')(?:m'|me )?\S{0,12} ?plus (?:m'|me )?(?:envoyer|recevoir|ecrire|contacter)|(?:ne plus) (?:m'|me )\S+",
    r"ne (?:m'|me )(?:ecrivez|envoyez|contactez|ecris|envoie) (?:plus|pas)|plus aucun (?:message|sms)",
    r"(?:arretez|arrete|cessez) (?:de |d'|les |ces |vos |avec )\S+",
    r"supprimez (?:moi|mon (?:numero|contact))",
    r"(?:me|m') ?(?:desabonner|desinscrire)|desabonnez moi|desinscrivez moi",
    # Spanish
    r"no (?:quiero|deseo) (?:recibir |que me )?(?:mas |sus |estos |estas |los )*(?:mensajes?|sms|avisos|alertas)",
    r"no (?:quiero|deseo) (?:recibir |mas )*(?:notificaciones|textos)|no (?:quiero|deseo) que me \S+",
    r"no (?:quiero|deseo) (?:recibir )?(?:nada )?mas$",
    r"no me (?:mandes?|manden|envies?|envien)(?: (?:mas|nada|mensajes|sms|avisos)|$)",
    r"no me (?:escribas?|escriban|contacten|contactes)",
    r"(?:deja|dejen|deje|paren|para) de (?:enviar|mandar|escribir|molestar)\S*",
    r"(?:quiero|quisiera|deseo) (?:darme|dar) de baja|(?:borr|elimin|quit)\S{1,4}me (?:de|la|por)",
    # Italian
    r"non (?:voglio|desidero) (?:piu )?ricevere|non (?:voglio|desidero) (?:altri|piu) (?:messaggi|sms|avvisi)",
    r"non (?:mi )?(?:inviate|mandate|scrivete|contattate|scrivere|mandare|inviare)(?:mi)? (?:piu|altri)",
    r"basta (?:messaggi|sms|notifiche)|smettetela|smettila|smettete di|rimuovetemi|toglietemi",
    # Portuguese
    r"nao (?:quero|desejo) (?:mais )?(?:receber|mensagens|sms|avisos|alertas)|nao quero mais$",
    r"nao (?:me )?(?:mande|mandem|envie|enviem|escreva|escrevam) mais",
    r"par(?:e|em|a) de (?:me )?(?:enviar|mandar|escrever|incomodar)|cancelar (?:mensagens|sms|avisos|alertas)",
    # Dutch
    r"geen (?:\S+ )?(?:berichten|sms|sms'jes|meldingen) meer|geen verdere (?:berichten|sms|meldingen)",
    r"niet meer (?:sturen|sms'en|smsen|schrijven|contacteren|benaderen|berichten)",
    r"(?:stuur|sturen)(?: me| mij)? (?:geen|niet|niks|niets)(?: \S+){0,2} meer|wil geen (?:\S+ )?(?:berichten|sms)",
    r"(?:schrijf|meld) (?:me|mij)(?: aub)? (?:uit|af)|wil me (?:graag )?(?:afmelden|uitschrijven)",
    # Danish, Norwegian, Swedish
    r"(?:ikke|ingen|inga|inte) (?:flere|fler|mer|mere) (?:beskeder|meldinger|meddelanden|sms|sms'er|smser|sms ar)",
    r"(?:sluta|slut|stop|slutt) (?:med at |med a |a |att )?(?:skicka|smsa|skriva|sende|skrive|sms'e)",
    r"(?:vill inte|vil ikke|onsker ikke|onskar inte)(?: \S+){0,4} (?:sms\S*|meddelanden|beskeder|meldinger|varsler)",
    # Finnish, Hungarian, Romanian, Turkish
    r"en halua (?:enaa |lisaa )?(?:viesteja|tekstiviesteja|vastaanottaa)|alkaa (?:enaa )?lahettako",
    r"nem (?:kerek|szeretnek|akarok) (?:tobbet|tobb (?:uzenet|sms|ertesites)\S*)",
    r"ne (?:kuldjenek|irjanak|kuldjetek|irjatok|kuldj) (?:nekem )?tobb\S*",
    r"nu mai vreau(?: sa primesc| (?:mesaje|sms)|$)",
    r"nu mi mai (?:trimiteti|scrieti|trimite|scrie)|opriti (?:mesajele|sms)\S*",
    r"(?:mesaj|sms)(?: \S+)? (?:istemiyorum|gonderme\S*|atma|atmayin)|artik (?:\S+ )?istemiyorum",
    # Polish, Czech
    r"nie (?:chce|zycze sobie)(?: \S+){0,2} (?:wiadomosci|sms\S*|powiadomien)",
    r"nie (?:wysylaj|wysylajcie)(?: mi| do mnie)? (?:wiecej|juz|sms\S*|wiadomosci)|nie (?:piszcie|pisz)",
    r"prosze (?:mnie )?(?:wypisac|usunac)",
    r"przestan(?:cie)? (?:pisac|wysylac)",
    r"uz (?:mi )?(?:nepiste|neposilejte)|nepiste mi|neposilejte(?: mi)?(?: uz)? (?:nic|sms\S*|zadne|zpravy)",
    r"nechci (?:uz )?(?:(?:zadne|dalsi) (?:zpravy|sms\S*|upozorneni)|dostavat)",
    # Russian, Ukrainian, Greek
    r"больше не (?:пишите|пиши|присылайте|шлите|отправляйте)|не (?:пишите|пиши)(?: мне)?(?: больше)?$",
    r"не (?:присылайте|шлите|отправляйте)(?: мне)? (?:больше|смс|сообщени\S*)",
    r"не хочу (?:больше )?получать",
    r"більше не (?:пишіть|надсилайте|шліть)|не (?:пишіть)(?: мені)?(?: більше)?$",
    r"не (?:надсилайте|шліть)(?: мені)? (?:більше|смс|повідомлен\S*)",
    r"не хочу (?:більше )?отримувати",
    r"μην? (?:μου )?(?:στελνετε|ξαναστειλετε|στειλετε)|δεν θελω (?:αλλα |πια )?μηνυματα",
    # Hebrew, Arabic
    r"(?:אל|לא) (?:תשלחו|לשלוח)(?: לי)? (?:עוד|יותר|הודעות)|(?:תפסיקו|הפסיקו) לשלוח(?: \S+){0,2}",
    r"(?:תסירו|הסירו|להסיר) אותי(?: \S+){0,2}",
    r"لا (?:تراسلوني|تراسلني)|لا (?:ترسل|ترسلوا)(?: لي)? (?:رسائل|المزيد|شيئا|اي)",
    r"لا اريد(?: \S+){0,2} (?:رسائل|الرسائل)",
    r"(?:اوقف|اوقفوا|توقفوا عن|توقف عن) (?:ارسال|الرسائل|مراسلتي)(?: \S+){0,2}",
)
_OTHER_LANGUAGES = re.compile(rf"(?<!\S)(?:{unmarked('|'.join(_OTHERS))})(?!\S)")
# Scripts that put no spaces between words, or vowels above their letters.
_UNSPACED = re.compile(
    r"不(?:要|想|需要)再?(?:给我|給我)?(?:[发發](?![票货貨])|[傳传]|收到)|"
    r"别再?(?:给我)?发(?!货)|別再?(?:給我)?[發傳](?!貨)|(?:停止|取消)(?:发送|發送|傳送|订阅|訂閱)|"
    r"送らないで|配信(?:を|の)?停止|(?:配信|メッセージ|通知)を?(?:止め|やめ|解除)|(?:メッセージ|通知|連絡)は?(?:いりません|不要)|"
    r"보내지 ?(?:마|말)|그만 ?보내|수신 ?거부|문자 ?그만|मत भेज|भेजना बंद|ไม่ต้องส่ง|หยุดส่ง|ยกเลิกการ(?:รับ|แจ้ง)"
)


def asks_to_stop(said: str) -> bool:
    """Say whether a text, in the form of `plain`, asks us to write no more."""
    return any(one.search(said) is not None for one in (_ENGLISH, _OTHER_LANGUAGES, _UNSPACED))
