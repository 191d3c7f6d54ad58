"""Dues: the world time at which something that was asked for is due, whoever reads the asking.
Lives here: `at`, `after` and `every` as world times. Not here: what happens then (agenda), who waits (sealing)."""

from collections.abc import Mapping
from typing import Any

from worldtick.clock.errors import NotAMoment
from worldtick.clock.firings import parse_duration_us
from worldtick.clock.worldtime import DAY_US, SECOND_US, UNIX_MAX_S, WorldTime, parse_unix_us

EVERY_US_MAX = 10_000 * 366 * DAY_US
EVERY_US_MIN = SECOND_US  # a shorter interval would be work without end in a single tick


def due_us(asked: Mapping[str, Any], from_us: int, epoch_s: int) -> WorldTime:
    """When a timer is due that the tick from `from_us` brings into the world.

    asked: exactly one of `at` (RFC 3339), `at_us`, `after` (such as 1h, from the tick's beginning), `after_us`; perhaps
    `every` or `every_us`. One that recurs and whose first time has passed is due at its next one; one that does not is
    due at its own time, however long ago. Raises NotAMoment, also beyond year 9999.
    """
    at_us = _first_us(asked, from_us, epoch_s)
    every_us = interval_us(asked)
    if every_us and at_us <= from_us:
        at_us += ((from_us - at_us) // every_us + 1) * every_us
    if at_us > (UNIX_MAX_S - epoch_s) * SECOND_US:
        raise NotAMoment("it would be due beyond year 9999")
    return WorldTime(at_us)


def interval_us(asked: Mapping[str, Any]) -> int:
    """Microseconds between two times of a recurring timer, 0 where it does not recur. Raises NotAMoment."""
    every = _span_us(asked, "every")
    if every is None:
        return 0
    if not EVERY_US_MIN <= every <= EVERY_US_MAX:
        raise NotAMoment("a timer recurs at most once a second and at least once in 10000 years")
    return every


def _first_us(asked: Mapping[str, Any], from_us: int, epoch_s: int) -> int:
    given = [name for name in ("at", "at_us", "after", "after_us") if asked.get(name) is not None]
    if len(given) != 1:
        raise NotAMoment(f"name one of at, at_us, after, after_us, not {len(given)} of them")
    if given[0] == "at":
        return parse_unix_us(str(asked["at"])) - epoch_s * SECOND_US
    if given[0] == "at_us":
        return int(asked["at_us"])
    return from_us + (_span_us(asked, "after") or 0)


def _span_us(asked: Mapping[str, Any], name: str) -> int | None:
    if (text := asked.get(name)) is not None:
        return parse_duration_us(str(text))
    number = asked.get(f"{name}_us")
    return None if number is None else int(number)
