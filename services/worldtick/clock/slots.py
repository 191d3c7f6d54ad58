"""Slots: the world times at which ticks end.
Lives here: hourly and daily boundaries around a world time. Not here: which of them are due (firings)."""

from worldtick.clock.worldtime import DAY_US, HOUR_US, SECOND_US, WorldTime


def next_hour(at: WorldTime | int, epoch_s: int) -> WorldTime:
    """The first hour boundary strictly after `at`."""
    return _next(at, epoch_s, HOUR_US)


def next_midnight(at: WorldTime | int, epoch_s: int) -> WorldTime:
    """The first midnight strictly after `at`."""
    return _next(at, epoch_s, DAY_US)


def last_hour(at: WorldTime | int, epoch_s: int) -> WorldTime:
    """The latest hour boundary at or before `at`; may be negative where the epoch is none."""
    return _last(at, epoch_s, HOUR_US)


def last_midnight(at: WorldTime | int, epoch_s: int) -> WorldTime:
    """The latest midnight at or before `at`; may be negative where the epoch is none."""
    return _last(at, epoch_s, DAY_US)


def is_hour(at: WorldTime | int, epoch_s: int) -> bool:
    """Whether `at` is an hour boundary."""
    return (at + epoch_s * SECOND_US) % HOUR_US == 0


def is_midnight(at: WorldTime | int, epoch_s: int) -> bool:
    """Whether `at` is a midnight."""
    return (at + epoch_s * SECOND_US) % DAY_US == 0


def hours_between(start: WorldTime | int, end: WorldTime | int, epoch_s: int) -> int:
    """Hour boundaries in (start, end]: the hours that a tick from start to end spans."""
    offset = epoch_s * SECOND_US
    return (end + offset) // HOUR_US - (start + offset) // HOUR_US


def days_between(start: WorldTime | int, end: WorldTime | int, epoch_s: int) -> int:
    """Midnights in (start, end]."""
    offset = epoch_s * SECOND_US
    return (end + offset) // DAY_US - (start + offset) // DAY_US


def _next(at: int, epoch_s: int, length_us: int) -> WorldTime:
    return WorldTime(_last(at, epoch_s, length_us) + length_us)


def _last(at: int, epoch_s: int, length_us: int) -> WorldTime:
    return WorldTime(at - (at + epoch_s * SECOND_US) % length_us)
