"""The page of one restock: who was offered it, told, bought, let it pass or was passed over, and why. It only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from restock.errors import NotFoundError
from restock.reports.values.restock import Fate
from restock.reports.values.subscribers import Bookmark
from restock.web.admin.asking import read_mark, write_mark
from restock.web.admin.entry import visitor
from restock.web.admin.pages import Pages

if TYPE_CHECKING:
    from restock.bootstrap import Services

_LARGEST_ID = 2**63 - 1
_TONES = {
    Fate.bought: "success",
    Fate.running: "info",
    Fate.coming: "info",
    Fate.came_back: "critical",
    Fate.untold: "caution",
    Fate.unanswered: "warning",
    Fate.missed: "caution",
}


def add_restocks(blueprint: Blueprint, services: Services, pages: Pages) -> None:
    """Add `/restocks/{id}` to the merchant's pages."""

    @blueprint.get("/restocks/<int:event_id>")
    def restock(event_id: int) -> Response:
        shop, typed = visitor().shop, request.args.get("fate", "")
        wanted = Fate(typed) if typed in Fate.__members__ else None
        mark = read_mark(request.args)
        report = services.restock_reports.report(shop, event_id, wanted, mark) if event_id <= _LARGEST_ID else None
        if report is None:
            raise NotFoundError("There is no such restock.")
        around = {"previous": _way(report.page.before, wanted), "next": _way(report.page.after, wanted)}
        return pages.show("restock.html", one=report, wanted=wanted, around=around, tones=_TONES, fates=Fate)


def _way(mark: Bookmark | None, wanted: Fate | None) -> dict[str, str] | None:
    if mark is None:
        return None
    return write_mark(mark) | ({"fate": wanted.value} if wanted else {})
