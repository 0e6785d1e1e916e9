"""Shows that the tests would notice: takes one safeguard of the engine away at a time, and runs what must fail then.

`python -m tests.deliveries.mutants [NAME …]`, by hand: some minutes. Each mutant is an exact text of the program and
what replaces it, in a copy of the program; the checkout is never touched. A mutant that nothing catches ends the
program with 1, unless it says why it changes nothing anybody could see.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MACHINE = "tests/deliveries/test_state_machine.py"
WALK = f"{MACHINE}::test_every_walk_goes_allowed_arrows_tells_nobody_twice_and_comes_to_rest"
DELIVERIES = "tests/deliveries/test_deliveries.py"
ENDED = f"{DELIVERIES}::test_a_doubt_that_was_ended_is_not_opened_again"
NEXT = f"{DELIVERIES}::test_what_was_found_out_about_one_hand_over_says_nothing_about_the_next"
DRAINS = "tests/deliveries/test_races.py::test_two_drains_of_one_lane_share_it"
ENDINGS = "tests/privacy/test_races.py::test_whoever_ends_an_address_waits_for_its_person_before_it_holds_the_message"
OUTCOMES = "restock/deliveries/repository/outcomes.py"
CLAIMS = "restock/deliveries/repository/claims.py"
LANES = "restock/deliveries/repository/lanes.py"
PLACES = "tests/deliveries/test_lanes.py"
RECEIPTS = "restock/deliveries/repository/receipts.py"
RECORDING = "restock/deliveries/service/recording.py"
SENDING = "restock/deliveries/service/sending.py"
STREAM = "restock/deliveries/service/streams/stream.py"
FLYING = "restock/deliveries/service/streams/flying.py"
FEED = "restock/deliveries/service/streams/feed.py"
HOLDS = "restock/deliveries/service/streams/holds.py"
DESK = "restock/deliveries/service/streams/desk.py"
PIPELINE = "restock/batches/pipeline.py"
PIPELINES = "tests/test_pipeline.py"
LEDGER = "restock/deliveries/service/streams/ledger.py"
STREAMS = "tests/deliveries/test_streams.py"
TURNS = "tests/restocks/test_turns.py"
PLANNING = "restock/restocks/service/planning.py"
MAY_HAVE_ARRIVED = f"{TURNS}::test_a_message_that_may_have_arrived_is_never_taken_back"
LEFT_IN_DOUBT = f"{TURNS}::test_whoever_may_have_been_told_and_is_not_written_to_now_keeps_the_place"
NEW_SETTINGS = "tests/restocks/test_new_settings.py"
MISSED = (
    f"{TURNS}::test_whoever_may_have_been_told_and_finds_the_goods_gone_hears_of_the_next_restock_that_it_was_missed"
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One safeguard less. `caught_by` are the tests of which one must fail; `harmless` says why none can."""

    name: str
    path: str
    text: str
    instead: str
    caught_by: tuple[str, ...] = (WALK,)
    harmless: str | None = None

    def found(self, root: Path) -> bool:
        """Say whether the program still has the text, once."""
        return (root / self.path).read_text().count(self.text) == 1

    def apply(self, root: Path) -> None:
        """Take the safeguard away in a copy of the program."""
        place = root / self.path
        place.write_text(place.read_text().replace(self.text, self.instead))


