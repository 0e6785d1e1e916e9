"""The `restock` command: reads the words, runs what they name, and turns errors into sentences."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from uuid import UUID

from restock.errors import ConfigurationError, RestockError
from restock.local.lifeline import StartError

QUEUES = ("stock", "deliveries")
_PARTS = "restock.commands.parts"
_FORWARDED = {"peers", "demo", "bench"}  # commands that read their own words
_SETTINGS = "restock.commands.shops:settings"
_INTERRUPTED = 130  # what shells say of a command ended by Ctrl-C


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 2 for settings or words that cannot be used, 1 for what failed."""
    chosen = list(sys.argv[1:] if words is None else words)
    try:
        return _run(chosen)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the outer door of a command: what has a sentence is told, the rest is a fault of ours
        code, lines = _explain(error)
        if not lines:
            raise
        print("\n".join(lines), file=sys.stderr, flush=True)
        return code


def _run(words: Sequence[str]) -> int:
    if words and words[0] in _FORWARDED:
        return int(_load(f"{_PARTS}:{words[0]}")(words[1:]) or 0)
    parser = build_parser()
    options, left = parser.parse_known_args(words)
    if left and options.action == _SETTINGS and not any(word.startswith("-") for word in left):
        options.changes, left = [*options.changes, *left], []  # argparse takes no more of them once an option came
    if left:
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if options.action is None:
        options.group.print_help()
        return 2
    return int(_load(options.action)(options))


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of every command; each names the function that runs it, which is imported only then."""
    parser = argparse.ArgumentParser(
        prog="restock",
        description="Back-in-stock alerts for Shopify stores.",
        epilog="`restock COMMAND --help` says more of each. Settings: see .env.example.",
    )
    parser.set_defaults(action=None, group=parser)
    commands = parser.add_subparsers(metavar="COMMAND")
    _add(commands, "run", f"{_PARTS}:run", "everything on this machine: what `python3 app.py` starts")
    _add(commands, "web", f"{_PARTS}:web", "the web server")
    queue = _add(commands, "worker", f"{_PARTS}:worker", "a worker on one queue")
    queue.add_argument("queue", nargs="?", choices=QUEUES, default="deliveries", help="default: deliveries")
    _add(commands, "sweep", f"{_PARTS}:sweep", "the sweeper: everything that is due; several may run")
    migrate = _add(commands, "migrate", f"{_PARTS}:migrate", "bring the database to the newest migration")
    migrate.add_argument("--quiet", action="store_true", help="say nothing when all is well")
    _add(commands, "doctor", "restock.commands.doctor:examine", "look at everything and say what is amiss")
    _add_questions(commands)
    _add_shop(commands)
    _add_privacy(commands)
    secrets = _add_group(commands, "secrets", "the instance's own secrets")
    _add(secrets, "reseal", "restock.commands.secrets:reseal", "seal what older keys sealed with the first SECRET_KEY")
    _add(secrets, "vapid", "restock.commands.secrets:make_vapid", "make the key of web push; once, for good")
    bounce = _add(commands, "bounce", "restock.commands.mail:bounce", "read a returned mail from the input, as a pipe")
    bounce.add_argument("--to", metavar="ADDRESS", action="append", default=[], help="the address it came to")
    _add(commands, "demo", f"{_PARTS}:demo", "the whole story, on a throw-away instance")
    _add(commands, "peers", f"{_PARTS}:peers", "stand-ins for mail server, Twilio and push service (development)")
    _add(commands, "bench", f"{_PARTS}:bench", "the benchmarks (in a checkout)")
    return parser


def _whole(text: str) -> int:
    """Read a whole number; what is none is told as such."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None


def _any_id(text: str) -> int | UUID:
    """Read the number of a subscription, or the id an intent was answered with."""
    try:
        return int(text) if text.isdecimal() else UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number or an intent's id, not {text!r}") from None


def _add_questions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = _add(
        commands, "explain", "restock.commands.explain:explain", "say why somebody waits, or was told or not"
    )
    explain.add_argument(
        "subscription", metavar="ID", type=_any_id, help="its number in the merchant's pages, or the intent's id"
    )
    explain.add_argument("--json", action="store_true", help="everything the reason was judged by, for programs")
    what = "say who would be told when if a variant had so many units now; nothing is changed"
    simulate = _add(commands, "simulate", "restock.commands.simulate:simulate", what)
    simulate.add_argument("variant", metavar="VARIANT", type=_whole, help="Shopify's id of the variant")
    simulate.add_argument("units", metavar="UNITS", type=_whole, nargs="?", help="so many in stock; or --unlimited")
    simulate.add_argument("--unlimited", action="store_true", help="stock without limit")
    simulate.add_argument("--policy", choices=("fair", "strict", "everyone"), help="instead of the shop's own")
    simulate.add_argument("--bought", metavar="PERCENT", type=float, default=0, help="so much is bought; default: 0")
    simulate.add_argument("--shop", metavar="DOMAIN", help="needed only where several shops have the variant")
    simulate.add_argument("--json", action="store_true", help="for programs")


