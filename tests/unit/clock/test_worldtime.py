"""RFC 3339 and the calendar, checked against the standard library.
Lives here: reading, writing and naming moments. Not here: boundaries."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldtick.clock.calendar import hour_of_day, moment, simulation_day, wrapped
from worldtick.clock.errors import NotAMoment
from worldtick.clock.worldtime import (
    DAY_US,
    EPOCH_S,
    HOUR_US,
    format_unix_us,
    format_world_time,
    parse_unix_us,
    parse_world_time,
)

UNIX = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS_US = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)  # years 1 to 9999


@given(MOMENTS_US)
def test_agrees_with_the_standard_library(unix_us: int) -> None:
    theirs = UNIX + timedelta(microseconds=unix_us)
    text = format_unix_us(unix_us)
    assert datetime.fromisoformat(text) == theirs
    assert parse_unix_us(text) == unix_us
    ours = moment(unix_us, 0)
    assert (ours.year, ours.month, ours.day_of_month, ours.hour) == (
        theirs.year,
        theirs.month,
        theirs.day,
        theirs.hour,
    )
    assert (ours.minute, ours.second, ours.microsecond) == (theirs.minute, theirs.second, theirs.microsecond)
    assert ours.weekday == theirs.strftime("%A")


@given(MOMENTS_US, st.integers(-14 * 60, 14 * 60))
def test_an_offset_names_the_same_moment(unix_us: int, minutes: int) -> None:
    local = format_unix_us(unix_us + minutes * 60_000_000) if 0 < unix_us + minutes * 60_000_000 < 2**57 else None
    if local is None:
        return
    sign = "-" if minutes < 0 else "+"
    zone = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert parse_unix_us(local[:-1] + zone) == unix_us


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-15T14:30:00",  # no zone
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-03-15T24:00:00Z",
        "2024-03-15T14:30:60Z",
        "2024-03-15T14:30:00.1234567Z",  # finer than 1 us
        "2024-03-15",
        "2024-03-15T14:30:00+2:00",
        "2024-03-15T14:30:00+24:00",
        "2024-03-15T14:30:00٣Z",
        "",
        "now",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(NotAMoment):
        parse_unix_us(text)


def test_offset_and_fraction_are_exact() -> None:
    assert format_unix_us(parse_unix_us("2024-03-15T14:30:00+02:00")) == "2024-03-15T12:30:00Z"
    assert parse_unix_us("2024-03-15T14:30:00.000001Z") - parse_unix_us("2024-03-15T14:30:00Z") == 1
    assert parse_unix_us("2024-03-15T14:30:00.1000000Z") == parse_unix_us("2024-03-15T14:30:00.1Z")


def test_before_the_epoch_is_refused() -> None:
    assert parse_world_time("2020-01-01T00:00:00Z", EPOCH_S) == 0
    with pytest.raises(NotAMoment):
        parse_world_time("2019-12-31T23:59:59.999999Z", EPOCH_S)


def test_days_count_from_one() -> None:
    first = moment(0, EPOCH_S)
    assert (first.simulation_day, first.simulation_week, first.simulation_month) == (1, 1, 1)
    assert first.season == "winter"
    new_year = moment(parse_world_time("2024-01-01T00:00:00Z", EPOCH_S), EPOCH_S)
    assert (new_year.simulation_day, new_year.simulation_week) == (1462, 209)
    assert (new_year.simulation_month, new_year.simulation_year) == (49, 2024)


@given(st.integers(0, 10**16), st.integers(-(10**9), 4 * 10**9))
def test_numbers_rise_with_time(at: int, epoch_s: int) -> None:
    now, later = moment(at, epoch_s), moment(at + DAY_US, epoch_s)
    assert later.simulation_day == now.simulation_day + 1 == simulation_day(at, epoch_s) + 1
    assert later.simulation_week - now.simulation_week == (now.simulation_day % 7 == 0)
    assert 0 <= later.simulation_month - now.simulation_month <= 1
    assert hour_of_day(at, epoch_s) == now.hour


def test_only_display_wraps() -> None:
    assert wrapped(15 * DAY_US) == (3, 2, 0)
    assert wrapped(HOUR_US) == (1, 1, HOUR_US)
    assert format_world_time(15 * DAY_US, EPOCH_S) == "2020-01-16T00:00:00Z"