MUTANTS = (
    Mutant(
        "any worker's answer counts",
        OUTCOMES,
        '_HELD = f"token = :token AND ({_SENDING} OR ({_DOUBTED}))"',
        '_HELD = f"({_SENDING} OR ({_DOUBTED}))"',
    ),
    Mutant(
        "a late answer counts whatever the state",
        OUTCOMES,
        '_HELD = f"token = :token AND ({_SENDING} OR ({_DOUBTED}))"',
        "_HELD = \"state NOT IN ('queued')\"",
    ),
    Mutant(
        "any worker may doubt",
        OUTCOMES,
        "WHERE deliveries.id = told.id AND token = :token AND state = 'sending'",
        "WHERE deliveries.id = told.id AND state = 'sending'",
    ),
    Mutant(
        "a worker is robbed within its lease",
        OUTCOMES,
        "WHERE state = 'sending' AND lease_until < now()",
        "WHERE state = 'sending'",
    ),
    Mutant(
        "a claim has no lease",
        CLAIMS,
        "lease_until = now() + make_interval(secs => %(lease_seconds)s)",
        "lease_until = now() + make_interval(secs => 0 * %(lease_seconds)s)",
    ),
    Mutant(
        "a worker goes on after its lease",
        STREAM,
        "if self.feed.has_lost():  # others may",
        "if False:  # others may",
    ),
    Mutant(
        "a worker begins after its lease",
        SENDING,
        "if hold.lease.is_over():  # the claim",
        "if False:  # the claim",
    ),
    Mutant(
        "a stream goes over to a claim whose lease is over",
        HOLDS,
        "return self.lease.timer() < self.until and not self.lease.is_over()",
        "return self.lease.timer() < self.until",
        (f"{STREAMS}::test_a_second_claim_whose_lease_runs_out_while_the_first_is_sent_is_left_to_others",),
    ),
    Mutant(
        "more than a group is taken and not recorded",
        LEDGER,
        "while self._under_way and self._is_full():",
        "while False:",
        (f"{STREAMS}::test_no_more_than_a_group_is_taken_and_not_recorded_whichever_claim_it_is_of",),
    ),
    Mutant(
        "a channel that is left early goes on",
        STREAM,
        "return closing(stream) if isinstance(stream, Generator) else nullcontext(stream)",
        "return nullcontext(stream)",
        (STREAMS,),
    ),
    Mutant(
        "the next claim is taken whatever the provider does",
        FEED,
        "is_well = hold.told.signs.works and len(self._under_way) <= ahead.in_hand",
        "is_well = True",
        (STREAMS,),
    ),
    Mutant(
        "a claim that has waited long is begun",
        SENDING,
        "if following and (is_down or order.stopping() or following.lease.wants_renewal):",
        "if following and (is_down or order.stopping()):",
        (STREAMS,),
    ),
    Mutant(
        "what was claimed ahead waits for its lease when a stream breaks",
        SENDING,
        "if (following := feed.following()) is not None:",
        "if False and (following := feed.following()) is not None:",
        (STREAMS,),
    ),
    Mutant(
        "what was not begun waits for its lease when a stream breaks",
        SENDING,
        "for hold in list(feed.holds):",
        "for hold in ():",
        (STREAMS,),
    ),
    Mutant(
        "what nobody took is recorded in passing",
        RECORDING,
        "if not all(one.verdict is Verdict.accepted for _, told in group for one in told):",
        "if False:",
        (STREAMS,),
    ),
    Mutant(
        "a record in passing that failed is not written again",
        FLYING,
        "self._again()",
        "pass",
        (STREAMS,),
    ),
    Mutant(
        "what a stream leaves is not waited for",
        LEDGER,
        "            written.exception()\n        while self._under_way:\n            self._wait()",
        "            pass",
        (STREAMS,),
    ),
    Mutant(
        "a group that cannot be written leaves the others on their way alone",
        LEDGER,
        "        finally:  # where that fails",
        "        except ZeroDivisionError:\n            pass\n        else:  # where that fails",
        (STREAMS,),
    ),
    Mutant(
        "a claim ahead that fails ends what is under way",
        DESK,
        "done.set_exception(error)",
        "raise error",
        (STREAMS,),
    ),
    Mutant(
        "a claim nobody could judge ends what is under way",
        STREAM,
        "judged.done() and (judged.exception() or judged.result())",
        "judged.done() and judged.result()",
        (STREAMS,),
    ),
    Mutant(
        "what was interrupted on its way is read as the next one's answer",
        PIPELINE,
        "except BaseException as error:",
        "except psycopg.Error as error:",
        (PIPELINES,),
    ),
    Mutant(
        "who is asked to end gives nothing back",
        STREAM,
        "if not hold.lease.is_over():",
        "if False:",
        (f"{STREAMS}::test_asked_to_end_a_worker_hears_what_is_under_way_and_gives_the_rest_back",),
    ),
    Mutant(
        "a lease that is over is prolonged",
        SENDING,
        "if not lease.wants_renewal or lease.is_over():",
        "if not lease.wants_renewal:",
        harmless="the rows say so as well: see the next two",
    ),
    Mutant(
        "a lease is prolonged whoever has the message",
        OUTCOMES,
        "WHERE id = ANY(:ids) AND token = :token AND state = 'sending'\n",
        "WHERE id = ANY(:ids) AND state = 'sending'\n",
        harmless="only within a lease that is not over, in which nobody else has it",
    ),
    Mutant(
        "a message is claimed whatever its state",
        CLAIMS,
        "WHERE lane_id = %(lane_id)s AND state = 'queued' AND next_at <= now()",
        "WHERE lane_id = %(lane_id)s AND next_at <= now()",
    ),
    Mutant(
        "a message is claimed before its time",
        CLAIMS,
        "WHERE lane_id = %(lane_id)s AND state = 'queued' AND next_at <= now()",
        "WHERE lane_id = %(lane_id)s AND state = 'queued'",
    ),
    Mutant(
        "what was claimed is marked whatever its state",
        CLAIMS,
        'WHERE id = ANY(CAST(%(ids)s AS bigint[])) AND state = \'queued\'\n"""\n\n_SKIP',
        'WHERE id = ANY(CAST(%(ids)s AS bigint[]))\n"""\n\n_SKIP',
        harmless="the rows are held since they were read as queued",
    ),
    Mutant(
        "two claims take the same",
        CLAIMS,
        "ORDER BY next_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED\n    ) {_FACTS}",
        "ORDER BY next_at, id LIMIT %(limit)s\n    ) {_FACTS}",
        caught_by=(DRAINS,),
    ),
    Mutant(
        "a record holds its message before the address it ends",
        RECORDING,
        "            outcomes.hold_contacts(session, [one for one in blamed if one is not None])\n",
        "",
        caught_by=(ENDINGS,),
    ),
    Mutant(
        "a receipt holds its message before the address it ends",
        "restock/deliveries/service/receipts.py",
        "                receipts.hold_contact(session, receipt.delivery_id, shop_id)\n",
        "                pass\n",
        caught_by=(ENDINGS,),
    ),
    Mutant(
        "people are put back before the next restock is held",
        "restock/restocks/service/turns.py",
        "    repository.lock_open_event(session, shop_id, variant_id)",
        "    ",
        caught_by=("tests/restocks/test_races.py::test_the_next_restock_meets_the_end_of_the_last",),
    ),
    Mutant(
        "what was found out about one hand-over ends the doubt about the next",
        OUTCOMES,
        "WHERE deliveries.doubts = seen.doubts AND {_DOUBTED}",
        "WHERE {_DOUBTED}",
        caught_by=(NEXT,),
    ),
    Mutant(
        "a doubt that was ended is opened again",
        OUTCOMES,
        "_DOUBTED = \"state IS NOT DISTINCT FROM 'unknown' AND finished_at IS NULL\"",
        "_DOUBTED = \"state IS NOT DISTINCT FROM 'unknown'\"",
        caught_by=(ENDED,),
    ),
    Mutant(
        "at most once is sent again",
        "restock/deliveries/rules/doubts.py",
        "if policy is Doubt.resend_once and repeats_left",
        "if repeats_left",
    ),
    Mutant(
        "a repeat has a name of its own",
        "restock/deliveries/service/envelopes.py",
        "            identity(row.id, row.dedupe_key, row.created_at)",
        "            identity(row.id, row.dedupe_key + str(row.attempt), row.created_at)",
    ),
    Mutant(
        "a receipt moves a state back",
        RECEIPTS,
        "WHERE id = :id AND state = ANY(:before)",
        "WHERE id = :id AND :before IS NOT NULL",
    ),
    Mutant(
        "a receipt leaves the worker its token",
        RECEIPTS,
        "lease_until = NULL, token = NULL,",
        "lease_until = NULL,",
    ),
    Mutant(
        "a lane is not told what was queued again",
        RECORDING,
        "            lanes.advance(session, seconds_by_lane)\n",
        "",
    ),
    Mutant(
        "a lane is not told of a repeat",
        "restock/deliveries/service/doubts.py",
        "        lanes.advance(session, seconds_by_lane)\n",
        "",
    ),
    Mutant(
        "what is put in before a lane's place is not looked for",
        LANES,
        "ELSE LEAST(first_at, {_BEFORE}) END,",
        "ELSE first_at END,",
        caught_by=(f"{PLACES}::test_what_is_put_in_before_all_others_is_next",),
    ),
    Mutant(
        "what is put back at its old place is not looked for",
        LANES,
        "CASE WHEN :old_places THEN 'epoch' ELSE",
        "CASE WHEN :old_places THEN first_at ELSE",
        caught_by=(f"{PLACES}::test_what_is_put_in_before_all_others_is_next",),
    ),
    Mutant(
        "a lane's place goes past what another holds",
        LANES,
        "ORDER BY next_at, id LIMIT 1\n    ) front",
        "ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED\n    ) front",
        caught_by=(f"{PLACES}::test_what_somebody_else_holds_is_still_in_the_lane",),
    ),
    Mutant(
        "a lane whose place is wrong stays so",
        LANES,
        "first_at = LEAST(first_at, front.at),",
        "first_at = first_at,",
        caught_by=(f"{PLACES}::test_a_lane_whose_place_is_wrong_forgets_nobody",),
    ),
    Mutant(
        "a lane whose place moves back keeps its number",
        LANES,
        "first_id = CASE WHEN first_at >= front.at THEN 0 ELSE first_id END",
        "first_id = first_id",
        caught_by=(PLACES,),
    ),
    Mutant(
        "a lane is settled by what was seen before it was held",
        LANES,
        '    session.execute(_HOLD, {"ids": [lane_id]})\n    session.execute(_SETTLE',
        "    session.execute(_SETTLE",
        caught_by=("tests/deliveries/test_races.py", PLACES),
    ),
    Mutant(
        "what was withdrawn may have left",
        "restock/deliveries/repository/notices.py",
        "WHERE shop_id = :shop_id AND offer_id = ANY(:offer_ids) AND state = 'queued'",
        "WHERE shop_id = :shop_id AND offer_id = ANY(:offer_ids)",
    ),
    Mutant(
        "what open offers keep is given out again",
        PLANNING,
        "rules.free_units(reading, policy, _count(session, event))",
        "rules.free_units(reading, policy, 0)",
        (f"{TURNS}::test_what_a_wave_may_give_is_counted_once_and_never_exceeded",),
    ),
    Mutant(
        "a walk goes on on other ground",
        PLANNING,
        "if wave is not None and in_order and wave.capacity == capacity:",
        "if wave is not None and in_order:",
        (f"{TURNS}::test_what_a_wave_may_give_is_counted_once_and_never_exceeded",),
    ),
    Mutant(
        "whose place moved is named twice by a walk",
        PLANNING,
        "if event.wave_count else ()",
        "if event.wave_count > 1 else ()",
        (f"{TURNS}::test_who_loses_the_first_place_in_the_middle_of_a_walk_is_not_named_twice_by_it",),
    ),
    Mutant(
        "turns that run while a shop is away keep nothing",
        "restock/restocks/repository/leaving.py",
        "look_at = NULL, settle_at = now() + interval '8 days'",
        "look_at = NULL",
        (f"{TURNS}::test_turns_that_run_while_the_shop_is_away_keep_their_units_when_it_is_back",),
    ),
    Mutant(
        "what came back while nobody stood in line waits for the next pass",
        "restock/restocks/service/turns.py",
        "if variants := repository.over_too_soon(session, shop_id, event_ids):",
        "if False and (variants := []):",
        (TURNS,),
    ),
    Mutant(
        "what may have arrived is taken back",
        "restock/deliveries/repository/notices.py",
        "AND (doubts = 0 OR NOT :unless_doubted)",
        "AND (doubts = 0 OR NOT :unless_doubted OR true)",
        (MAY_HAVE_ARRIVED,),
    ),
    Mutant(
        "whoever may have been told and finds the goods gone was never told",
        "restock/deliveries/service/claiming.py",
        "            if reason in _GOODS_GONE:\n",
        "            if False:\n",
        (MISSED,),
    ),
    Mutant(
        "of a message that may have arrived it is said that it was not sent",
        "restock/deliveries/service/claiming.py",
        "if doubted := [row.id for row in rows if row.doubts]:",
        "if reason in _GOODS_GONE and (doubted := [row.id for row in rows if row.doubts]):",
        (LEFT_IN_DOUBT,),
    ),
    Mutant(
        "a save of settings and a planner stand in a circle",
        "restock/shops/repository/__init__.py",
        "with_for_update(key_share=True)",
        "with_for_update()",
        (f"{NEW_SETTINGS}::test_settings_saved_while_queues_are_planned_are_those_everybody_ends_up_by",),
    ),
    Mutant(
        "what began while settings were saved is planned by the old",
        "restock/restocks/service/new_settings.py",
        "            repository.replan_shop(session, shop_id, but=planned)\n",
        "            pass\n",
        (f"{NEW_SETTINGS}::test_a_restock_that_begins_while_settings_are_saved_is_planned_by_the_new",),
    ),
    Mutant(
        "a turn that may have been told is missed and nobody says so",
        "restock/subscriptions/repository/queue.py",
        "notified_at = CASE WHEN :told THEN now() ELSE notified_at END,",
        "notified_at = CASE WHEN :told THEN notified_at ELSE notified_at END,",
        (MISSED,),
    ),
    Mutant(
        "an erased person's message stays queued",
        "restock/deliveries/repository/retention.py",
        "state = CASE WHEN state = 'queued' THEN 'skipped' ELSE state END",
        "state = state",
    ),
    Mutant(
        "nobody asks again before a message leaves",
        "restock/deliveries/rules/__init__.py",
        "    if not person.holds_offer:\n",
        "    if False:\n",
    ),
)


