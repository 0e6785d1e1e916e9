"""Whatever step the power goes at, everybody is told, once: each named failpoint kills a process in full work."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from restock.channels.values import ChannelName
from restock.failpoints import FAILPOINTS, VARIABLE
from restock.playground.shopify.server import FakeShopify
from tests.faults.asked_shop import STAYS_SOLD_OUT, VARIANT, AskedShop, open_shopify
from tests.faults.instance import Instance
from tests.faults.oracle import Oracle
from tests.faults.town import OWNER, Town

ROOT = Path(__file__).parents[2]
STIMULUS_SECONDS = 0.7
SETTLING_SECONDS = 3.0  # by then even a busy machine has a process begin what it does at its start
ENOUGH_WAITING = 20  # what is queued already leads past the delivering ones' failpoints
PATIENCE_SECONDS = 900.0  # a busy machine is not a failing test

# Which process dies at which failpoints, one after the other; `:n` is the nth time it is passed.
CHAINS: dict[str, list[str]] = {
    "web": ["inbox.before_insert", "inbox.after_insert:3", "receipt.before_commit"],
    "stock": [
        "effects.before_commit",
        "effects.after_commit",
        "check.claimed",
        "event.opened",
        "check.before_commit:2",
        "check.after_commit",
        "plan.mid_expansion",
        "plan.before_commit",
        "plan.after_commit:2",
        "purchases.claimed",
        "purchases.before_commit",
        "purchases.after_commit",
        "missed.before_commit",
        "reconcile.answered",
        "reconcile.before_commit",
        "token.answered",
        "token.before_commit",
    ],
    "deliveries": [
        "claim.before_commit",
        "claim.after_commit",
        "send.answered",
        "send.answered:3",
        "record.before_commit",
        "record.after_commit",
        "claim.after_commit:3",
    ],
    "sweeper": [
        "ring.before",
        "lease.before_commit",
        "lease.after_commit",
        "doubt.before_lookup",
        "doubt.after_lookup",
        "doubt.before_commit",
        "ring.after:2",
        "sweep.step:5",
        "confirmations.before_commit",
        "confirmations.after_commit",
        "reminders.before_commit",
        "reminders.after_commit",
        "alerts.before_commit",
        "alerts.after_commit",
        "lend.before_commit",
        "turns.before_commit",
        "turns.after_commit",
    ],
}


def test_every_failpoint_is_passed_somewhere_and_none_is_made_up() -> None:
    """A name in the code that is not in the list would never be armed; one that is only in the list proves nothing."""
    sources = "".join(path.read_text() for path in (ROOT / "restock").rglob("*.py"))
    called = re.findall(r"\bfailpoint\(\s*([^)\s]+)\s*\)", sources)
    named = {name.strip('"') for name in called if name.startswith('"')}
    assert named == set(FAILPOINTS)
    assert len(called) == len([name for name in called if name.startswith(chr(34))])


def test_every_failpoint_is_met_in_a_run() -> None:
    met = {name.partition(":")[0] for chain in CHAINS.values() for name in chain}
    assert met == set(FAILPOINTS)


@dataclass
class Chains:
    """Each role's process dies at its next failpoint; the last of a role is followed by an unarmed one."""

    instance: Instance
    left: dict[str, list[str]] = field(default_factory=lambda: {role: list(names) for role, names in CHAINS.items()})
    met: list[str] = field(default_factory=list)
    started: dict[str, float] = field(default_factory=dict)

    def start(self, role: str) -> None:
        armed = {VARIABLE: self.left[role][0]} if self.left[role] else {}
        self.started[role] = time.monotonic()
        self.instance.start(role, **armed)

    def look(self) -> None:
        """Go on with every role whose process has died."""
        for role, names in self.left.items():
            if role == "deliveries" and self.wants_sleepers():
                self.instance.kill(role)
                continue
            if self.instance.roles[role].poll() is None:
                continue
            if names:
                self.met.append(f"{role} at {names.pop(0)}")
            if role == "deliveries" and not names and self._wants_doubts():
                names.append("send.answered:2")  # somebody must leave the sweeper something in doubt
            self.start(role)

    def _wants_doubts(self) -> bool:
        return bool(self.left["sweeper"]) and self.left["sweeper"][0].startswith(("lease", "doubt"))

    def wants_sleepers(self) -> bool:
        """Say whether messages are to stay where they are, so that units are lent on; that comes near the end."""
        is_next = bool(self.left["sweeper"]) and self.left["sweeper"][0].startswith("lend")
        return is_next and len(self.left["deliveries"]) < 2

    def wants_calm(self) -> bool:
        """Say whether a pass is to be met: that comes last, when nothing anybody told of is left to do."""
        is_next = bool(self.left["stock"]) and self.left["stock"][0].startswith(("reconcile", "token"))
        return is_next and not self.left["sweeper"]

    def wants_news(self) -> bool:
        """Say whether the shop is to be told of somebody new."""
        return bool(self.left["sweeper"]) and self.left["sweeper"][0].startswith("alerts")

    def hurry(self) -> None:
        """Start a sweeper anew for what comes four times a minute, and at the start of each."""
        is_settled = time.monotonic() - self.started["sweeper"] > SETTLING_SECONDS
        if is_settled and self.left["sweeper"] and self.left["sweeper"][0].startswith(("reminders", "alerts")):
            self.instance.kill("sweeper")
            self.start("sweeper")

    def calm(self) -> None:
        """Have every process go on unharmed."""
        for role, names in self.left.items():
            if names:
                self.instance.kill(role)
                self.instance.start(role)


