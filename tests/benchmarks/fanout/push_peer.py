"""A push service that takes everything, fast: 201 to each POST."""

from __future__ import annotations

from tests.benchmarks.fanout.http_peer import TakingPeer, answer, serve


class PushService(TakingPeer):
    """Answers as push services do."""

    reply = answer("201 Created", b"", "Location: /message/0a1b2c3d4e5f", "TTL: 14400")


if __name__ == "__main__":
    serve(PushService)
