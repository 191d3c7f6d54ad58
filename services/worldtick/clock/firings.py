"""Firings: the wall times at which a world is worth one slot more. They are the multiples of a period in Unix time.
Lives here: which firings are due, how a grid of another period takes over. Not here: what a slot becomes (moves).

So two tickers with skewed clocks name the same firings, and a firing that was consumed is never counted again."""

import re
from dataclasses import dataclass

from worldtick.clock.errors import NotAMoment
from worldtick.clock.worldtime import DAY_US, HOUR_US, MINUTE_US, SECOND_US, WallTime

_JOB_MINUTE = re.compile(r"-(\d{7,10})$", re.ASCII)
_UNIT_US = {"d": DAY_US, "h": HOUR_US, "m": MINUTE_US, "s": SECOND_US, "ms": 1_000, "us": 1}
_DURATION = re.compile("".join(rf"(?:(\d{{1,9}}){unit})?" for unit in _UNIT_US), re.ASCII)


@dataclass(frozen=True, slots=True)
class Due:
    """Firings not yet consumed: those in (base, at] on the grid of `period_us`."""

    base_us: WallTime  # a grid point: the last firing that was consumed or dropped
    period_us: int
    count: int

    def after(self, consumed: int) -> WallTime:
        """The last firing once `consumed` of them are."""
        return WallTime(self.base_us + consumed * self.period_us)


def floor_firing(at_us: int, period_us: int) -> WallTime:
    """The last firing at or before a wall time."""
    return WallTime(at_us - at_us % period_us)


def due(last_us: int, last_period_us: int, at_us: int, period_us: int) -> Due:
    """Which firings lie in (last, at]; never any in the past of `last`.

    A grid with another period than the one that the last firing was on takes over with one firing:
    what a slow grid missed is not made up on a fast one.
    """
    newest = floor_firing(at_us, period_us)
    base = floor_firing(last_us, period_us)
    if period_us != last_period_us:
        base = max(base, WallTime(newest - period_us))
    return Due(base, period_us, max(0, (newest - base) // period_us))


def first_last_firing(first_us: int, period_us: int) -> WallTime:
    """What a new world has as its last firing, so that the one at or before `first_us` is the first that counts."""
    return WallTime(floor_firing(first_us, period_us) - period_us)


def firing_of_job(name: str) -> WallTime:
    """The scheduled time of a Kubernetes CronJob's Job: its name ends in the minutes since 1970.

    Raises NotAMoment for another name.
    """
    found = _JOB_MINUTE.search(name)
    if found is None:
        raise NotAMoment(f"Job name {name!r} does not end in its scheduled minute; give --at")
    return WallTime(int(found[1]) * MINUTE_US)


def parse_duration_us(text: str) -> int:
    """Microseconds of 250ms, 2s, 5m, 1h, 30d or a sum of them, largest first: 1h30m. Exact.

    Raises NotAMoment for anything else, and for 0.
    """
    found = _DURATION.fullmatch(text.strip())
    given = zip(found.groups("0"), _UNIT_US.values(), strict=True) if found else ()
    span_us = sum(int(count) * unit_us for count, unit_us in given)
    if span_us == 0:
        raise NotAMoment(f"{text!r} is no duration; write one like 250ms, 2s, 5m, 1h, 1h30m or 30d")
    return span_us
