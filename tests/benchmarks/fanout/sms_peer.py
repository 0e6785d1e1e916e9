"""A Twilio that takes everything, fast: 201 and a resource to each POST."""

from __future__ import annotations

import json

from tests.benchmarks.fanout.http_peer import TakingPeer, answer, serve

_RESOURCE = {
    "account_sid": "AC" + "0a" * 16,
    "api_version": "2010-04-01",
    "body": "x" * 150,
    "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
    "date_sent": None,
    "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
    "direction": "outbound-api",
    "error_code": None,
    "error_message": None,
    "from": "+15005550006",
    "messaging_service_sid": None,
    "num_media": "0",
    "num_segments": "1",
    "price": None,
    "price_unit": None,
    "sid": "SM" + "ab" * 16,
    "status": "queued",
    "subresource_uris": {"media": "/Media.json"},
    "to": "+14155550000",
    "uri": "/Messages.json",
}


class Twilio(TakingPeer):
    """Answers as Twilio does."""

    reply = answer("201 Created", json.dumps(_RESOURCE).encode(), kind="application/json")


if __name__ == "__main__":
    serve(Twilio)
