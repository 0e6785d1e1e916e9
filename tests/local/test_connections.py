"""The web server takes as many connections as there may be open files, and leaves some for itself."""

from __future__ import annotations

import pytest

from restock.local.connections import FILES_BESIDE, MOST_CONNECTIONS, connections_within, files_wanted

WANTED = MOST_CONNECTIONS + FILES_BESIDE


@pytest.mark.parametrize(
    ("soft", "hard", "files", "connections"),
    [
        (1024, 524_288, WANTED, MOST_CONNECTIONS),  # a login's usual limits
        (1024, -1, WANTED, MOST_CONNECTIONS),
        (1_048_576, 1_048_576, 1_048_576, MOST_CONNECTIONS),  # a container's: nothing to raise
        (-1, -1, -1, MOST_CONNECTIONS),
        (1024, 1024, 1024, 1024 - FILES_BESIDE),
        (256, 2048, 2048, 2048 - FILES_BESIDE),
        (128, 128, 128, 64),
    ],
)
def test_the_limit_is_raised_as_far_as_it_may_be_and_helps(soft: int, hard: int, files: int, connections: int) -> None:
    assert files_wanted(soft, hard) == files
    assert connections_within(files) == connections
