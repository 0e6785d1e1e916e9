"""What the pages behind the links in our messages say, by locale; English is the last resort."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageTexts:
    """One locale's sentences. `{shop}` is replaced by the shop's name."""

    leave_title: str
    leave_text: str
    leave_button: str
    left_title: str
    left_text: str
    confirm_title: str
    confirm_text: str
    confirm_button: str
    confirmed_title: str
    confirmed_text: str
    blocked_title: str
    blocked_text: str
    gone_title: str
    gone_text: str
    this_browser: str  # in the place of an address, for alerts that come to a browser


TEXTS = {
    "en": PageTexts(
        leave_title="Stop all alerts from {shop}?",
        leave_text="We will no longer write to",
        leave_button="Stop all alerts",
        left_title="Done. You will hear no more from us",
        left_text="{shop} no longer sends restock alerts to",
        confirm_title="Tell you when it is back?",
        confirm_text="{shop} may send the restock alerts you asked for to",
        confirm_button="Yes, tell me",
        confirmed_title="You are on the list",
        confirmed_text="As soon as it can be bought again, {shop} writes to",
        blocked_title="No alerts can be sent here",
        blocked_text="Earlier messages came back or were reported as unwanted, so {shop} no longer writes to",
        gone_title="This link is not valid",
        gone_text="It may be incomplete or too old. Please open it again from the newest message.",
        this_browser="this browser",
    ),
    "de": PageTexts(
        leave_title="Alle Benachrichtigungen von {shop} beenden?",
        leave_text="Wir schreiben dann nicht mehr an",
        leave_button="Alle beenden",
        left_title="Erledigt. Sie hören nichts mehr von uns",
        left_text="{shop} schickt keine Benachrichtigungen mehr an",
        confirm_title="Sollen wir Bescheid geben?",
        confirm_text="{shop} darf die gewünschten Benachrichtigungen schicken an",
        confirm_button="Ja, Bescheid geben",
        confirmed_title="Sie stehen auf der Liste",
        confirmed_text="Sobald es wieder erhältlich ist, schreibt {shop} an",
        blocked_title="Hierhin können wir nichts schicken",
        blocked_text="Nachrichten kamen zurück oder wurden als unerwünscht gemeldet: {shop} schreibt nicht mehr an",
        gone_title="Dieser Link ist nicht gültig",
        gone_text="Er ist unvollständig oder zu alt. Bitte öffnen Sie ihn aus der neuesten Nachricht.",
        this_browser="diesen Browser",
    ),
    "fr": PageTexts(
        leave_title="Arrêter toutes les alertes de {shop} ?",
        leave_text="Nous n’écrirons plus à",
        leave_button="Tout arrêter",
        left_title="C’est fait. Vous ne recevrez plus rien de nous",
        left_text="{shop} n’envoie plus d’alertes à",
        confirm_title="Faut-il vous prévenir du retour en stock ?",
        confirm_text="{shop} peut envoyer les alertes demandées à",
        confirm_button="Oui, prévenez-moi",
        confirmed_title="Vous êtes sur la liste",
        confirmed_text="Dès que l’article est de nouveau en vente, {shop} écrit à",
        blocked_title="Aucune alerte ne peut être envoyée ici",
        blocked_text="Des messages sont revenus ou ont été signalés comme indésirables : {shop} n’écrit donc plus à",
        gone_title="Ce lien n’est pas valable",
        gone_text="Il est incomplet ou trop ancien. Ouvrez-le depuis le message le plus récent.",
        this_browser="ce navigateur",
    ),
    "es": PageTexts(
        leave_title="¿Detener todos los avisos de {shop}?",
        leave_text="Ya no escribiremos a",
        leave_button="Detener todos",
        left_title="Hecho. No volveremos a escribirte",
        left_text="{shop} ya no envía avisos a",
        confirm_title="¿Te avisamos cuando vuelva?",
        confirm_text="{shop} puede enviar los avisos que pediste a",
        confirm_button="Sí, avísame",
        confirmed_title="Estás en la lista",
        confirmed_text="En cuanto se pueda comprar de nuevo, {shop} escribirá a",
        blocked_title="Aquí no podemos enviar avisos",
        blocked_text="Mensajes anteriores fueron devueltos o marcados como no deseados. Por eso {shop} ya no escribe a",
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
