"""What no chaos shows by itself: Valkey away from the start to the end, and processes that end when asked.

Real processes; the providers that count stand outside them.
"""

from __future__ import annotations

from restock.channels.values import ChannelName
from restock.failpoints import VARIABLE
from restock.jobs import Doorbell, JobName
from tests.faults.instance import Instance
from tests.faults.oracle import Oracle
from tests.faults.town import Town
from tests.faults.witnesses import until


def states(town: Town) -> dict[str, int]:
    found = town.sql("SELECT state, count(*) FROM deliveries GROUP BY state")
    return {str(state): int(str(count)) for state, count in found}


def test_without_valkey_the_sweeper_does_it_all(town: Town, instance: Instance) -> None:
    """From webhook to mail, with no Valkey from the start to the end."""
    instance.kill_valkey()
    variant = town.new_variant()
    town.join(variant, ChannelName.email, 20)
    for role in ("web", "sweeper", "deliveries", "stock"):
        instance.start(role)
    town.restock(variant, 20)
    judgement = Oracle(town).judge()
    assert judgement.faults() == [], f"{judgement}\n{instance.log()}"
    assert judgement.accepted == 20


def test_a_worker_that_is_asked_to_end_leaves_nothing_in_doubt(town: Town, instance: Instance) -> None:
    """SIGTERM in the middle: the batch in hand is finished, nothing is sent twice."""
    instance.witnesses.mail.delay_seconds = 0.002
    variant = town.new_variant()
    town.join(variant, ChannelName.email, 500)
    town.plan_by_hand(variant)
    worker = instance.start("deliveries")
    bell = Doorbell(instance.redis_url)
    bell.ring(JobName.drain, channel="email")
    taken = instance.witnesses.record.taken
    assert until(lambda: len(taken) > 20), instance.log()
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    found = states(town)
    assert set(found) <= {"sent", "queued"}
    assert found["sent"] == len(taken) == len({one.recipient for one in taken})
    bell.close()


def test_a_worker_that_dies_between_two_claims_is_followed_by_one_that_tells_the_rest(
    town: Town, instance: Instance
) -> None:
    """Power off while the next claim is taken and the present one is sent: at most a group is handed over again."""
    instance.witnesses.mail.delay_seconds = 0.002
    variant = town.new_variant()
    town.join(variant, ChannelName.email, 600)
    town.plan_by_hand(variant)
    # A busy machine gives the first claim back where its lease is short, and has one in hand then.
    worker = instance.start("deliveries", **{VARIABLE: "claim.after_commit:2", "DELIVERY_LEASE_SECONDS": "60"})
    bell = Doorbell(instance.redis_url)
    bell.ring(JobName.drain, channel="email")
    assert until(lambda: worker.poll() is not None), instance.log()
    assert 0 < len(instance.witnesses.record.taken) < 600
    assert states(town)["sending"] > 200, "more than one claim was in hand"
    town.sql("UPDATE deliveries SET lease_until = now() + interval '2 seconds' WHERE state = 'sending'")
    for role in ("sweeper", "deliveries"):
        instance.start(role)
    judgement = Oracle(town, crashes=1).judge()
    assert judgement.faults() == [], f"{judgement}\n{instance.log()}"
    bell.close()


def test_a_sweeper_ends_in_order_when_asked(instance: Instance) -> None:
    """Even while it waits for its next look, which would be in a minute."""
    sweeper = instance.start("sweeper", SWEEP_SECONDS="60")
    assert until(lambda: instance.said("sweeper_started")), instance.log()
    sweeper.terminate()
    assert sweeper.wait(timeout=30) == 0


def test_a_mail_server_that_goes_away_for_a_while_costs_nobody_the_message(town: Town, instance: Instance) -> None:
    """Connection refused, then back: nothing is failed, everything is sent."""
    variant = town.new_variant()
    town.join(variant, ChannelName.email, 5)
    instance.witnesses.mail.stop()
    for role in ("web", "sweeper", "deliveries", "stock"):
        instance.start(role)
    town.restock(variant, 5)
    assert until(lambda: instance.said("provider_down")), instance.log()
    assert states(town) == {"queued": 5}
    instance.witnesses.mail.start()
    judgement = Oracle(town).judge()
    assert judgement.faults() == [], f"{judgement}\n{instance.log()}"
    assert sum(judgement.repeats.values()) == 0
