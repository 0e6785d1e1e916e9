"""Refusals that come in a row and are alike speak of a shop's setup, not of its people. No database, no channel.

A relay that is closed to us, a listed address, a country the account may not write to: each refuses everybody. So a
refusal that may be one of these waits for the next answers. When there are many in a row nobody is condemned and no
message is given up: the shop's messages on that channel wait, as for any provider that is down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from restock.channels.values import Blame, ChannelName, Outcome, Verdict
from restock.deliveries.repository.providers import shop_service
from restock.deliveries.service.streams.holds import Hold

MOST_ALIKE = 20  # so many in a row are no longer a matter of single people
RECIPIENTS_REFUSED = "recipients_refused"
_SETUP = frozenset({"content_rejected", "no_route", "policy_rejected", "rejected"})
_NOBODY_THERE = frozenset(
    {
        "address_malformed",
        "domain_unknown",
        "invalid_address",
        "invalid_number",
        "mailbox_disabled",
        "mailbox_moved",
        "mailbox_unknown",
        "null_mx",
    }
)


@dataclass
class _Run:
    why: str
    count: int = 0


@dataclass
class Alike:
    """What the last refusals of each shop have in common, on e-mail and text messages; of one process.

    One that is taken among many refused does not end a row, but makes half of it.
    """

    _runs: dict[tuple[int, ChannelName], _Run] = field(default_factory=dict)

    @property
    def is_calm(self) -> bool:
        """Nothing was refused lately."""
        return not self._runs

    def sift(self, hold: Hold, outcome: Outcome) -> Sequence[Outcome]:
        """Take an outcome of a claim; return what may be recorded now, and keep the rest in `hold.withheld`."""
        lane = hold.batch.lane
        if lane.channel is ChannelName.push:  # a browser that is gone is gone, and each service is judged by itself
            return [outcome]
        key, service = (lane.shop_id, lane.channel), outcome.service or shop_service(lane.shop_id)
        known = hold.entry.shut.get(service)
        is_paused = known is not None and (known.reason in _SETUP or known.reason == RECIPIENTS_REFUSED)
        why = _why(outcome)
        if why is None:
            if outcome.verdict is not Verdict.accepted:
                return [outcome]
            self._halve(key)
            return [*hold.take_withheld(), replace(outcome, service=service) if is_paused else outcome]
        count = self._count(key, why)
        if not is_paused and count < MOST_ALIKE:
            hold.withheld.append(outcome)
            return []
        told = [*hold.take_withheld(), outcome]
        return [_paused(one, why, service) if _why(one) == why else one for one in told]

    def _count(self, key: tuple[int, ChannelName], why: str) -> int:
        run = self._runs.get(key)
        if run is None or run.why != why:
            run = self._runs[key] = _Run(why)
        run.count += 1
        return run.count

    def _halve(self, key: tuple[int, ChannelName]) -> None:
        run = self._runs.get(key)
        if run is not None:
            run.count = min(run.count, MOST_ALIKE) // 2
            if not run.count:
                del self._runs[key]


def _why(outcome: Outcome) -> str | None:
    """Say what a refusal is one of; None: it is about its message or its person alone."""
    if outcome.verdict is not Verdict.refused:
        return None
    if outcome.blame is Blame.address and outcome.reason in _NOBODY_THERE:
        return RECIPIENTS_REFUSED
    return outcome.reason if outcome.reason in _SETUP else None


def _paused(outcome: Outcome, why: str, service: str) -> Outcome:
    return Outcome(outcome.delivery_id, Verdict.deferred, why, Blame.provider, service=service)
