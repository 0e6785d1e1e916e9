"""What a shop reads: a subject, a text, and the same as HTML. Pure; in English, as the admin is.

Everything that shoppers or storefronts named is one line of text and escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from markupsafe import escape

from restock.alerts.values import AlertFacts, AlertKind, VariantLine
from restock.channels.values import Letter
from restock.channels.wording import one_line

_STYLE = """
body{margin:0;background:#f6f4ef;color:#1f2421;font:16px/24px system-ui,"Segoe UI",Roboto,Arial,sans-serif}
.card{max-width:560px;margin:24px auto;background:#fff;border:1px solid #e4e0d7;border-radius:14px;padding:28px}
h1{font-size:22px;line-height:28px;margin:0 0 8px}
p{margin:0 0 16px}
table{width:100%;border-collapse:collapse;margin:0 0 20px}
td,th{padding:8px 0;border-bottom:1px solid #e4e0d7;text-align:left;font-weight:400;vertical-align:top;
word-break:break-word}
td{text-align:right;white-space:nowrap;padding-left:16px;font-weight:600}
.soft{color:#5c6660;font-size:14px;line-height:20px}
a.button{display:inline-block;background:#1f6f54;color:#fff;padding:12px 20px;border-radius:10px;text-decoration:none;
font-weight:600}
@media (prefers-color-scheme:dark){
body{background:#161917!important;color:#ecebe6!important}
.card{background:#1f2421!important;border-color:#333a36!important}
td,th{border-color:#333a36!important}
.soft{color:#a3aaa4!important}
}
"""


def write_letter(kind: AlertKind, facts: AlertFacts, shop_name: str, admin_url: str) -> Letter:
    """Say what there is to tell."""
    shop = one_line(shop_name, 60)
    match kind:
        case AlertKind.new:
            subject = f"{shop}: {_people(facts.count)} signed up for a restock alert"
            heading, rows = f"{_people(facts.count)} signed up", _lines(facts.top)
            lead = (
                f"Since {facts.since}. In all, {_people(facts.people)} {_wait(facts.people)} for {_units(facts.units)}."
            )
        case AlertKind.digest:
            span = "week" if facts.weekly else "day"
            subject = f"{shop}: your {'weekly' if facts.weekly else 'daily'} restock digest"
            heading, rows = f"Your {span} in restock alerts", [*_figures(facts), *_lines(facts.top)]
            lead = f"Since {facts.since}."
        case AlertKind.waitlist:
            line = facts.top[0] if facts.top else VariantLine("An item", facts.people, facts.units)
            name = one_line(line.title, 120)
            subject = f"{shop}: {_people(line.people)} {_wait(line.people)} for {one_line(line.title, 80)}"
            heading = f"{_people(line.people)} {_wait(line.people)} for {name}"
            lead, rows = f"They want {_units(line.units)}. You are told again only after the list has halved.", []
        case _:
            assert_never(kind)
    return _letter(subject, heading, lead, rows, admin_url)


def _letter(subject: str, heading: str, lead: str, rows: Sequence[tuple[str, str]], admin_url: str) -> Letter:
    why = "You get this because your address is in the shop’s setting alerts.to."
    table = [f"{name}: {value}" for name, value in rows]
    text = "\n\n".join(
        part for part in (heading, lead, "\n".join(table), f"Open Restock:\n{admin_url}", f"-- \n{why}") if part
    )
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    html = (
        '<!doctype html><html lang="en" dir="ltr"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(subject)}</title><style>{_STYLE}</style></head>'
        f'<body><div class="card"><h1>{escape(heading)}</h1><p>{escape(lead)}</p>'
        f"{f'<table>{cells}</table>' if cells else ''}"
        f'<p><a class="button" href="{escape(admin_url)}">Open Restock</a></p>'
        f'<p class="soft">{escape(why)}</p></div></body></html>'
    )
    return Letter(one_line(subject, 150), text + "\n", html)


def _figures(facts: AlertFacts) -> list[tuple[str, str]]:
    found = [
        ("New sign-ups", str(facts.count)),
        ("Waiting", f"{_people(facts.people)}, {_units(facts.units)}"),
        ("Messages sent", str(facts.told)),
        ("Units bought by people who were told", str(facts.bought)),
    ]
    if facts.broken:
        found.append(("Texts that cannot be sent as written (ours stand in)", str(facts.broken)))
    if facts.down:
        found.append(("Channels that cannot send now", ", ".join(facts.down)))
    return found


def _lines(top: Sequence[VariantLine]) -> list[tuple[str, str]]:
    return [(one_line(one.title, 120), f"{_people(one.people)}, {_units(one.units)}") for one in top]


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count} units"