def _add_shop(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    shop = _add_group(commands, "shop", "shops and their settings")
    add = _add(shop, "add", "restock.commands.shops:add", "add a shop without Shopify's install flow")
    add.add_argument("domain", metavar="DOMAIN", help="for example your-shop.myshopify.com")
    add.add_argument("--token", help="the Admin API access token of a custom app; kept sealed")
    renew = _add(shop, "renew", "restock.commands.shops:renew", "fetch new tokens; one without end gets an end")
    renew.add_argument("domain", metavar="DOMAIN")
    _add(shop, "list", "restock.commands.shops:show_all", "list the shops")
    state = _add(shop, "state", "restock.commands.shop_state:show", "say how a shop is and what is held back")
    state.add_argument("domain", metavar="DOMAIN")
    confirm = _add(
        shop, "confirm", "restock.commands.shop_state:confirm", "alert about what changed settings hold back"
    )
    confirm.add_argument("domain", metavar="DOMAIN")
    confirm.add_argument("--yes", action="store_true", help="do not ask")
    settings = _add(shop, "settings", _SETTINGS, "show or change a shop's settings")
    settings.add_argument("domain", metavar="DOMAIN")
    settings.add_argument("changes", metavar="KEY=VALUE", nargs="*", help="an empty value goes back to the default")
    settings.add_argument("--dry-run", action="store_true", help="say whom it would alert now, and save nothing")
    _add_texts(shop)
    _add_email(shop)


def _add_email(shop: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    where = "restock.commands.mail"
    email = _add(shop, "email", f"{where}:show", "by whom a shop sends its e-mail: shown, or changed by an action")
    email.add_argument("domain", metavar="DOMAIN")
    actions = email.add_subparsers(metavar="ACTION")
    _add(actions, "providers", f"{where}:providers", "list the providers and what each has to know")
    choose = _add(actions, "set", f"{where}:choose", "choose a provider, or change what is known of it")
    choose.add_argument("provider", metavar="PROVIDER", help="postmark, sendgrid, mailgun, resend or ses")
    choose.add_argument("words", metavar="NAME=VALUE", nargs="+", help="from=…, secret=@- reads it from the input")
    _add(actions, "drop", f"{where}:drop", "send by this instance's mail server again")
    test = _add(actions, "test", f"{where}:test", "send a sample and say what the provider said")
    test.add_argument("address", metavar="ADDRESS", help="a mailbox of yours")


def _add_texts(shop: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    where = "restock.commands.texts"
    texts = _add(shop, "texts", f"{where}:show_all", "the texts a shop writes itself: listed, or changed by an action")
    texts.add_argument("domain", metavar="DOMAIN")
    actions = texts.add_subparsers(metavar="ACTION")
    _add(actions, "list", f"{where}:show_all", "list them")
    change = _add(actions, "set", f"{where}:change", "change parts of a text; an empty one is said in our phrases")
    drop = _add(actions, "drop", f"{where}:drop", "go back to our phrases")
    preview = _add(actions, "preview", f"{where}:preview", "show a message as it would leave")
    for action in (change, drop, preview, _add(actions, "variables", f"{where}:variables", "what a text may say")):
        action.add_argument("channel", metavar="CHANNEL", help="email, sms or push")
        action.add_argument("stage", metavar="STAGE", help="confirmation, restock, reminder, or merchant_alert (email)")
        action.add_argument("locale", metavar="LOCALE", help="a language such as en or fr-CA")
    change.add_argument("parts", metavar="PART=TEXT", nargs="+", help="PART=@FILE reads a file, PART=@- the input")
    preview.add_argument("--variant", metavar="ID", type=int, help="the goods to show; default: those asked for last")
    preview.add_argument("--html", action="store_true", help="an e-mail's HTML")


def _add_privacy(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    privacy = _add_group(commands, "privacy", "what people asked to see or to be erased")
    requests = _add(privacy, "requests", "restock.commands.privacy:requests", "list a shop's requests")
    requests.add_argument("domain", metavar="DOMAIN")
    export = _add(privacy, "export", "restock.commands.privacy:export", "write the export of a data request to a file")
    export.add_argument("domain", metavar="DOMAIN")
    export.add_argument("request", metavar="REQUEST", type=int, help="its number in `restock privacy requests`")
    export.add_argument("--out", metavar="FILE", required=True, help="FILE.html to read it, else JSON")


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, action: str, sentence: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=sentence, description=f"{sentence[0].upper()}{sentence[1:]}.")
    parser.set_defaults(action=action)
    return parser


def _add_group(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, sentence: str
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """Add a word that takes an action; without one, its help is shown."""
    parser = commands.add_parser(name, help=sentence, description=f"{sentence[0].upper()}{sentence[1:]}.")
    parser.set_defaults(group=parser)
    return parser.add_subparsers(metavar="ACTION")


def _load(action: str) -> Callable[..., int]:
    module, _, name = action.partition(":")
    found: Callable[..., int] = getattr(import_module(module), name)
    return found


def _explain(error: Exception) -> tuple[int, list[str]]:
    """Turn what a person can mend into an exit code and sentences; no sentence: it is not theirs to mend."""
    from sqlalchemy.exc import OperationalError

    match error:
        case ConfigurationError():
            return 2, str(error).splitlines()
        case StartError():
            return 1, [str(error)]
        case RestockError():
            return 1, [error.message, *(f"  {fault.field}: {fault.message}" for fault in error.faults)]
        case OperationalError():
            return 1, ["The database does not answer: check DATABASE_URL and that PostgreSQL runs."]
        case _:
            return 1, []


if __name__ == "__main__":
    sys.exit(main())
