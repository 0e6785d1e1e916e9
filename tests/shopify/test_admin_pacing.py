"""Nobody asks for more points than a shop has, and a silent shop is asked ever more rarely."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from restock.shopify.admin_api import pacing
from restock.shopify.admin_api.pacing import Bucket, Pace

points = st.floats(min_value=1, max_value=2000)
seconds = st.floats(min_value=0, max_value=600)
buckets = st.builds(
    Bucket,
    maximum=st.floats(min_value=100, max_value=40_000),
    available=st.floats(min_value=0, max_value=100),
    restore_rate=st.floats(min_value=50, max_value=2000),
)


def test_a_shop_never_asked_before_may_be_asked() -> None:
    assert pacing.wait_for_points(Pace(), 1000, 0.0) == 0


@given(buckets, points, seconds)
def test_after_the_wait_it_said_the_question_may_go(bucket: Bucket, wanted: float, later: float) -> None:
    pace = pacing.answered(Pace(), 0, bucket, 0.0)
    wait = pacing.wait_for_points(pace, wanted, later)
    assert 0 <= wait <= pacing.MOST_WAIT
    assert pacing.wait_for_points(pace, wanted, later + wait + 1e-6) < 1e-3


@given(buckets, st.lists(points, max_size=20))
def test_questions_on_their_way_never_cost_more_than_is_there(bucket: Bucket, wanted: list[float]) -> None:
    """One that costs more than a bucket holds counts as what a full one holds."""
    pace = pacing.answered(Pace(), 0, bucket, 0.0)
    spent = 0.0
    for cost in wanted:
        if pacing.wait_for_points(pace, cost, 0.0) == 0:
            pace = pacing.asked(pace, cost, 0.0)
            spent += min(cost, bucket.maximum)
    assert spent <= bucket.available + 1e-6


def test_a_question_dearer_than_the_bucket_goes_when_it_is_full() -> None:
    pace = pacing.answered(Pace(), 0, Bucket(1000, 0, 100), 0.0)
    assert pacing.wait_for_points(pace, 5000, 0.0) == 10
    assert pacing.wait_for_points(pace, 5000, 10.0) == 0


def test_an_answer_frees_what_its_question_held() -> None:
    full = Bucket(1000, 1000, 100)
    pace = pacing.asked(pacing.answered(Pace(), 0, full, 0.0), 900, 0.0)
    assert pacing.wait_for_points(pace, 200, 0.0) > 0
    assert pacing.wait_for_points(pacing.answered(pace, 900, full, 0.0), 200, 0.0) == 0
    assert pacing.wait_for_points(pacing.unanswered(pace, 900, 0.0), 200, 0.0) == 0


def test_the_pause_of_a_silent_shop_grows_to_its_limit_and_ends_with_an_answer() -> None:
    pace, pauses = Pace(), []
    for _ in range(12):
        pace = pacing.unanswered(pace, 0, 0.0)
        pauses.append(pace.paused_until)
    assert pauses == [0, 0, 5, 10, 20, 40, 80, 160, 300, 300, 300, 300]
    assert not pacing.may_try(pace, 299.0)
    assert pacing.may_try(pace, 300.0)
    assert pacing.may_try(pacing.answered(pace, 0, None, 0.0), 0.0)


def test_a_shop_on_trial_gets_one_question_at_a_time() -> None:
    pace = Pace(failures=3, paused_until=5.0)
    assert pacing.may_try(pace, 5.0)
    trial = pacing.asked(pace, 3, 5.0)
    assert not pacing.may_try(trial, 5.1)
    assert pacing.may_try(trial, 5.0 + pacing.TRIAL_SECONDS), (
        "a question that was lost does not pause the shop for ever"
    )


def test_throttled_without_a_time_waits_for_what_is_missing() -> None:
    pace = pacing.answered(Pace(), 0, Bucket(1000, 100, 50), 0.0)
    assert pacing.throttled(pace, 500, None, 10.0).not_before == 18.0
    assert pacing.throttled(pace, 50, None, 10.0).not_before == 11.0
    assert pacing.throttled(pace, 500, 3.0, 10.0).not_before == 13.0
    assert pacing.throttled(Pace(not_before=99), 1, None, 10.0).not_before == 99
