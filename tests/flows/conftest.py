"""An instance for a story, with settings a test adds to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from restock.config import Settings
from tests.flows.story import Story


@pytest.fixture
def begin(
    make_settings: Callable[..., Settings], clean_database: str, redis_url: str
) -> Iterator[Callable[..., Story]]:
    """Begin a story with these settings besides the usual; everything it opened is closed at the end."""
    stories: list[Story] = []

    def begin_with(**extra: object) -> Story:
        defaults: dict[str, object] = {
            "database_url": clean_database,
            "redis_url": redis_url,
            "settle_seconds": 0,
            "app_url": "https://alerts.north-pine.example",
        }
        stories.append(Story.begin(make_settings(**(defaults | extra))))
        return stories[-1]

    yield begin_with
    for story in stories:
        story.end()
