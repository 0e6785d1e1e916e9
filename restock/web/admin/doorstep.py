"""What is open to everybody before the merchant's pages: their files, the icons browsers ask every site for, and the
page that fetches an ID token.

Nothing of any shop is shown here.
"""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, render_template, request

from restock.config import Settings
from restock.shopify.domains import clean_shop_domain
from restock.web.admin.entry import BOUNCE_PATH, safe_reload
from restock.web.admin.rendering import ASSETS_PATH, asset_url, page_headers, page_policy
from restock.web.admin.wording import say

_FOR_EVER = "public, max-age=31536000, immutable"
_A_DAY = "public, max-age=86400"
_ICONS = {
    "/favicon.ico": "favicon.ico",
    "/favicon.svg": "mark.svg",
    "/apple-touch-icon.png": "touch.png",
    "/apple-touch-icon-precomposed.png": "touch.png",
}


def doorstep_blueprint(settings: Settings) -> Blueprint:
    """Build the files and the token page."""
    blueprint = Blueprint(
        "doorstep", __name__, static_folder="static", static_url_path=ASSETS_PATH, template_folder="templates"
    )

    @blueprint.get(BOUNCE_PATH)
    def patch_id_token() -> Response:
        """Load App Bridge, which goes on to `shopify-reload` with a fresh token: never to an address not ours."""
        domain = clean_shop_domain(request.args.get("shop", ""))
        reload_to = request.args.get("shopify-reload", "")
        nonce = secrets.token_urlsafe(16)
        is_safe = domain is not None and safe_reload(reload_to, settings.public_url) == reload_to
        html = render_template(
            "admin/bounce.html",
            nonce=nonce,
            api_key=settings.shopify_api_key if is_safe else "",
            say=say,
            asset=asset_url,
        )
        policy = page_policy(nonce, domain, development=not settings.is_production)
        return Response(html, 200 if is_safe else 400, headers=page_headers(policy))

    @blueprint.get("/favicon.ico")
    @blueprint.get("/favicon.svg")
    @blueprint.get("/apple-touch-icon.png")
    @blueprint.get("/apple-touch-icon-precomposed.png")
    def icon() -> Response:
        answer = blueprint.send_static_file(_ICONS[request.path])
        answer.headers["Cache-Control"] = _A_DAY
        return answer

    @blueprint.after_request
    def keep_files(response: Response) -> Response:
        if request.endpoint == "doorstep.static" and "v" in request.args:
            response.headers["Cache-Control"] = _FOR_EVER
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    return blueprint
