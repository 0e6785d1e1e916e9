"""What follows from what, and how many bells are rung for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from restock.channels.values import ChannelName
from restock.deliveries.values import Drained
from restock.jobs import JobName, Queue, bell
from restock.restocks.values import StockDue
from restock.worker.chain import Chain
from restock.worker.steps import ring_drains, ring_stock

EMAIL, SMS = ChannelName.email, ChannelName.sms


@dataclass
class Bells:
    """A doorbell that remembers; `away` as when Valkey is."""

    away: bool = False
    rung: list[str] = field(default_factory=list)

    def ring(self, job: JobName, **ids: int | str) -> bool:
        if not self.away:
            self.rung.append(bell(job, **ids))
        return not self.away

    def waiting(self, queue: Queue) -> list[str] | None:
        drains = [name for name in self.rung if name.startswith("drain")]
        others = [name for name in self.rung if not name.startswith("drain")]
        return None if self.away else (drains if queue is Queue.deliveries else others)


@dataclass
class Work:
    """Every service in one: counts down what is due and notes what was done."""

    inbox_rows: int = 0
    checks: bool = False
    pages: int = 0
    passes: bool = False
    rows: dict[ChannelName, int] = field(default_factory=dict)
    left: bool = False
    done: list[str] = field(default_factory=list)
    comes_meanwhile: Callable[[], None] = lambda: None

    def has_due(self) -> bool:
        return self.inbox_rows > 0

    def apply_due(self, limit: int = 100) -> int:
        taken = min(limit, self.inbox_rows)
        self.inbox_rows -= taken
        self.done.append(f"apply {taken}")
        return taken

    def check_due(self, limit: int = 200, patience_seconds: float = 2) -> int:
        self.done.append("check" if patience_seconds else "glance")
        self.checks = False
        return 0

    def plan_due(self, limit: int = 100) -> int:
        self.comes_meanwhile()
        taken = min(limit, self.pages)
        self.pages -= taken
        if taken:
            self.done.append(f"plan {taken}")
        return taken

    def stock_due(self) -> StockDue:
        return StockDue(self.checks, self.pages > 0, self.passes)

    def reconcile_due(self, seconds: float = 20, give_way: Callable[[], bool] = bool) -> int:
        self.done.append(f"reconcile {give_way()}")
        return 1

    def due(self) -> dict[ChannelName, int]:
        return dict(self.rows)

    def drain(
        self,
        channel: ChannelName,
        seconds: float = 30,
        give_way: Callable[[], bool] = bool,
        stopping: Callable[[], bool] = bool,
    ) -> Drained:
        self.done.append(f"drain {channel.value} {give_way()}")
        return Drained(1, self.left)


class Restocks:
    """The restocks' side of the work."""

    def __init__(self, work: Work) -> None:
        self.due = work.stock_due
        self.check_due, self.plan_due, self.reconcile_due = work.check_due, work.plan_due, work.reconcile_due


def chain(work: Work, bells: Bells, workers: int = 2, stopping: Sequence[bool] = ()) -> Chain:
    answers = iter(stopping)
    return Chain(work, Restocks(work), work, bells, workers, lambda: next(answers, False))


def services(work: Work, bells: Bells) -> SimpleNamespace:
    return SimpleNamespace(inbox=work, restocks=Restocks(work), deliveries=work, doorbell=bells)


def test_a_webhook_leads_to_its_messages_in_one_go() -> None:
    work, bells = Work(inbox_rows=150, pages=3, rows={EMAIL: 700}), Bells()
    chain(work, bells).apply_inbox()
    assert work.done == ["apply 100", "apply 50", "check", "plan 1", "plan 1", "plan 1"]
    assert bells.rung == ["drain-email", "drain-email"]


