"""The contestants as the product's own server serves them: what never waits on the loop, the rest in threads."""

from __future__ import annotations

from restock.web.app import MAX_BODY_BYTES
from restock.web.server.adapter import Adapter
from restock.web.server.inline import inline_routes
from tests.benchmarks import baselines, naive


def create_baselines() -> Adapter:
    """Serve the baselines on the loop: neither of them waits for anything."""
    app = baselines.create_baselines()
    inline_routes(app).update({path: lambda _environ: True for path in ("/echo", "/hmac")})
    return Adapter(app, MAX_BODY_BYTES)


def create_naive() -> Adapter:
    """Serve the naive design in threads: it waits for the database."""
    return Adapter(naive.create_naive(), MAX_BODY_BYTES)
