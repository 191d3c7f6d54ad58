"""Which tick comes next: gapless hours, one daily a midnight, the same history in any order of runs.
Lives here: slots and the catch-up policy. Not here: sealing."""

from hypothesis import given
from hypothesis import strategies as st

from worldtick.clock.moves import (
    BoundaryKind,
    Move,
    Standing,
    midnight_ahead,
    moved,
    next_move,
    next_paced,
    owes_daily,
    slots_until,
)
from worldtick.clock.slots import (
    days_between,
    hours_between,
    is_hour,
    is_midnight,
    last_hour,
    last_midnight,
    next_hour,
    next_midnight,
)
from worldtick.clock.worldtime import DAY_US, EPOCH_S, HOUR_US, WorldTime

AT_US, EPOCHS_S = st.integers(0, 10**16), st.integers(-(10**9), 4 * 10**9)
START = Standing(WorldTime(0), WorldTime(0), EPOCH_S, True, True, "each")


def _history(standing: Standing, run: BoundaryKind, slots: int) -> tuple[list[Move], Standing]:
    moves: list[Move] = []
    while (move := next_move(standing, run, slots)) is not None:
        moves.append(move)
        standing, slots = moved(standing, move), slots - move.slots
        assert slots >= 0
    return moves, standing


@given(AT_US, EPOCHS_S)
def test_boundaries_bracket_a_time(at: int, epoch_s: int) -> None:
    for last, upcoming, length_us, holds in (
        (last_hour(at, epoch_s), next_hour(at, epoch_s), HOUR_US, is_hour),
        (last_midnight(at, epoch_s), next_midnight(at, epoch_s), DAY_US, is_midnight),
    ):
        assert last <= at < upcoming == last + length_us
        assert holds(last, epoch_s)
        assert holds(upcoming, epoch_s)
    assert hours_between(at, at + 30 * HOUR_US, epoch_s) == 30
    assert days_between(at, at + 3 * DAY_US, epoch_s) == 3


@given(AT_US, EPOCHS_S, st.sampled_from(["each", "coalesce"]), st.integers(1, 100))
def test_a_chain_without_gap_and_one_daily_a_midnight(at: int, epoch_s: int, policy: str, slots: int) -> None:
    start = Standing(WorldTime(at), WorldTime(at), epoch_s, True, True, "each" if policy == "each" else "coalesce")
    moves, end = _history(start, "hourly", slots)
    at_us = at
    for move in moves:
        assert move.from_us == at_us
        at_us = move.to_us
    hourly = [move for move in moves if move.kind == "hourly"]
    dailies = [move.to_us for move in moves if move.kind == "daily"]
    assert sum(move.hours for move in hourly) == slots == hours_between(at, end.now_us, epoch_s)
    assert dailies == [move.to_us for move in hourly if is_midnight(move.to_us, epoch_s)]
    assert len(dailies) == days_between(at, end.now_us, epoch_s)
    assert not owes_daily(end)


@given(st.lists(st.tuples(st.sampled_from(["hourly", "daily"]), st.integers(0, 30)), max_size=30))
def test_daily_runs_never_change_the_history(runs: list[tuple[BoundaryKind, int]]) -> None:
    standing, moves, hours = START, [], 0
    for run, slots in runs:
        done, standing = _history(standing, run, slots)
        moves += done
        hours += slots if run == "hourly" else 0
    assert moves == _history(START, "hourly", hours)[0]


def test_each_takes_every_hour_and_coalesce_one_a_day() -> None:
    moves, _ = _history(START, "hourly", 30)
    assert [move.hours for move in moves] == [1] * 24 + [24] + [1] * 6
    moves, end = _history(Standing(WorldTime(0), WorldTime(0), EPOCH_S, True, True, "coalesce"), "hourly", 30)
    assert [(move.kind, move.hours) for move in moves] == [("hourly", 24), ("daily", 24), ("hourly", 6)]
    assert end.now_us == 30 * HOUR_US


def test_midnight_owed_comes_first_in_either_run() -> None:
    midnight = Standing(WorldTime(DAY_US), WorldTime(0), EPOCH_S, True, True, "each")
    for run in ("hourly", "daily"):
        for due in (0, 5):
            move = next_move(midnight, "hourly" if run == "hourly" else "daily", due)
            assert move == Move("daily", WorldTime(DAY_US), WorldTime(DAY_US), 24, 0)