def test_news_is_heard_between_the_pages_of_a_large_restock() -> None:
    """A webhook that comes while a million people are planned has its effects before the next page."""
    work = Work(pages=3)

    def webhook() -> None:
        if work.pages == 2:
            work.inbox_rows, work.checks = 1, True

    work.comes_meanwhile = webhook
    chain(work, Bells()).plan_waves()
    assert work.done == ["plan 1", "plan 1", "apply 1", "glance", "plan 1"]


def test_a_plan_that_takes_long_is_rung_for_again() -> None:
    work, bells = Work(pages=6), Bells()
    chain(work, bells).plan_waves(seconds=0)
    assert work.done == ["plan 1"]
    assert bells.rung == ["plan_waves"]


def test_a_flood_of_webhooks_is_looked_into_before_it_is_over() -> None:
    work, bells = Work(inbox_rows=100_000), Bells()
    chain(work, bells).apply_inbox()
    assert work.done == ["apply 100"] * 20 + ["check"]


@pytest.mark.parametrize(("rows", "workers", "rung"), [(1, 4, 1), (500, 4, 1), (501, 4, 2), (9000, 4, 4), (9000, 1, 1)])
def test_as_many_drains_as_there_is_work_for_but_no_more_than_workers(rows: int, workers: int, rung: int) -> None:
    work, bells = Work(rows={EMAIL: rows}), Bells()
    for _ in range(3):
        assert chain(work, bells, workers).drains.ring()
    assert bells.rung == ["drain-email"] * rung


def test_each_channel_is_rung_for() -> None:
    work, bells = Work(rows={EMAIL: 1, SMS: 1}), Bells()
    chain(work, bells).drains.ring()
    assert bells.rung == ["drain-email", "drain-sms"]


def test_a_drain_gives_way_to_another_channel_but_not_to_its_own() -> None:
    work, bells = Work(), Bells()
    bells.rung = ["drain-email"]
    chain(work, bells).drains.drain(EMAIL)
    bells.rung = ["drain-email", "drain-sms"]
    chain(work, bells).drains.drain(EMAIL)
    assert work.done == ["drain email False", "drain email True"]


def test_a_drain_gives_way_when_the_process_is_asked_to_end() -> None:
    work = Work()
    chain(work, Bells(), stopping=[True]).drains.drain(EMAIL)
    assert work.done == ["drain email True"]


def test_a_pass_over_what_is_waited_for_gives_way_to_news_and_plans_what_it_found() -> None:
    work, bells = Work(pages=1), Bells()
    bells.rung = ["reconcile"]
    chain(work, bells).reconcile()
    bells.rung = ["reconcile", "apply_inbox"]
    chain(work, bells).reconcile()
    assert work.done == ["reconcile False", "plan 1", "reconcile True"]


def test_what_a_drain_leaves_is_rung_for_again() -> None:
    work, bells = Work(left=True), Bells()
    chain(work, bells).drains.drain(SMS)
    assert bells.rung == ["drain-sms"]


@pytest.mark.parametrize(
    ("work", "rung"),
    [
        (Work(inbox_rows=1, checks=True, pages=1), ["apply_inbox"]),
        (Work(checks=True, pages=1), ["check_stock"]),
        (Work(pages=1, passes=True), ["plan_waves"]),
        (Work(passes=True), ["reconcile"]),
        (Work(), []),
    ],
)
def test_the_sweeper_rings_for_the_first_link_that_has_work_and_only_once(work: Work, rung: list[str]) -> None:
    bells = Bells()
    for _ in range(3):
        ring_stock(services(work, bells), chain(work, bells))
    assert bells.rung == rung


def test_without_valkey_the_sweeper_does_the_work_itself() -> None:
    work, bells = Work(inbox_rows=1, pages=1, rows={EMAIL: 1, SMS: 1}), Bells(away=True)
    ring_stock(services(work, bells), chain(work, bells))
    ring_drains(services(work, bells), chain(work, bells))
    assert work.done == ["apply 1", "check", "plan 1", "drain email False", "drain sms False"]
