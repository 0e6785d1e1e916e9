"""What a shop itself is told: looked for, queued once, sent by the instance's own e-mail.

One shop's telling is one short transaction: the messages and how far it has come are written together, so a crash tells
nothing twice and forgets nothing. Sending is a claim under a lease; a repeat that may be one has the same Message-ID.
It runs in a thread of its own, one at a time per process, and holds no connection while the mail server is asked.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import structlog

from restock.alerts.repository import outbox, shops_to_tell
from restock.alerts.rules import MOST_DOUBTS, Again, Done, read_facts, what_next, when_off
from restock.alerts.service.looking import Looking, queue
from restock.alerts.values import DueAlert, Missed
from restock.beside import Beside
from restock.channels.alerts.message import write_alert
from restock.channels.alerts.values import AlertFacts, AlertKind, AlertLinks, ShopAlert
from restock.channels.port import Channel
from restock.channels.values import Envelope, MessageLinks, Notice, NoticeKind, Recipient, ShopFacts
from restock.clock import Clock, SystemClock
from restock.database import Database
from restock.deliveries.rules import identity
from restock.deliveries.values import Outage
from restock.failpoints import failpoint
from restock.ids import new_token
from restock.shops.repository import by_id
from restock.shops.service import to_shop
from restock.shops.service.texts import TextShelf
from restock.shops.values import Shop

if TYPE_CHECKING:
    from restock.channels.texts.written import Speaker

log = structlog.get_logger(__name__)

LEASE_SECONDS = 300.0
AT_ONCE = 50
KEPT_DAYS = 30


def _is_hopeless(alert: DueAlert) -> bool:
    """Say whether so many hand-overs of it ended in doubt that there is no other: it may have arrived each time."""
    return alert.doubts >= MOST_DOUBTS


def _note_missed(alert: DueAlert, reason: str | None) -> None:
    """Say that one address of a shop's was not told, or may not have been; others may have been all the same."""
    log.warning("shop_alert_missed", shop_id=alert.shop_id, kind=alert.kind.value, reason=reason)


def _nothing(_shop_id: int) -> Sequence[Outage]:
    return ()