@pytest.fixture
def shopify() -> Iterator[FakeShopify]:
    shopify = open_shopify("http://127.0.0.1:9")
    yield shopify
    shopify.close()


@pytest.fixture
def town(clean_database: str, tmp_path: Path, shopify: FakeShopify) -> Iterator[Town]:
    more = {"SHOPIFY_ADMIN_URL": shopify.admin_url}
    instance = Instance(tmp_path, clean_database, more=more)
    town = Town(
        instance,
        {"policy.reminder_count": "1", "policy.reminder_hours": "1", "alerts.to": OWNER, "alerts.when": "each"},
    )
    yield town
    town.close()
    instance.close()


def test_whatever_step_the_power_goes_at_everybody_is_told_once(town: Town, shopify: FakeShopify) -> None:
    """Web, stock worker, delivering worker and sweeper die at each of their failpoints, while people go on waiting."""
    instance = town.instance
    chains = Chains(instance)
    instance.start("web")
    instance.wait_for_web()
    asked = AskedShop(town, shopify)
    asked.join(STAYS_SOLD_OUT, 1, due=False)
    asked.join(VARIANT, 2)
    nothing = town.new_variant()
    instance.kill("web")
    for role in CHAINS:
        chains.start(role)
    began, stimulated_at = time.monotonic(), 0.0
    while any(chains.left.values()) and time.monotonic() - began < PATIENCE_SECONDS:
        chains.look()
        if time.monotonic() - stimulated_at > STIMULUS_SECONDS:
            stimulated_at = time.monotonic()
            if town.backlog() < ENOUGH_WAITING:
                stimulate(town, asked, nothing, is_calm=chains.wants_calm())
                if chains.wants_news():
                    town.welcome_somebody(nothing)
                chains.hurry()
        time.sleep(0.02)
    missing = {role: names for role, names in chains.left.items() if role != "deliveries" or len(names) > 1}
    assert not any(missing.values()), f"never died at {missing}; met {chains.met}\n{instance.log()}"
    chains.calm()
    asked.restock(10)

    def go_on() -> None:
        chains.look()
        asked.let_a_pass_be_due()  # the last may have been made before the new stock came

    judgement = Oracle(town, crashes=len(chains.met)).judge(meanwhile=go_on)
    assert town.alerts_gone_wrong() == []
    stories = [town.story_of(person) for person in judgement.told_twice + judgement.never_sent]
    assert judgement.faults() == [], "\n".join([*stories, f"{judgement}", f"{chains.met}", instance.log()])


def stimulate(town: Town, asked: AskedShop, nothing: int, *, is_calm: bool) -> None:
    """Let something happen that leads past every failpoint; while it is to be calm, only what a pass needs."""
    asked.let_tokens_run_out()
    asked.let_a_pass_be_due()
    if is_calm:
        return
    variant = town.new_variant()
    town.join(variant, ChannelName.email, 2)
    town.join(variant, ChannelName.sms, 1)
    town.join(variant, ChannelName.push, 1)
    town.restock(variant, 10)
    town.ask_to_confirm(nothing)
    town.buy_something()
    town.sell_out_something(variant)
    town.wake_nobody()
    town.remind_somebody()
    town.end_a_turn()
