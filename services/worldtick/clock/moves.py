"""Moves: which tick comes next for a world, one at a time. The whole catch-up and midnight policy, without I/O.
Lives here: grids, midnight's daily, `each` and `coalesce`, steps between boundaries. Not here: facts, locks (sealing),
up to where a world may be moved (course)."""

from dataclasses import dataclass, replace
from typing import Literal

from worldtick.clock.slots import hours_between, is_midnight, last_midnight, next_hour, next_midnight
from worldtick.clock.worldtime import DAY_US, HOUR_US, WorldTime

CatchUp = Literal["each", "coalesce"]
BoundaryKind = Literal["hourly", "daily"]
MoveKind = Literal["step", "hourly", "daily"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a world's clock decides its next move."""

    now_us: WorldTime
    daily_us: WorldTime  # slot of the latest daily tick; 0 at genesis
    epoch_s: int
    hourly: bool
    daily: bool
    catch_up: CatchUp


@dataclass(frozen=True, slots=True)
class Move:
    """One tick to be sealed: it ends at `to_us` and uses up `slots` of what is due."""

    kind: MoveKind
    from_us: WorldTime
    to_us: WorldTime
    hours: int
    slots: int


def owes_daily(standing: Standing) -> bool:
    """Whether midnight's hourly tick is there and its daily is not: nothing else may come before it."""
    return (
        standing.hourly
        and standing.daily
        and standing.now_us > standing.daily_us
        and is_midnight(standing.now_us, standing.epoch_s)
    )


def next_move(standing: Standing, run: BoundaryKind, slots_due: int) -> Move | None:
    """The next tick that a run of this kind may seal while `slots_due` slots are due, or None.

    A daily run of a world with both grids seals only a daily that is owed: hours are the hourly run's.
    """
    now = standing.now_us
    if owes_daily(standing):
        return Move("daily", now, now, 24, 0)
    if slots_due <= 0:
        return None
    if run == "daily" and standing.daily and not standing.hourly:
        to_us = next_midnight(now, standing.epoch_s)
        return Move("daily", now, to_us, hours_between(now, to_us, standing.epoch_s), 1)
    if run == "hourly" and standing.hourly:
        return _hourly(standing, slots_due)
    return None


def next_paced(standing: Standing, limit_us: WorldTime, timer_us: WorldTime | None = None) -> Move | None:
    """The next tick of a world that may be moved up to `limit_us`, cut at every boundary of its grids; or None.

    A boundary is reached by the tick of its own kind, so hourly and daily ticks come at their own times; what lies
    between is a step, and no step crosses an hour. timer_us: the next timer; no tick passes it. One that is not ahead
    cuts nothing: the services run it within the next tick.
    """
    now, epoch_s = standing.now_us, standing.epoch_s
    if owes_daily(standing):
        return Move("daily", now, now, 24, 0)
    cut_us = limit_us if timer_us is None or timer_us <= now else WorldTime(min(limit_us, timer_us))
    if cut_us <= now:
        return None
    hour_us, midnight_us = next_hour(now, epoch_s), next_midnight(now, epoch_s)
    if standing.hourly and cut_us >= hour_us:
        hours = hours_between(now, min(cut_us, midnight_us), epoch_s)
        return _hourly(standing, hours)
    if standing.daily and not standing.hourly and cut_us >= midnight_us:
        return Move("daily", now, midnight_us, hours_between(now, midnight_us, epoch_s), 1)
    return Move("step", now, WorldTime(min(cut_us, hour_us)), 0, 0)


def _hourly(standing: Standing, slots_due: int) -> Move:
    now, epoch_s = standing.now_us, standing.epoch_s
    to_us = next_hour(now, epoch_s)
    if standing.catch_up == "coalesce":
        to_us = WorldTime(min(to_us + (slots_due - 1) * HOUR_US, next_midnight(now, epoch_s)))
    hours = hours_between(now, to_us, epoch_s)
    return Move("hourly", now, to_us, hours, hours)


def moved(standing: Standing, move: Move) -> Standing:
    """The clock after a move."""
    daily_us = move.to_us if move.kind == "daily" else standing.daily_us
    return replace(standing, now_us=move.to_us, daily_us=daily_us)


def slots_until(standing: Standing, run: BoundaryKind, slot_us: WorldTime) -> int:
    """How many slots of a run's kind lie between the clock and a slot; 0 if it is reached."""
    if slot_us <= standing.now_us:
        return 0
    if run == "hourly":
        return hours_between(standing.now_us, slot_us, standing.epoch_s)
    return (last_midnight(slot_us, standing.epoch_s) - last_midnight(standing.now_us, standing.epoch_s)) // DAY_US


def midnight_ahead(standing: Standing, hours_due: int) -> bool:
    """Whether hourly ticks that are due but not sealed reach a midnight: a daily run then waits for them."""
    if not (standing.hourly and standing.daily) or hours_due <= 0:
        return False
    reached_us = next_hour(standing.now_us, standing.epoch_s) + (hours_due - 1) * HOUR_US
    return next_midnight(standing.now_us, standing.epoch_s) <= reached_us
