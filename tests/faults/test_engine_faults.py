"""What is killed, emptied or missing never loses a message, and repeats none but what was in flight.

Real processes; the mail server that counts stands outside them.
"""

from __future__ import annotations

import time

import redis

from restock.jobs import Doorbell, JobName
from tests.faults.instance import Instance, until

IN_FLIGHT = 100  # outcomes that may be unrecorded when a worker dies (GROUP_SIZE)


def all_told(instance: Instance, count: int) -> bool:
    return instance.store.states("deliveries") == {"sent": count}


def assert_nothing_lost(instance: Instance, count: int, *, repeats: int) -> None:
    """Everybody got the message, and a repeat carries the name of the first."""
    taken = instance.witness.taken
    assert len({recipient for recipient, _ in taken}) == count
    assert len(set(taken)) == count, "a repeat came with another Message-ID"
    assert instance.witness.repeats() <= repeats
    assert instance.store.states("subscriptions") == {"notified": count}


def test_a_killed_worker_loses_nothing(instance: Instance) -> None:
    """kill -9 in the middle of a batch: its messages come again after the lease, under the same name."""
    count = 150
    instance.witness.delay_seconds = 0.004
    instance.store.join(count)
    instance.store.restock(None)
    victim = instance.worker()
    instance.sweeper()
    assert until(lambda: len(instance.witness.taken) > 20), instance.log()
    instance.kill(victim)
    before = len(instance.witness.taken)
    assert before < count
    instance.worker()
    assert until(lambda: all_told(instance, count)), instance.log()
    assert_nothing_lost(instance, count, repeats=IN_FLIGHT)


def test_an_emptied_valkey_loses_nothing_and_repeats_nothing(instance: Instance) -> None:
    """FLUSHALL in the middle: the sweeper rings again."""
    count = 300
    instance.witness.delay_seconds = 0.002
    instance.store.join(count)
    instance.store.restock(None)
    instance.worker()
    instance.sweeper()
    assert until(lambda: len(instance.witness.taken) > 50), instance.log()
    with redis.Redis.from_url(instance.redis_url) as client:
        client.flushall()
    assert until(lambda: all_told(instance, count)), instance.log()
    assert_nothing_lost(instance, count, repeats=0)


def test_without_valkey_the_sweeper_does_it_all(instance: Instance) -> None:
    """From stock check to mail, with no Valkey from the start to the end."""
    instance.kill_valkey()
    instance.store.join(20)
    instance.sweeper()
    instance.worker()
    instance.worker("stock")
    instance.store.stock(None)
    assert until(lambda: all_told(instance, 20)), instance.log()
    assert_nothing_lost(instance, 20, repeats=0)


def test_a_killed_sweeper_is_replaced_by_any_other(instance: Instance) -> None:
    """What had been claimed by nobody is found; two sweepers at once do nothing twice."""
    instance.worker()
    instance.worker("stock")
    victim = instance.sweeper()
    instance.store.join(30)
    instance.store.stock(10)
    assert until(lambda: len(instance.witness.taken) >= 1), instance.log()
    instance.kill(victim)
    instance.sweeper()
    instance.sweeper()
    instance.store.stock(None)
    assert until(lambda: all_told(instance, 30)), instance.log()
    assert_nothing_lost(instance, 30, repeats=0)


def test_a_worker_that_is_asked_to_end_leaves_nothing_in_doubt(instance: Instance) -> None:
    """SIGTERM in the middle: the batch in hand is finished, nothing is sent twice."""
    count = 500
    instance.witness.delay_seconds = 0.002
    instance.store.join(count)
    instance.store.restock(None)
    worker = instance.worker()
    Doorbell(instance.redis_url).ring(JobName.drain, channel="email")
    assert until(lambda: len(instance.witness.taken) > 20), instance.log()
    asked = time.monotonic()
    worker.terminate()
    assert worker.wait(timeout=10) == 0
    assert time.monotonic() - asked < 6
    states = instance.store.states("deliveries")
    assert set(states) <= {"sent", "queued"}
    assert states["sent"] == len(instance.witness.taken) == len(set(instance.witness.taken))


def test_a_sweeper_ends_in_order_when_asked(instance: Instance) -> None:
    """Even while it waits for its next look; the time allows for a busy machine."""
    sweeper = instance.sweeper(SWEEP_SECONDS="60")
    assert until(lambda: "sweeper_started" in instance.log())
    asked = time.monotonic()
    sweeper.terminate()
    assert sweeper.wait(timeout=30) == 0
    assert time.monotonic() - asked < 10


def test_a_mail_server_that_goes_away_for_a_while_costs_nobody_the_message(instance: Instance) -> None:
    """Connection refused, then back: nothing is failed, everything is sent."""
    instance.store.join(5)
    instance.store.restock(None)
    instance.stop_mail()
    instance.worker()
    instance.sweeper()
    assert until(lambda: "provider_down" in instance.log()), instance.log()
    assert instance.store.states("deliveries") == {"queued": 5}
    instance.start_mail()
    instance.store.pass_time("deliveries", "next_at", 600)
    instance.store.pass_time("delivery_lanes", "next_at", 600)
    assert until(lambda: all_told(instance, 5)), instance.log()
    assert_nothing_lost(instance, 5, repeats=0)
