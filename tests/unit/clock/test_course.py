"""How worlds are driven: what a wall earns, targets that add up, pauses worth nothing, lag policies, turns.
Lives here: the pure transitions. Not here: rows and locks (integration), SimulatorTime itself."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldtick.clock.course import (
    Course,
    advance,
    begun,
    lag_us,
    limit_us,
    mode_of,
    moved_to,
    next_due_us,
    paced,
    pause,
    relieved,
    resume,
    set_interval,
    set_mode,
    set_scale,
    set_time,
    simulator,
    skips,
)
from worldtick.clock.errors import Backwards, NotAMoment, NotAScale, NotATurn, Stopped
from worldtick.clock.scale import PPB
from worldtick.clock.worldtime import DAY_US, HOUR_US, MINUTE_US, SECOND_US

WALL = 1_700_000_000_000_000
AUTO = begun(Course("auto", scale_ppb=60 * PPB), WALL)


def _later(course: Course, wall_us: int) -> Course:
    """A ticker looks, and moves the world as far as it may."""
    course = paced(course, wall_us)
    return moved_to(course, limit_us(course))


def test_an_automatic_world_moves_by_whole_intervals() -> None:
    assert AUTO.due_us == WALL + SECOND_US
    course = _later(AUTO, WALL + 2 * SECOND_US + 700_000)
    assert (course.now_us, course.anchor_us) == (2 * MINUTE_US, WALL + 2 * SECOND_US)
    assert next_due_us(course, WALL + 2 * SECOND_US + 700_000) == WALL + 3 * SECOND_US
    assert _later(course, WALL + 60 * SECOND_US).now_us == HOUR_US


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**12)), max_size=30))
def test_a_change_of_scale_is_no_jump_and_nothing_drifts(changes: list[tuple[int, int]]) -> None:
    course, wall, model = replace(AUTO, interval_us=1), WALL, Fraction(0)
    scale = Fraction(60)
    for wait_us, ppb in changes:
        wall += wait_us
        model += wait_us * scale
        before_us = course.now_us
        course = set_scale(course, ppb, wall)
        scale = Fraction(ppb, PPB)
        assert course.now_us == before_us
        course = _later(course, wall)
        assert course.now_us + Fraction(course.owed_ppb, PPB) == model


def test_pause_and_resume_cause_no_jump() -> None:
    course = pause(_later(AUTO, WALL + 10 * SECOND_US), WALL + 10 * SECOND_US + 250_000)
    assert (course.paused, course.due_us, next_due_us(course, WALL)) == (True, None, None)
    assert limit_us(_later(course, WALL + 500 * SECOND_US)) == 10 * MINUTE_US
    course = resume(course, WALL + 600 * SECOND_US)
    assert (course.scale_ppb, course.pace_us) == (60 * PPB, 10 * MINUTE_US + 15 * SECOND_US)
    assert _later(course, WALL + 601 * SECOND_US).now_us == 11 * MINUTE_US + 15 * SECOND_US


def test_firings_missed_while_paused_are_not_made_up() -> None:
    course = Course("scheduled", last_firing_us=WALL - WALL % HOUR_US)
    resumed = resume(pause(course, WALL), WALL + 10 * HOUR_US)
    assert resumed.last_firing_us == (WALL + 10 * HOUR_US) // HOUR_US * HOUR_US
    assert resume(course, WALL) is course


def test_two_callers_who_advance_both_count() -> None:
    for course in (Course(), AUTO, Course("scheduled")):
        twice = advance(advance(course, HOUR_US, WALL), HOUR_US // 2, WALL)
        assert (twice.target_us, twice.version) == (HOUR_US + HOUR_US // 2, 3)
        assert (limit_us(twice), twice.due_us) == (HOUR_US + HOUR_US // 2, WALL)
        reached = moved_to(twice, limit_us(twice))
        assert (reached.target_us, limit_us(reached)) == (None, reached.now_us)
    assert _later(advance(AUTO, HOUR_US, WALL), WALL + SECOND_US).now_us == HOUR_US + MINUTE_US


def test_turns_are_compared_exactly() -> None:
    turns = Course(turn_us=HOUR_US)
    assert advance(turns, 0, WALL) is turns
    assert advance(turns, HOUR_US, WALL).target_us == HOUR_US
    for wrong in (1, HOUR_US - 1, HOUR_US + 1, 2 * HOUR_US):
        with pytest.raises(NotATurn):
            advance(turns, wrong, WALL)
        with pytest.raises(NotATurn):
            set_time(turns, wrong, WALL)


def test_what_is_refused_changes_nothing() -> None:
    ahead = advance(replace(Course(), now_us=HOUR_US), HOUR_US, WALL)
    for to_us in (HOUR_US - 1, 2 * HOUR_US - 1):
        with pytest.raises(Backwards):
            set_time(ahead, to_us, WALL)
    with pytest.raises(Backwards):
        advance(ahead, -1, WALL)
    with pytest.raises(Stopped):
        advance(pause(ahead, WALL), 1, WALL)
    with pytest.raises(Stopped):
        set_time(pause(ahead, WALL), DAY_US, WALL)
    with pytest.raises(NotAScale):
        set_scale(AUTO, 0, WALL)
    with pytest.raises(NotAScale):
        set_interval(AUTO, 0, WALL)
    with pytest.raises(NotAMoment):
        advance(ahead, 10**6 * 366 * DAY_US, WALL)


def test_nothing_new_raises_no_version() -> None:
    paused = pause(AUTO, WALL)
    for same in (
        set_scale(AUTO, AUTO.scale_ppb, WALL + 5),
        set_mode(AUTO, "auto", WALL + 5),
        set_interval(AUTO, SECOND_US, WALL + 5),
        set_time(AUTO, 0, WALL + 5),
        resume(AUTO, WALL + 5),
    ):
        assert same is AUTO
    assert pause(paused, WALL + 5) is paused


def test_another_driver_begins_where_the_world_is() -> None:
    auto = set_mode(replace(Course(), now_us=HOUR_US), "auto", WALL)
    assert (auto.pace_us, auto.anchor_us, auto.due_us) == (HOUR_US, WALL, WALL + SECOND_US)
    manual = set_mode(replace(auto, pace_us=DAY_US), "manual", WALL)
    assert (limit_us(manual), manual.due_us) == (HOUR_US, None)
    scheduled = set_mode(manual, "scheduled", WALL)
    assert scheduled.last_firing_us == WALL - WALL % HOUR_US
    assert [mode_of(course).value for course in (auto, manual, scheduled, set_mode(auto, "event", WALL))] == [
        "real_time",
        "manual",
        "manual",
        "event_driven",
    ]
    assert set_mode(manual, "event", WALL).due_us == WALL


def test_a_world_that_lags_beyond_its_bound() -> None:
    lags = {policy: replace(AUTO, lag_policy=policy) for policy in ("wait", "slow_down", "skip")}
    late = {policy: relieved(paced(course, WALL + 600 * SECOND_US)) for policy, course in lags.items()}
    assert late["wait"].pace_us == late["skip"].pace_us == 600 * MINUTE_US
    assert late["slow_down"].pace_us == 60 * MINUTE_US  # its bound: a minute of the wall at scale 60
    assert [skips(late[policy]) for policy in ("wait", "slow_down", "skip")] == [False, False, True]
    assert [lag_us(late[policy]) // SECOND_US for policy in ("wait", "slow_down", "skip")] == [600, 60, 600]
    assert not skips(paced(lags["skip"], WALL + 60 * SECOND_US))
    assert relieved(paced(late["slow_down"], WALL + 601 * SECOND_US)).pace_us == 60 * MINUTE_US


def test_the_way_to_a_target_is_no_lag() -> None:
    for policy in ("wait", "slow_down", "skip"):
        told = advance(replace(AUTO, lag_policy=policy), DAY_US, WALL)
        assert (lag_us(told), relieved(told), skips(told)) == (0, told, False)
        later = relieved(paced(told, WALL + 600 * SECOND_US))
        assert lag_us(later) == (60 if policy == "slow_down" else 600) * SECOND_US  # what the wall earned meanwhile
        assert (limit_us(later), skips(later)) == (later.pace_us, False)  # hours that were asked for are not skipped
        assert skips(moved_to(later, DAY_US)) == (policy == "skip")


def test_a_wall_that_runs_back_earns_nothing() -> None:
    course = _later(AUTO, WALL + 10 * SECOND_US)
    assert _later(course, WALL) == course
    assert set_scale(course, PPB, WALL).pace_us == course.pace_us


def test_a_world_pasted_ahead_of_its_pace_goes_on_from_there() -> None:
    ahead = moved_to(AUTO, HOUR_US)
    assert _later(ahead, WALL + SECOND_US).now_us == HOUR_US + MINUTE_US


def test_as_people_look_at_it() -> None:
    assert simulator(AUTO).to_dict()["time_scale"] == "60"
    assert simulator(pause(AUTO, WALL)).mode.value == "paused"
