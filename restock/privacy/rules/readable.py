"""An export as a page anybody can read, without scripts, pictures or anything from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{color:#555}
div{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.875rem}
th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-bottom:1px solid #ddd;vertical-align:top}
th{font-weight:600;white-space:nowrap}td{overflow-wrap:anywhere;min-width:5rem}
"""
TITLES: Mapping[str, tuple[str, str]] = {
    "contacts": ("Addresses", "Where this person can be reached."),
    "customers": ("Handles", "The random ids by which storefronts recognise this person, and what was said with them."),
    "subscriptions": ("Alerts", "What each address waits or waited for."),
    "intents": ("Requests", "What was asked for, as it was asked."),
    "consents": ("Consent", "Every yes and no, with when and where it was said."),
    "offers": ("Turns", "The times when goods were back and it was this person's turn."),
    "history": ("While waiting", "What happened to an alert while it waited: passed over, missed, passed on."),
    "messages": ("Messages", "What was sent, what became of it, and whether its link was followed."),
    "suppressions": ("Blocked addresses", "Addresses that are never written to, and why."),
    "purchases": ("Purchases", "Orders that followed an alert."),
    "marketing_writes": ("Marketing consent", "A yes to marketing on its way to the store."),
}


def render_html(export: Mapping[str, Any]) -> str:
    """Write an export as one HTML page."""
    shop, made_at = escape(str(export["shop"])), escape(str(export["made_at"]))
    sections = "".join(_section(name, rows) for name, rows in export["held"].items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Personal data export</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>What Restock holds for {shop}</h1><p>Made {made_at}. Times are UTC.</p>{_asked(export['asked_for'])}"
        f"{sections}</body></html>"
    )


def _asked(asked: Mapping[str, Any]) -> str:
    return "<h2>Asked for</h2>" + _table([{key: value for key, value in asked.items() if value}])


def _section(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    title, meaning = TITLES.get(name, (name, ""))
    body = _table(rows) if rows else "<p>Nothing.</p>"
    return f"<h2>{escape(title)} ({len(rows)})</h2><p>{escape(meaning)}</p>{body}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows or not rows[0]:
        return "<p>Nothing.</p>"
    columns = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    head = "".join(f"<th>{escape(key.replace('_', ' '))}</th>" for key in columns)
    body = "".join("<tr>" + "".join(f"<td>{_cell(row[key])}</td>" for key in columns) + "</tr>" for row in rows)
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "<br>".join(f"{escape(str(key))}: {_cell(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "<br>".join(_cell(inner) for inner in value)
    return escape(str(value))
