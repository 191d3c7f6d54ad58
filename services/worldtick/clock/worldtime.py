"""World time: integer microseconds since a world's epoch, and its RFC 3339 face.
Lives here: the type, its units, reading and writing moments. Not here: dates (calendar) or boundaries (slots)."""

import re
from typing import Final, NewType

from worldtick.clock.errors import NotAMoment

WorldTime = NewType("WorldTime", int)  # microseconds since the world's epoch
WallTime = NewType("WallTime", int)  # microseconds since 1970-01-01T00:00Z

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 3_600 * SECOND_US
DAY_US: Final = 24 * HOUR_US
WEEK_US: Final = 7 * DAY_US

EPOCH_S: Final = 1_577_836_800  # 2020-01-01T00:00Z, the default epoch
UNIX_MAX_S: Final = 253_402_300_799  # 9999-12-31T23:59:59Z: RFC 3339 has four digits for the year

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})(0*))?(Z|z|[+-]\d\d:\d\d)?", re.ASCII
)
_MONTH_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the proleptic Gregorian calendar (Hinnant's algorithm)."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """The inverse: (year, month, day)."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTH_DAYS[month] + (month == 2 and leap)


def parse_unix_us(text: str) -> WallTime:
    """Microseconds since 1970 of an RFC 3339 moment, exact to the microsecond.

    Raises NotAMoment on anything else: no zone, a leap second, a day that no month has, finer than 1 us.
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise NotAMoment(f"{text!r} is not a moment; write one like 2024-01-15T14:00:00Z")
    year, month, day, hour, minute, second = (int(found[index]) for index in range(1, 7))
    if found[9] is None:
        raise NotAMoment(f"{text!r} names no zone; end it with Z or an offset like +02:00")
    if not (1 <= month <= 12 and 1 <= day <= days_in_month(year, month) and hour < 24 and minute < 60 and second < 60):
        raise NotAMoment(f"{text!r} is no moment of the calendar")
    seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - _offset_s(found[9])
    return WallTime(seconds * SECOND_US + int((found[7] or "0").ljust(6, "0")))


def _offset_s(zone: str) -> int:
    if zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise NotAMoment(f"{zone!r} is no offset from UTC")
    return (hours * 3_600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def format_unix_us(unix_us: int) -> str:
    """RFC 3339 in UTC with Z; a fraction of six digits only where there is one. Raises NotAMoment beyond year 9999."""
    seconds, fraction_us = divmod(unix_us, SECOND_US)
    days, second_of_day = divmod(seconds, 86_400)
    year, month, day = civil_from_days(days)
    if not 0 <= year <= 9999:
        raise NotAMoment(f"{unix_us} us since 1970 lies in year {year}; RFC 3339 has four digits for it")
    minutes, second = divmod(second_of_day, 60)
    hour, minute = divmod(minutes, 60)
    fraction = f".{fraction_us:06d}" if fraction_us else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{fraction}Z"


def parse_world_time(text: str, epoch_s: int) -> WorldTime:
    """World time of an RFC 3339 moment. Raises NotAMoment, also before the epoch."""
    at = parse_unix_us(text) - epoch_s * SECOND_US
    if at < 0:
        raise NotAMoment(f"{text!r} lies before the world's epoch {format_unix_us(epoch_s * SECOND_US)}")
    return WorldTime(at)


def format_world_time(at: WorldTime | int, epoch_s: int) -> str:
    """RFC 3339 of a world time."""
    return format_unix_us(at + epoch_s * SECOND_US)
