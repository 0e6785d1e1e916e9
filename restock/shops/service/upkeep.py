"""What shops need by the clock: tokens renewed in time, and once a day the question what they are and allow.

It runs beside whoever starts it, in a thread of its own and one at a time per process; several processes share the
work, since every shop is claimed by a statement. Whatever is cut off is due again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from restock.beside import Beside
from restock.shopify.errors import AdminError, NoAccessError
from restock.shops import repository
from restock.shops.service.tokens import AT_ONCE, BATCH, TokenService
from restock.shops.service.topics import TopicService

log = structlog.get_logger(__name__)

ASK_EVERY_SECONDS = 86_400.0
ASK_AGAIN_SECONDS = 900.0  # after a failure, and after a process that died while it asked
ROUNDS = 50  # of a batch, before the next start is waited for


@dataclass(frozen=True)
class Upkeep:
    """Look after every shop that has given access."""

    tokens: TokenService
    topics: TopicService
    _beside: Beside = field(default_factory=lambda: Beside("upkeep"), repr=False)

    def start(self) -> None:
        """Begin what is due in a thread, unless it is under way; returns at once."""
        self._beside.start(self.run)

    def wait(self, seconds: float) -> bool:
        """Wait until what `start` began has ended; False when it has not within so many seconds."""
        return self._beside.wait(seconds)

    def run(self) -> None:
        """Do what is due; no shop's failure keeps another waiting."""
        for _ in range(ROUNDS):
            if self.tokens.refresh_due() + self.visit_due() == 0:
                return

    def visit_due(self) -> int:
        """Ask the shops that were not asked for a day, a few at once, and say how many."""
        with self.tokens.renewal.database.transaction() as session:
            shop_ids = repository.claim_to_ask(session, BATCH, ASK_EVERY_SECONDS, ASK_AGAIN_SECONDS)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upkeep") as pool:
            list(pool.map(self._visit, shop_ids))
        return len(shop_ids)

    def _visit(self, shop_id: int) -> None:
        try:
            self.tokens.learn(shop_id)
            self.topics.reconcile(shop_id)
        except (AdminError, NoAccessError) as error:
            log.warning("shop_not_asked", shop_id=shop_id, error=type(error).__name__)
        else:
            with self.tokens.renewal.database.transaction() as session:
                repository.asked(session, shop_id)
