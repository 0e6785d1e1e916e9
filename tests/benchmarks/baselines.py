"""What the routes are measured against: the least a Flask route can do. Served beside ours, in both ways there are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

SECRET_VARIABLE = "BENCH_SECRET"


def create_baselines() -> Flask:
    """Make `/echo`, which answers the JSON it was sent, and `/hmac`, which checks a signature and nothing else."""
    app = Flask("baselines")
    secret = os.environ[SECRET_VARIABLE].encode()

    @app.post("/echo")
    def echo() -> ResponseReturnValue:
        body: ResponseReturnValue = request.get_json()
        return body

    @app.post("/hmac")
    def hmac_only() -> Response:
        expected = base64.b64encode(hmac.digest(secret, request.get_data(), hashlib.sha256)).decode()
        given = request.headers.get("X-Shopify-Hmac-Sha256", "")
        return Response(status=200 if hmac.compare_digest(expected, given) else 401)

    return app
