"""The simulator's time against a model in rational numbers: exact, monotonic, without jumps; its errors and its words.
Lives here: scale and SimulatorTime. Not here: how worlds are driven (test_course)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldtick.clock.errors import Backwards, NotAMoment, NotAScale, Stopped
from worldtick.clock.scale import PPB, SCALE_PPB_MAX, earned, format_scale, parse_scale
from worldtick.clock.simulator import SimulatorTime, TimeMode, world_time_of
from worldtick.clock.worldtime import EPOCH_S, HOUR_US, SECOND_US, WallTime, WorldTime

SCALES = st.integers(1, SCALE_PPB_MAX)
START = SimulatorTime(auto_advance=True, wall_us=WallTime(10**15))


def test_scales_are_read_exactly() -> None:
    assert [parse_scale(text) for text in (60, 0.5, "0.001", "1000", 1e-9, 1.0)] == [
        60 * PPB,
        PPB // 2,
        PPB // 1000,
        1000 * PPB,
        1,
        PPB,
    ]
    for bad in (0, -1, "0", "-0.5", float("nan"), float("inf"), 1e308, "fast", "", True, "0.0000000001", "1000001"):
        with pytest.raises(NotAScale):
            parse_scale(bad)


@given(SCALES)
def test_a_scale_is_written_as_it_is_read(ppb: int) -> None:
    assert parse_scale(format_scale(ppb)) == ppb


@given(SCALES, st.lists(st.integers(0, 10**12), max_size=30))
def test_pieces_earn_what_the_whole_earns(ppb: int, pieces_us: list[int]) -> None:
    total_us, owed = 0, 0
    for piece_us in pieces_us:
        gained_us, owed = earned(piece_us, ppb, owed)
        total_us += gained_us
    assert Fraction(sum(pieces_us)) * Fraction(ppb, PPB) == total_us + Fraction(owed, PPB)


def test_a_million_increments_at_a_thousandth_lose_nothing() -> None:
    total_us, owed = 0, 0
    for _ in range(1_000_000):
        gained_us, owed = earned(7, PPB // 1000, owed)
        total_us += gained_us
    assert (total_us, owed) == (7_000, 0)


class Rational:
    """The same clock in fractions: what it has earned, and since when."""

    def __init__(self, wall_us: int) -> None:
        self.now = Fraction(0)
        self.scale = Fraction(1)
        self.paused = False
        self.wall_us = wall_us

    def to(self, wall_us: int) -> None:
        if not self.paused and wall_us > self.wall_us:
            self.now += (wall_us - self.wall_us) * self.scale
        if not self.paused:
            self.wall_us = max(self.wall_us, wall_us)


ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(-(10**6), 10**10)),
    st.tuples(st.just("scale"), SCALES),
    st.tuples(st.just("pause"), st.just(0)),
    st.tuples(st.just("resume"), st.just(0)),
    st.tuples(st.just("advance"), st.integers(0, 10**10)),
)


@given(st.lists(ACTIONS, max_size=40))
def test_it_agrees_with_rational_numbers_and_never_runs_back(actions: list[tuple[str, int]]) -> None:
    clock, model, wall = START, Rational(START.wall_us), int(START.wall_us)
    for action, number in actions:
        before_us = clock.current_us
        if action == "wait":
            wall += number
        clock, wall_now = clock.elapse(WallTime(wall)), WallTime(wall)
        model.to(wall)
        if action == "scale":
            clock, model.scale = clock.set_scale(number, wall_now), Fraction(number, PPB)
        elif action == "pause":
            clock, model.paused = clock.pause(wall_now), True
        elif action == "resume":
            if model.paused:
                model.wall_us = wall
            clock, model.paused = clock.resume(wall_now), False
        elif action == "advance" and not model.paused:
            clock, model.now = clock.advance(number, clock.wall_us), model.now + number
        assert clock.current_us + Fraction(clock.owed_ppb, PPB) == model.now
        assert clock.current_us >= before_us
        assert clock.validate() == []


def test_modes_are_derived() -> None:
    clock = SimulatorTime()
    assert (clock.mode, clock.scale_ppb, clock.paused) == (TimeMode.MANUAL, PPB, False)
    auto = replace(clock, auto_advance=True)
    assert auto.mode is TimeMode.REAL_TIME
    assert auto.set_scale(100 * PPB, WallTime(0)).mode is TimeMode.FAST_FORWARD
    assert auto.set_scale(PPB // 2, WallTime(0)).mode is TimeMode.SLOW_MOTION
    assert replace(clock, event_driven=True).mode is TimeMode.EVENT_DRIVEN
    assert replace(clock, event_driven=True).pause(WallTime(0)).mode is TimeMode.PAUSED


def test_advancement_is_the_elapsed_wall_time_scaled() -> None:
    clock = SimulatorTime(scale_ppb=100 * PPB)
    assert clock.calculate_advancement(SECOND_US) == 100 * SECOND_US
    assert clock.pause(WallTime(0)).calculate_advancement(SECOND_US) == 0
    assert SimulatorTime(scale_ppb=PPB // 1000).calculate_advancement(10_000) == 10


def test_what_it_refuses() -> None:
    clock = SimulatorTime(current_us=WorldTime(HOUR_US))
    with pytest.raises(Backwards):
        clock.advance(-10, WallTime(0))
    with pytest.raises(Stopped):
        clock.pause(WallTime(0)).advance(5, WallTime(0))
    with pytest.raises(NotAScale):
        clock.set_scale(0, WallTime(0))
    with pytest.raises(Backwards, match=r"00:59:59\.999999Z lies before 2020-01-01T01:00:00Z"):
        clock.set_time(WorldTime(HOUR_US - 1), WallTime(0))
    with pytest.raises(Backwards):
        clock.get_elapsed_time(WorldTime(HOUR_US + 1))
    with pytest.raises(Backwards):
        clock.calculate_advancement(-1)


def test_the_time_spent_paused_is_worth_nothing_and_the_scale_stays() -> None:
    clock = START.set_scale(60 * PPB, START.wall_us)
    paused = clock.pause(WallTime(START.wall_us + SECOND_US))
    resumed = paused.resume(WallTime(START.wall_us + 600 * SECOND_US))
    assert paused.elapse(WallTime(START.wall_us + 500 * SECOND_US)) == paused
    assert (resumed.current_us, resumed.scale_ppb) == (60 * SECOND_US, 60 * PPB)
    assert resumed.elapse(WallTime(START.wall_us + 601 * SECOND_US)).current_us == 120 * SECOND_US


def test_its_words() -> None:
    clock = SimulatorTime(current_us=WorldTime(14 * HOUR_US + HOUR_US // 2))
    assert clock.format_time() == "2020-01-01T14:30:00Z"
    assert clock.format_time("%A %H:%M") == "Wednesday 14:30"
    assert clock.get_elapsed_time(WorldTime(HOUR_US)) == 13 * HOUR_US + HOUR_US // 2
    assert clock.to_dict()["mode"] == "manual"
    assert clock.to_dict()["current_time"] == "2020-01-01T14:30:00Z"


def test_naive_moments_are_refused_and_others_are_utc() -> None:
    naive = datetime(2024, 3, 15, 14, 30, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(NotAMoment, match="no zone"):
        world_time_of(naive, EPOCH_S)
    east = datetime(2024, 3, 15, 14, 30, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    there = SimulatorTime(current_us=world_time_of(east, EPOCH_S))
    assert there.format_time() == "2024-03-15T12:30:00.000001Z"
    with pytest.raises(NotAMoment, match="epoch"):
        world_time_of(datetime(2019, 12, 31, tzinfo=UTC), EPOCH_S)


def test_a_clock_that_was_tampered_with_names_every_fault() -> None:
    broken = SimulatorTime(
        WorldTime(-1), scale_ppb=0, auto_advance=True, event_driven=True, wall_us=WallTime(-5), owed_ppb=PPB
    )
    assert [fault.partition(":")[0] for fault in broken.validate()] == [
        "time_scale",
        "current_time",
        "owed",
        "wall_time_updated",
        "mode",
    ]
    assert SimulatorTime().validate() == []
