"""What the pages behind the links in our messages say, by locale; English is the last resort."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageTexts:
    """One locale's sentences. `{shop}` is replaced by the shop's name."""

    leave_title: str
    leave_text: str
    leave_button: str
    leave_link: str  # on a page about something else
    left_title: str
    left_text: str
    confirm_title: str
    confirm_text: str
    confirm_button: str
    confirmed_title: str
    confirmed_text: str
    blocked_title: str
    blocked_text: str
    decline_title: str
    decline_text: str
    decline_button: str
    passed_title: str
    passed_text: str
    over_title: str
    over_text: str
    bought_title: str
    bought_text: str
    gone_title: str
    gone_text: str
    this_browser: str  # in the place of an address, for alerts that come to a browser


TEXTS = {
    "en": PageTexts(
        leave_title="Stop all alerts from {shop}?",
        leave_text="We will no longer write to",
        leave_button="Stop all alerts",
        leave_link="Stop all alerts from {shop}",
        left_title="Done. You will hear no more from us",
        left_text="{shop} no longer sends restock alerts to",
        confirm_title="Tell you when it is back?",
        confirm_text="{shop} may send the restock alerts you asked for to",
        confirm_button="Yes, tell me",
        confirmed_title="You are on the list",
        confirmed_text="As soon as it can be bought again, {shop} writes to",
        blocked_title="No alerts can be sent here",
        blocked_text="Earlier messages came back or were reported as unwanted, so {shop} no longer writes to",
        decline_title="Not now?",
        decline_text="We tell the next in line. You keep your place, and {shop} writes again the next time it is back.",
        decline_button="Pass my turn on, keep my place",
        passed_title="Your turn is passed on",
        passed_text="You keep your place in line. The next time it is back, {shop} writes to",
        over_title="Your turn was over already",
        over_text="Others in line may have been told by now, so there was nothing to pass on. Nothing has changed.",
        bought_title="You have bought it",
        bought_text="Your order at {shop} ended your turn, so there is nothing to pass on.",
        gone_title="This link is not valid",
        gone_text="It may be incomplete or too old. Please open it again from the newest message.",
        this_browser="this browser",
    ),
    "de": PageTexts(
        leave_title="Alle Benachrichtigungen von {shop} beenden?",
        leave_text="Wir schreiben dann nicht mehr an",
        leave_button="Alle beenden",
        leave_link="Alle Benachrichtigungen von {shop} beenden",
        left_title="Erledigt. Sie hören nichts mehr von uns",
        left_text="{shop} schickt keine Benachrichtigungen mehr an",
        confirm_title="Sollen wir Bescheid geben?",
        confirm_text="{shop} darf die gewünschten Benachrichtigungen schicken an",
        confirm_button="Ja, Bescheid geben",
        confirmed_title="Sie stehen auf der Liste",
        confirmed_text="Sobald es wieder erhältlich ist, schreibt {shop} an",
        blocked_title="Hierhin können wir nichts schicken",
        blocked_text="Nachrichten kamen zurück oder wurden als unerwünscht gemeldet: {shop} schreibt nicht mehr an",
        decline_title="Gerade nicht?",
        decline_text="Wir sagen anderen Bescheid. Sie behalten Ihren Platz, beim nächsten Mal schreibt {shop} wieder.",
        decline_button="Andere vorlassen, Platz behalten",
        passed_title="Andere sind jetzt an der Reihe",
        passed_text="Sie behalten Ihren Platz. Wenn es das nächste Mal wieder da ist, schreibt {shop} an",
        over_title="Sie waren schon nicht mehr an der Reihe",
        over_text="Andere wissen vielleicht schon Bescheid: Es gab nichts weiterzugeben. Nichts hat sich geändert.",
        bought_title="Sie haben es gekauft",
        bought_text="Sie haben bei {shop} bestellt. Es gibt nichts mehr weiterzugeben.",
        gone_title="Dieser Link ist nicht gültig",
        gone_text="Er ist unvollständig oder zu alt. Bitte öffnen Sie ihn aus der neuesten Nachricht.",
        this_browser="diesen Browser",
    ),
    "fr": PageTexts(
        leave_title="Arrêter toutes les alertes de {shop} ?",
        leave_text="Nous n’écrirons plus à",
        leave_button="Tout arrêter",
        leave_link="Arrêter toutes les alertes de {shop}",
        left_title="C’est fait. Vous ne recevrez plus rien de nous",
        left_text="{shop} n’envoie plus d’alertes à",
        confirm_title="Faut-il vous prévenir du retour en stock ?",
        confirm_text="{shop} peut envoyer les alertes demandées à",
        confirm_button="Oui, prévenez-moi",
        confirmed_title="Vous êtes sur la liste",
        confirmed_text="Dès que l’article est de nouveau en vente, {shop} écrit à",
        blocked_title="Aucune alerte ne peut être envoyée ici",
        blocked_text="Des messages sont revenus ou ont été signalés comme indésirables : {shop} n’écrit donc plus à",
        decline_title="Pas maintenant ?",
        decline_text="Nous prévenons quelqu’un d’autre. Vous gardez votre place : {shop} écrira au prochain retour.",
        decline_button="Passer mon tour, garder ma place",
        passed_title="Votre tour est passé à la personne suivante",
        passed_text="Vous gardez votre place dans la file. Au prochain retour, {shop} écrira à",
        over_title="Votre tour était déjà terminé",
        over_text="D’autres ont peut-être déjà été prévenus : il n’y avait plus rien à céder. Rien n’a changé.",
        bought_title="Vous l’avez acheté",
        bought_text="Votre commande chez {shop} a mis fin à votre tour : il n’y a plus rien à céder.",
        gone_title="Ce lien n’est pas valable",
        gone_text="Il est incomplet ou trop ancien. Ouvrez-le depuis le message le plus récent.",
        this_browser="ce navigateur",
    ),
    "es": PageTexts(
        leave_title="¿Detener todos los avisos de {shop}?",
        leave_text="Ya no escribiremos a",
        leave_button="Detener todos",
        leave_link="Detener todos los avisos de {shop}",
        left_title="Hecho. No volveremos a escribirte",
        left_text="{shop} ya no envía avisos a",
        confirm_title="¿Te avisamos cuando vuelva?",
        confirm_text="{shop} puede enviar los avisos que pediste a",
        confirm_button="Sí, avísame",
        confirmed_title="Estás en la lista",
        confirmed_text="En cuanto se pueda comprar de nuevo, {shop} escribirá a",
        blocked_title="Aquí no podemos enviar avisos",
        blocked_text="Mensajes anteriores fueron devueltos o marcados como no deseados. Por eso {shop} ya no escribe a",
        decline_title="¿Ahora no?",
        decline_text="Avisaremos a otra persona. Conservas tu lugar: {shop} te escribirá cuando vuelva otra vez.",
        decline_button="Ceder mi turno, conservar mi lugar",
        passed_title="Has cedido tu turno",
        passed_text="Conservas tu lugar en la lista. La próxima vez que vuelva, {shop} escribirá a",
        over_title="Tu turno ya había terminado",
        over_text="Quizá ya hemos avisado a otras personas, así que no quedaba nada que ceder. Nada ha cambiado.",
        bought_title="Ya lo has comprado",
        bought_text="Tu compra en {shop} puso fin a tu turno: no queda nada que ceder.",
        gone_title="Este enlace no es válido",
        gone_text="Está incompleto o es demasiado antiguo. Ábrelo desde el mensaje más reciente.",
        this_browser="este navegador",
    ),
}


def texts_for(locale: str | None) -> tuple[str, PageTexts]:
    """Give the best locale we have and its sentences: `fr-CA` finds `fr`, anything unknown finds `en`."""
    language = (locale or "en").replace("_", "-").split("-")[0].lower()
    found = language if language in TEXTS else "en"
    return found, TEXTS[found]