@dataclass(frozen=True)
class ShopAlerts:
    """Tell shops. `open_channel` gives the e-mail channel this thread is to use, None: there is none, and all waits.

    `app_url` has no trailing slash.
    """

    database: Database
    open_channel: Callable[[], Channel | None]
    app_url: str
    outages: Callable[[int], Sequence[Outage]] = _nothing
    clock: Clock = field(default_factory=SystemClock)
    texts: TextShelf = field(default_factory=TextShelf)
    _beside: Beside = field(default_factory=lambda: Beside("shop_alerts"), repr=False)

    def start(self) -> None:
        """Begin what is due in a thread, unless that is under way; returns at once."""
        self._beside.start(self._look_and_send)

    def wait(self, seconds: float) -> bool:
        """Wait until what `start` began has ended; False when it has not within so many seconds."""
        return self._beside.wait(seconds)

    def look(self) -> int:
        """Queue what shops are to be told now; return for how many shops it was looked."""
        with self.database.transaction() as session:
            shop_ids = shops_to_tell(session)
        for shop_id in shop_ids:
            self._look_safely(shop_id)
        return len(shop_ids)

    def send(self) -> int:
        """Send what is queued; return how many messages were tried."""
        tried = 0
        channel: Channel | None = None
        try:
            while (claimed := self._claim())[1]:
                channel = channel or self.open_channel()
                tried += self._hand_over(*claimed, channel)
        finally:
            if channel is not None:
                channel.close()
        with self.database.transaction() as session:
            outbox.purge(session, KEPT_DAYS, 1000)
        return tried

    def latest(self, shop_id: int, limit: int = 10) -> Sequence[Mapping[str, Any]]:
        """List the last messages to a shop: kind, state, reason, address, created_at, sent_at, is_test."""
        with self.database.transaction() as session:
            return outbox.latest(session, shop_id, limit)

    def missed(self, shop: Shop) -> Sequence[Missed]:
        """List the addresses named now that the last message tried did not reach, or perhaps not."""
        with self.database.transaction() as session:
            found = outbox.last_of_each(session, shop.id, shop.settings.alerts.to)
        return [
            Missed(one.address, one.created_at, one.reason, comes_yet=one.state in ("queued", "sending"))
            for one in found
            if one.state not in ("sent", "skipped")
        ]

    def queue_test(self, shop: Shop, locale: str, facts: AlertFacts) -> bool | None:
        """Queue a digest with these facts, marked as a test, to the shop's addresses, at most one a minute.

        False when there has just been one; None when the shop has named no address.
        """
        with self.database.transaction() as session:
            row = by_id(session, shop.id)
            to = to_shop(row).settings.alerts.to if row is not None else ()
            which = f"test:{locale}:{self.clock.now():%Y%m%d%H%M}"
            test = replace(facts, test_locale=locale)
            return queue(session, shop.id, AlertKind.digest, which, test, to) > 0 if to else None

    def _look_safely(self, shop_id: int) -> None:
        try:
            down = self.outages(shop_id)
            with self.database.transaction() as session:
                if has_queued := Looking(session, shop_id, [one.channel.value for one in down]).run():
                    failpoint("alerts.before_commit")
            if has_queued:
                failpoint("alerts.after_commit")
        except Exception as error:  # noqa: BLE001 (the door of one shop's work: the others go on, and it comes back)
            kind = type(error).__name__  # not its text: a database's may quote the row
            log.error("shop_alert_failed", shop_id=shop_id, error=kind)  # noqa: TRY400

    def _claim(self) -> tuple[uuid.UUID, Sequence[DueAlert]]:
        with self.database.transaction() as session:
            token = new_token()
            found = outbox.claim(session, token, AT_ONCE, LEASE_SECONDS)
            for alert in found:
                if not alert.is_wanted:
                    outbox.finish(session, alert.id, token, "skipped", "not_wanted")
                elif _is_hopeless(alert):
                    outbox.finish(session, alert.id, token, "unknown", "worker_lost")
                    _note_missed(alert, "worker_lost")
        return token, found

    def _hand_over(self, token: uuid.UUID, due: Sequence[DueAlert], channel: Channel | None) -> int:
        wanted = {alert.id: alert for alert in due if alert.is_wanted and not _is_hopeless(alert)}
        now = self.clock.now()
        if channel is None:
            for alert in wanted.values():
                self._settle(token, alert, when_off(now - alert.created_at, alert.doubts))
            return 0
        for outcome in channel.send(self._letters(list(wanted.values()))):
            alert = wanted[outcome.delivery_id]
            self._settle(token, alert, what_next(outcome, alert.attempt, alert.doubts, now - alert.created_at))
        return len(wanted)

    def _settle(self, token: uuid.UUID, alert: DueAlert, step: Done | Again) -> None:
        with self.database.transaction() as session:
            if isinstance(step, Done):
                outbox.finish(session, alert.id, token, step.state, step.reason)
                if step.state != "sent":
                    _note_missed(alert, step.reason)
            else:
                outbox.again(session, alert.id, token, step.seconds, step.reason, step.doubts)

    def _letters(self, due: Sequence[DueAlert]) -> list[Envelope]:
        """Write the messages, each in its shop's words and language; what cannot be said so is said in our phrases."""
        speakers: dict[int, tuple[Shop, Speaker | None]] = {}
        with self.database.transaction() as session:
            for shop_id in {alert.shop_id for alert in due}:
                if (row := by_id(session, shop_id)) is not None:  # one erased meanwhile has taken its messages along
                    shop = to_shop(row)
                    speakers[shop_id] = shop, self.texts.speaker(session, shop)
        letters = [self._envelope(alert, *speakers[alert.shop_id]) for alert in due if alert.shop_id in speakers]
        for shop_id, (_, speaker) in speakers.items():
            if speaker is not None:
                self.texts.tell(self.database, shop_id, speaker)
        return letters

    def _envelope(self, alert: DueAlert, shop: Shop, speaker: Speaker | None) -> Envelope:
        facts, links = read_facts(alert.facts), AlertLinks.of(self.app_url, shop.domain)
        named = ShopFacts(shop.domain, alert.shop_name, f"https://{shop.domain}")
        said = ShopAlert(alert.kind, facts, named, links, facts.test_locale or shop.locale)
        if speaker is not None:
            said = speaker.say_alert(said)
        return Envelope(
            delivery_id=alert.id,
            identity=f"a{identity(alert.id, alert.dedupe_key, alert.created_at)[1:]}",
            recipient=Recipient(alert.address),
            notice=Notice(NoticeKind.test, named, MessageLinks(links.action, links.settings)),
            attempt=alert.attempt,
            queued_at=alert.created_at.timestamp(),
            letter=write_alert(said),
        )

    def _look_and_send(self) -> None:
        try:
            self.look()
            self.send()
        except Exception as error:  # noqa: BLE001 (the outer door of the thread: what is due stays due)
            log.error("shop_alerts_failed", error=type(error).__name__)  # noqa: TRY400 (its text may quote a row)
