"""How the merchant's pages answer: a page for whoever is let in, a page for whoever is not, and a page for failures.

It must never tell what went wrong inside: that is logged under the request's id, which is all the page shows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy.exc
from flask import Blueprint, Response, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from restock.clock import SystemClock
from restock.errors import Fault, NotFoundError, RestockError, UnavailableError, ValidationError
from restock.shopify.domains import clean_shop_domain
from restock.shops.values import Shop
from restock.web.admin import rendering
from restock.web.admin.entry import found_visitor, visitor
from restock.web.admin.wording import say_code
from restock.web.errors import http_error, log_our_fault, request_id

if TYPE_CHECKING:
    from restock.bootstrap import Services

_STATUS = {
    "outside": 401,
    "no_token": 401,
    "refused": 403,
    "no_access": 403,
    "elsewhere": 403,
    "missing": 404,
    "broken": 500,
    "unavailable": 503,
}


@dataclass(frozen=True)
class Pages:
    """What every route needs to answer."""

    services: Services

    def show(self, template: str, **facts: Any) -> Response:
        """Render a page for whom the guard let in."""
        settings = self.services.settings
        return rendering.render(
            template,
            visitor(),
            api_key=settings.shopify_api_key,
            development=not settings.is_production,
            now=SystemClock().now(),
            code=say_code,
            **facts,
        )

    def refuse(self, kind: str) -> Response:
        """Render the page for somebody who is not let in, or for something that is not there or went wrong."""
        settings = self.services.settings
        return rendering.render(
            "message.html",
            found_visitor(),
            api_key=settings.shopify_api_key,
            development=not settings.is_production,
            status=_STATUS[kind],
            kind=kind,
            request_id=request_id(),
            shop_domain=self._framing_shop(),
        )

    def go(self, path: str, **asked: object) -> AnyResponse:
        """Send to a page after something was done, so that a reload does not do it again."""
        response = redirect(rendering.link(visitor(), path, asked), 303)
        response.headers["Cache-Control"] = "no-store"
        return response

    def as_saved(self) -> Shop:
        """Give the visitor's shop as it was saved, not as it is remembered."""
        who = visitor()
        return self.services.shops.by_id(who.shop.id) or who.shop

    def saved_settings(self, names: Collection[str]) -> dict[str, str]:
        """Give settings of the visitor's shop as text, as they were saved."""
        lines = {line.key: line.value for line in self.services.shops.settings_table(self.as_saved())}
        return {name: lines[name] for name in names}

    def changed(self, typed: Mapping[str, str]) -> dict[str, str]:
        """Pick what differs from what the form was shown with: its hidden fields `shown.…`, else what is saved.

        Nothing else is to be written: what Shopify says must not become something that was chosen, only because it
        stood in the form, and what somebody else has saved since must not go back.
        """
        shown = self.saved_settings(typed)
        return {
            key: text for key, text in typed.items() if text.strip() != request.form.get(f"shown.{key}", shown[key])
        }

    def save(
        self, path: str, changes: Mapping[str, str], again: Callable[[Sequence[Fault]], AnyResponse]
    ) -> AnyResponse:
        """Change the visitor's settings, all or none, and go to a page; with faults, answer with the form `again`."""
        try:
            self.services.shops.change_settings(visitor().shop.domain, changes)
        except ValidationError as refused:
            return again(refused.faults)
        return self.go(path, done="save")

    def answer_failures(self, blueprint: Blueprint) -> None:
        """A person looks at the answer, so a failure is a page too."""
        blueprint.register_error_handler(HTTPException, http_error)  # or the last line would take these
        blueprint.register_error_handler(RestockError, self._told)
        for away in (psycopg.OperationalError, sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError):
            blueprint.register_error_handler(away, self._away)
        blueprint.register_error_handler(Exception, self._broken)

    def _told(self, error: RestockError) -> Response:
        kind = {NotFoundError: "missing", UnavailableError: "unavailable"}.get(type(error))
        return self.refuse(kind) if kind else self._broken(error)

    def _away(self, _error: Exception) -> Response:
        return self.refuse("unavailable")

    def _broken(self, error: Exception) -> Response:
        log_our_fault(error)
        return self.refuse("broken")

    def _framing_shop(self) -> str | None:
        """Give the shop whose admin may frame a refusal, which shows nothing of any shop; unproven, it may be named."""
        who = found_visitor()
        if who is not None:
            return who.shop.domain if who.embedded else None
        return clean_shop_domain(request.args.get("shop", ""))
