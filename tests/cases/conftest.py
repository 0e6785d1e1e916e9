"""What the cases are told with: the small store, and a whole instance with a mail server that keeps what it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.channels.benches import SmtpPeer
from tests.flows.conftest import begin
from tests.flows.story import Story
from tests.restocks.conftest import store
from tests.web.storefront.conftest import within_one_minute

__all__ = ["begin", "mail", "store", "story", "within_one_minute"]


@pytest.fixture
def mail() -> Iterator[SmtpPeer]:
    """A mail server that keeps what it gets."""
    peer = SmtpPeer()
    yield peer
    peer.stop()


@pytest.fixture
def story(begin: Callable[..., Story], mail: SmtpPeer) -> Story:
    """An instance with one shop and one sold-out product."""
    return begin(smtp_url=f"smtp://127.0.0.1:{mail.port}", email_from="alerts@north-pine.example")
