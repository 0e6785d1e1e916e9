"""A provider that is really away for some seconds: a mail server that refuses connections, a Twilio that fails.

Real processes; the providers that count stand outside them.
"""

from __future__ import annotations

import time

import pytest
import urllib3

from restock.channels.values import ChannelName
from tests.faults.instance import Instance
from tests.faults.oracle import Oracle
from tests.faults.town import Town
from tests.faults.witnesses import Mood, until

AWAY_SECONDS = 6.0
SIDE_BY_SIDE = 250  # one claim's messages may be on their way together, over several connections


def status_of(instance: Instance) -> dict[str, object]:
    found: dict[str, object] = urllib3.request("GET", f"{instance.url}/status", timeout=60, retries=False).json()
    return found


@pytest.mark.parametrize("has_valkey", [True, False])
def test_who_waited_first_hears_first_when_the_mail_server_is_back(
    town: Town, instance: Instance, has_valkey: bool
) -> None:
    """400 people, two workers; without Valkey the sweeper alone does it. One message asks, then the others follow."""
    variant = town.new_variant()
    people = town.join(variant, ChannelName.email, 400)
    town.plan_by_hand(variant)
    instance.witnesses.mail.stop()
    if not has_valkey:
        instance.kill_valkey()
    for role in ("web", "sweeper", "deliveries-1", "deliveries-2"):
        instance.start(role)
    assert until(lambda: instance.said("provider_down")), instance.log()
    instance.wait_for_web()
    assert until(lambda: status_of(instance)["status"] == "delayed"), "anybody may know since when"
    time.sleep(AWAY_SECONDS)
    assert town.sql("SELECT DISTINCT state, attempt FROM deliveries") == [("queued", 0)]
    instance.witnesses.mail.start()
    judgement = Oracle(town).judge()
    assert judgement.faults() == [], f"{judgement}\n{instance.log()}"
    assert sum(judgement.repeats.values()) == 0
    heard = [one.recipient for one in instance.witnesses.record.of("email")]
    assert heard[0] == people[0], "the first in line is the one that asks"
    places = {address: place for place, address in enumerate(people)}
    assert max(abs(places[address] - place) for place, address in enumerate(heard)) <= SIDE_BY_SIDE
    assert instance.said("provider_back")
    assert until(lambda: status_of(instance)["status"] == "operational")


def test_a_twilio_that_fails_for_a_while_puts_few_in_doubt_and_nobody_is_told_twice(
    town: Town, instance: Instance
) -> None:
    """After an answer of 5xx a message may exist, so one claim is in doubt, and no more until it is back."""
    variant = town.new_variant()
    town.join(variant, ChannelName.sms, 150)
    town.plan_by_hand(variant)
    instance.witnesses.sms.temper.take(Mood.failing, 60)
    for role in ("sweeper", "deliveries"):
        instance.start(role)
    assert until(lambda: instance.said("provider_down")), instance.log()
    time.sleep(AWAY_SECONDS)
    states = dict(town.sql("SELECT state, count(*)::int FROM deliveries GROUP BY state"))
    assert int(str(states["queued"])) >= 80, states
    instance.witnesses.sms.temper.calm_down()
    judgement = Oracle(town).judge()
    assert judgement.faults() == [], f"{judgement}\n{instance.log()}"
    assert sum(judgement.repeats.values()) == 0