def main(names: Sequence[str]) -> int:
    """Try the mutants of these names, or all that can be noticed; print what became of each."""
    if _fails(None, tuple(dict.fromkeys(test for mutant in MUTANTS for test in mutant.caught_by))):
        raise SystemExit("the tests fail as it is: nothing is shown by what they catch")
    missed = 0
    for mutant in MUTANTS:
        if names and mutant.name not in names:
            continue
        if mutant.harmless and not names:
            print(f"{mutant.name:70} harmless: {mutant.harmless}")
            continue
        began = time.monotonic()
        caught = _fails(mutant, mutant.caught_by)
        said = "caught" if caught else "NOT CAUGHT"
        print(f"{mutant.name:70} {said} ({time.monotonic() - began:.0f} s)", flush=True)
        missed += not caught and mutant.harmless is None
    return int(missed > 0)


def _fails(mutant: Mutant | None, tests: Sequence[str]) -> bool:
    """Say whether one of these tests fails with a mutant; None: with the program as it is."""
    with tempfile.TemporaryDirectory(prefix="restock-mutant-") as folder:
        copy = Path(folder)
        for part in ("restock", "migrations", "tests"):
            ignored = shutil.ignore_patterns("node_modules", "__pycache__", ".hypothesis")
            shutil.copytree(ROOT / part, copy / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", copy)
        if mutant is not None:
            mutant.apply(copy)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        environment = os.environ | {"DELIVERY_WALKS": "hunt", "RACE_ROUNDS": "4"}
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in {0, 1}:
            raise RuntimeError(f"{mutant}: the tests did not run\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.returncode == 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
