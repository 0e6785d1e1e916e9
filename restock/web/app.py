"""Puts the HTTP door together: every blueprint behind its guard, one error envelope, one line per request."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from restock.bootstrap import Services, build_services
from restock.config import Settings, load_settings
from restock.logs import configure_logging
from restock.sentry import report_errors
from restock.web.access_log import AccessLog
from restock.web.admin import admin_blueprint, admin_entry
from restock.web.admin.doorstep import doorstep_blueprint
from restock.web.email_events import email_events_blueprint
from restock.web.errors import register_error_handlers
from restock.web.guards import Audience, Guard, mount
from restock.web.hooks import hooks_blueprint
from restock.web.operations import operations_blueprint
from restock.web.people import people_blueprint
from restock.web.playground import playground_blueprint
from restock.web.receipts import receipts_blueprint
from restock.web.server.lean_flask import LeanFlask
from restock.web.storefront import ProxyCheck, proxy_blueprint, proxy_signature, storefront_blueprint

if TYPE_CHECKING:
    from restock.web.server.adapter import Adapter

MAX_BODY_BYTES = 4 * 1024 * 1024  # the outer bound; each route has its own, lower one


def create_wsgi_app() -> Flask:
    """Build the application from the environment; raise ConfigurationError where a setting is wrong."""
    settings = load_settings()
    configure_logging(settings)
    report_errors(settings)
    return create_app(settings)


def create_adapter() -> Adapter:
    """Build what granian serves by its RSGI interface, from the environment."""
    from restock.web.server.adapter import (
        Adapter,  # loads granian, which other servers of the application need not have
    )

    app = create_wsgi_app()
    services: Services = app.extensions["restock"]

    def attach(loop: AbstractEventLoop, threads: Executor) -> None:
        services.subscriptions.on_loop.attach(loop, threads)
        services.inbox.on_loop.attach(loop, threads)
        services.shops.ahead.attach(threads)

    return Adapter(app, MAX_BODY_BYTES, attach)


def create_app(settings: Settings) -> Flask:
    """Build the application from given settings; connects to nothing yet."""
    app = LeanFlask("restock.web")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    services = build_services(settings, app).make_all()
    app.extensions["restock"] = services
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    as_json = (settings.log_format or ("json" if settings.is_production else "")) == "json"
    app.wsgi_app = AccessLog(app.wsgi_app, as_json=as_json)  # type: ignore[method-assign]
    register_error_handlers(app)
    _mount_doors(app, services)
    return app


def _mount_doors(app: Flask, services: Services) -> None:
    mount(app, storefront_blueprint(services), Guard(Audience.storefront))
    mount(app, proxy_blueprint(services), Guard(Audience.proxy, ProxyCheck(proxy_signature(services.settings))))
    mount(app, hooks_blueprint(services), Guard(Audience.shopify))
    mount(app, receipts_blueprint(services), Guard(Audience.provider))
    mount(app, email_events_blueprint(services), Guard(Audience.provider))
    _mount_pages(app, people_blueprint(services), Audience.link_holder)
    mount(app, admin_blueprint(services), Guard(Audience.merchant, admin_entry(services).check))
    mount(app, doorstep_blueprint(services.settings), Guard(Audience.anyone))
    if not services.settings.is_production:
        _mount_pages(app, playground_blueprint(services), Audience.newcomer)
    mount(app, operations_blueprint(services), Guard(Audience.anyone))


def _mount_pages(app: Flask, blueprint: Blueprint, audience: Audience) -> None:
    """Mount a blueprint whose answers a browser shows."""
    blueprint.after_request(_harden)
    mount(app, blueprint, Guard(audience))


def _harden(response: Response) -> Response:
    """Set on every page what no page of ours goes without; a route's own, stricter values stay."""
    if response.mimetype == "text/html":
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    return response
