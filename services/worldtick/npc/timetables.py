"""Schedules: windows of the week with what is done in them, as one row per change.
Lives here: from duties to rows, and what is on at a second. Not here: who keeps to it (kernel)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldtick.npc.conditions import seconds_of
from worldtick.npc.units import DAY_S, WEEK_S, WEEKDAYS

FREE = -1
Duty = tuple[Sequence[str], str, str, int]  # days, start, end, activity


class Week(NamedTuple):
    """All schedules; the rows of schedule s are start[s] .. start[s + 1] - 1, the first at second 0 of Monday."""

    start: NDArray[np.int32]  # (S + 1,)
    at: NDArray[np.int64]  # second of the week at which something else begins
    activity: NDArray[np.int16]  # what, FREE: nothing


def week_of(schedules: Mapping[str, Sequence[Duty]]) -> Week:
    """Rows of all schedules. Raises ValueError where two windows of one overlap."""
    starts, at, activity = [0], list[int](), list[int]()
    for name, duties in schedules.items():
        rows = _rows(name, duties)
        at += [second for second, _ in rows]
        activity += [what for _, what in rows]
        starts.append(len(at))
    return Week(np.array(starts, np.int32), np.array(at, np.int64), np.array(activity, np.int16))


def _rows(name: str, duties: Sequence[Duty]) -> list[tuple[int, int]]:
    windows = sorted(window for duty in duties for window in _windows(duty))
    rows: list[tuple[int, int]] = [(0, FREE)]
    until = 0
    for begin, end, what in windows:
        if begin < until:
            day, second = divmod(begin, DAY_S)
            clock = f"{second // 3600:02d}:{second // 60 % 60:02d}"
            raise ValueError(f"schedules.{name}: two duties at {WEEKDAYS[day]} {clock}")
        rows += [(begin, what), (end, FREE)]
        until = end
    last = dict(rows)  # where one duty follows another, or begins the week, the later row is meant
    merged = [(second, last[second]) for second in sorted(last) if second < WEEK_S]
    return [row for number, row in enumerate(merged) if number == 0 or row[1] != merged[number - 1][1]]


def _windows(duty: Duty) -> list[tuple[int, int, int]]:
    """(from, until, activity) in seconds of the week; one that passes the week's end stands in two parts."""
    days, start, end, what = duty
    first, last = seconds_of(start), seconds_of(end)
    length = (last - first) % DAY_S or DAY_S
    windows = []
    for day in set(days):
        begin = (WEEKDAYS.index(day) * DAY_S + first) % WEEK_S
        windows.append((begin, min(WEEK_S, begin + length), what))
        if begin + length > WEEK_S:
            windows.append((0, begin + length - WEEK_S, what))
    return windows
