"""RQ's stock worker, which forks for each job, with one module loaded before: `… naive_worker MODULE:FUNCTION`."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from redis import Redis
from rq import Queue, Worker

QUEUE = "naive"


def main() -> None:
    """Work until the queue is empty."""
    import_module(sys.argv[1].partition(":")[0])
    client = Redis.from_url(os.environ["REDIS_URL"])
    Worker([Queue(QUEUE, connection=client)], connection=client).work(burst=True, logging_level="ERROR")


if __name__ == "__main__":
    main()
