"""Which firings are due, whoever asks and however often.
Lives here: the wall grid. Not here: what a slot becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldtick.clock.errors import NotAMoment
from worldtick.clock.firings import due, firing_of_job, first_last_firing, parse_duration_us
from worldtick.clock.worldtime import HOUR_US, MINUTE_US, SECOND_US

WALL_US = st.integers(10**15, 2 * 10**15)
PERIODS_US = st.integers(1_000, 10**11)


@given(WALL_US, PERIODS_US, st.lists(st.integers(0, 10**12), max_size=20))
def test_each_firing_counts_once_however_the_runs_fall(start_us: int, period_us: int, waits_us: list[int]) -> None:
    last, at, consumed = first_last_firing(start_us, period_us), start_us, 0
    for wait_us in waits_us:
        at += wait_us
        found = due(last, period_us, at, period_us)
        consumed += found.count
        last = found.after(found.count)
        assert due(last, period_us, at, period_us).count == 0
    assert consumed == (0 if not waits_us else at // period_us - start_us // period_us + 1)


@given(WALL_US, PERIODS_US, st.integers(0, 10**10))
def test_late_and_skewed_runs_find_nothing_new(at_us: int, period_us: int, skew_us: int) -> None:
    last = due(at_us - period_us, period_us, at_us, period_us).after(1)
    assert due(last, period_us, at_us - skew_us, period_us).count == 0
    assert due(last, period_us, last + skew_us % period_us, period_us).count == 0


@given(WALL_US, PERIODS_US, PERIODS_US, st.integers(0, 10**12))
def test_a_new_grid_starts_with_one_firing_at_most(last_us: int, old_us: int, new_us: int, later_us: int) -> None:
    if old_us == new_us:
        return
    found = due(last_us, old_us, last_us + later_us, new_us)
    assert found.count <= 1
    assert found.after(found.count) >= last_us - last_us % new_us


def test_partial_catch_up_leaves_the_rest_due() -> None:
    found = due(0, HOUR_US, 30 * HOUR_US + 5, HOUR_US)
    assert found.count == 30
    assert due(found.after(24), HOUR_US, 30 * HOUR_US + 5, HOUR_US).count == 6


def test_the_job_name_ends_in_the_scheduled_minute() -> None:
    assert firing_of_job("worldtick-hourly-28401120") == 28401120 * MINUTE_US
    for name in ("worldtick-hourly", "worldtick-hourly-28401120-x7", "28401120"):
        with pytest.raises(NotAMoment):
            firing_of_job(name)


def test_durations() -> None:
    assert [parse_duration_us(text) for text in ("250ms", "2s", "5m", "1h", "1d")] == [
        250_000,
        2 * SECOND_US,
        5 * MINUTE_US,
        HOUR_US,
        24 * HOUR_US,
    ]
    assert parse_duration_us("1h30m") == 90 * MINUTE_US
    assert parse_duration_us("30d") == 30 * 24 * HOUR_US
    assert parse_duration_us("1d2h3m4s5ms6us") == (26 * HOUR_US + 3 * MINUTE_US + 4 * SECOND_US) + 5_006
    for text in ("0s", "2", "-2s", "1.5s", "2 s", "s", "99999999999s", "", "30m1h", "1h1h", "1h 30m", "0h0m"):
        with pytest.raises(NotAMoment):
            parse_duration_us(text)
