"""The calendar: what date, hour and season a world time is. Gregorian, UTC, per world's epoch.
Lives here: dates and the numbers that ticks carry. Not here: boundaries (slots) or text (worldtime).

Days count from 1 at the epoch's first day: with epoch 2020-01-01, 2024-01-01 is day 1462 (2020 has 366 days)."""

from dataclasses import dataclass
from typing import Literal

from worldtick.clock.worldtime import DAY_US, HOUR_US, SECOND_US, WEEK_US, WorldTime, civil_from_days

Season = Literal["winter", "spring", "summer", "autumn"]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SEASONS: tuple[Season, ...] = ("winter", "spring", "summer", "autumn")


@dataclass(frozen=True, slots=True)
class Moment:
    """One world time as people read it."""

    year: int
    month: int  # 1-12, of the year
    day_of_month: int  # 1-31
    hour: int  # 0-23
    minute: int
    second: int
    microsecond: int
    weekday: str
    season: Season  # meteorological, northern: December to February is winter
    simulation_day: int  # 1 = the epoch's day
    simulation_week: int  # 1 = days 1-7
    simulation_month: int  # 1 = the epoch's month
    simulation_year: int  # the calendar's year


def moment(at: WorldTime | int, epoch_s: int) -> Moment:
    """The date and numbers of a world time (microseconds since `epoch_s`, Unix seconds)."""
    seconds, microsecond = divmod(at + epoch_s * SECOND_US, SECOND_US)
    days, second_of_day = divmod(seconds, 86_400)
    year, month, day = civil_from_days(days)
    first_year, first_month, _ = civil_from_days(epoch_s // 86_400)
    number = simulation_day(at, epoch_s)
    return Moment(
        year=year,
        month=month,
        day_of_month=day,
        hour=second_of_day // 3_600,
        minute=second_of_day % 3_600 // 60,
        second=second_of_day % 60,
        microsecond=microsecond,
        weekday=WEEKDAYS[(days + 3) % 7],  # 1970-01-01 was a Thursday
        season=_SEASONS[month % 12 // 3],
        simulation_day=number,
        simulation_week=(number - 1) // 7 + 1,
        simulation_month=(year - first_year) * 12 + month - first_month + 1,
        simulation_year=year,
    )


def simulation_day(at: WorldTime | int, epoch_s: int) -> int:
    """The number of the day that a world time lies in, from 1 on the epoch's day."""
    return (at + epoch_s * SECOND_US) // DAY_US - epoch_s // 86_400 + 1


def hour_of_day(at: WorldTime | int, epoch_s: int) -> int:
    """0 to 23."""
    return (at + epoch_s * SECOND_US) % DAY_US // HOUR_US


def wrapped(at: WorldTime | int) -> tuple[int, int, int]:
    """(week from 1, day of the week from 1, microseconds into the day): for display only, never for the store."""
    week, rest = divmod(at, WEEK_US)
    day, of_day = divmod(rest, DAY_US)
    return week + 1, day + 1, of_day