def test_a_daily_run_waits_for_hours_that_are_due() -> None:
    evening = Standing(WorldTime(22 * HOUR_US), WorldTime(0), EPOCH_S, True, True, "each")
    assert not midnight_ahead(evening, 1)
    assert midnight_ahead(evening, 2)
    assert next_move(evening, "daily", 9) is None


def test_grids_that_a_world_does_not_have() -> None:
    hours = Standing(WorldTime(0), WorldTime(0), EPOCH_S, True, False, "each")
    assert [move.kind for move in _history(hours, "hourly", 25)[0]] == ["hourly"] * 25
    assert next_move(hours, "daily", 3) is None
    days = Standing(WorldTime(5 * HOUR_US), WorldTime(0), EPOCH_S, False, True, "each")
    assert next_move(days, "hourly", 3) is None
    assert [(move.hours, move.to_us) for move in _history(days, "daily", 2)[0]] == [(19, DAY_US), (24, 2 * DAY_US)]


def test_slots_until_a_named_slot() -> None:
    assert slots_until(START, "hourly", WorldTime(5 * HOUR_US)) == 5
    assert slots_until(START, "daily", WorldTime(2 * DAY_US)) == 2
    assert slots_until(START, "hourly", WorldTime(0)) == 0


def _paced(standing: Standing, limit_us: int, timers: list[int]) -> list[Move]:
    moves: list[Move] = []
    while True:
        timer = next((WorldTime(at) for at in timers if at > standing.now_us), None)
        move = next_paced(standing, WorldTime(limit_us), timer)
        if move is None:
            return moves
        moves.append(move)
        standing = moved(standing, move)


@given(
    AT_US,
    EPOCHS_S,
    st.sampled_from([(True, True), (True, False), (False, True)]),
    st.lists(st.integers(0, 5 * DAY_US), max_size=5),
    st.lists(st.integers(0, 4 * DAY_US), max_size=5),
)
def test_an_advance_is_cut_at_every_boundary_and_timer(
    at: int, epoch_s: int, grids: tuple[bool, bool], spans: list[int], timers: list[int]
) -> None:
    hourly, daily = grids
    start = Standing(WorldTime(at), WorldTime(at), epoch_s, hourly, daily, "each")
    timers = sorted(at + timer for timer in timers)
    for span in sorted(spans):
        moves = _paced(start, at + span, timers)
        at_us = at
        for move in moves:
            assert move.from_us == at_us
            assert (move.to_us > at_us) or (move.kind == "daily" and hourly)
            assert not any(at_us < timer < move.to_us for timer in timers)
            inside = hours_between(at_us, move.to_us - 1, epoch_s) if move.to_us > at_us else 0
            assert move.kind == "daily" or inside == 0
            assert move.kind != "step" or not (hourly and is_hour(move.to_us, epoch_s))
            assert (move.kind == "hourly") <= is_hour(move.to_us, epoch_s)
            assert (move.kind == "daily") <= is_midnight(move.to_us, epoch_s)
            at_us = move.to_us
        assert at_us == at + span if moves else span == 0
        kinds = [move.kind for move in moves]
        assert kinds.count("hourly") == (hours_between(at, at_us, epoch_s) if hourly else 0)
        if hourly or not timers:
            assert kinds.count("daily") == (days_between(at, at_us, epoch_s) if daily else 0)


def test_an_advance_of_a_day_and_a_half_that_begins_and_ends_in_an_hour() -> None:
    start = Standing(WorldTime(HOUR_US // 2), WorldTime(0), EPOCH_S, True, True, "each")
    kinds = [move.kind for move in _paced(start, 36 * HOUR_US + HOUR_US // 2, [])]
    assert kinds == [*["hourly"] * 24, "daily", *["hourly"] * 12, "step"]


def test_a_pace_that_lags_is_coalesced_where_the_policy_says_so() -> None:
    start = Standing(WorldTime(HOUR_US // 2), WorldTime(0), EPOCH_S, True, True, "coalesce")
    moves = _paced(start, 30 * HOUR_US + 1, [])
    assert [(move.kind, move.to_us // HOUR_US, move.hours) for move in moves] == [
        ("hourly", 24, 24),
        ("daily", 24, 24),
        ("hourly", 30, 6),
        ("step", 30, 0),
    ]
