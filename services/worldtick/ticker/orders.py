"""Orders: what one run of a ticker asks for, and how much of it is due in a world.
Lives here: firings or a named slot, as a number of slots. Not here: sealing them (seals)."""

from dataclasses import dataclass

from worldtick.clock.firings import Due, due
from worldtick.clock.moves import BoundaryKind, midnight_ahead, owes_daily, slots_until
from worldtick.clock.worldtime import SECOND_US, WallTime, WorldTime
from worldtick.sealing.seal import standing_of
from worldtick.store.clocks import Clock


@dataclass(frozen=True, slots=True)
class Order:
    """One run: every slot of its kind that is due by a firing, or up to a named slot."""

    run: BoundaryKind
    at_us: WallTime  # the firing: scheduled wall time, never the time of the run
    period_us: int  # wall time between two firings
    slot_unix_us: int | None = None  # a world time as a date; firings are then neither counted nor consumed
    until_unix_us: int | None = None  # a world time as a date that no firing moves a world beyond


@dataclass(frozen=True, slots=True)
class Worth:
    """What an order is worth in one world now."""

    slots: int
    firings: Due | None  # None: a named slot


def worth(clock: Clock, order: Order) -> Worth:
    """The slots due in a world. A daily run counts days in a daily-only world, hours in one with both grids."""
    hours = clock.hourly
    if order.run == "hourly" and not hours:
        return Worth(0, None)
    if order.slot_unix_us is not None:
        return Worth(_slots_until(clock, order.slot_unix_us), None)
    period_us = clock.period_us if order.run == "daily" and hours else order.period_us
    firings = due(clock.last_firing_us, clock.period_us, order.at_us, period_us)
    if order.until_unix_us is None:
        return Worth(firings.count, firings)
    return Worth(min(firings.count, _slots_until(clock, order.until_unix_us)), firings)


def _slots_until(clock: Clock, unix_us: int) -> int:
    slot = WorldTime(unix_us - clock.epoch_s * SECOND_US)
    return slots_until(standing_of(clock), "hourly" if clock.hourly else "daily", slot)


def consume(clock: Clock, firings: Due | None, slots: int) -> None:
    """Note in the clock that the first `slots` of the due firings are done."""
    if firings is not None and slots:
        clock.last_firing_us = firings.after(slots)
        clock.period_us = firings.period_us


def waits_for_hours(clock: Clock, order: Order) -> bool:
    """Whether a daily run has to wait for an hourly one: hours that are due reach a midnight."""
    standing = standing_of(clock)
    return order.run == "daily" and not owes_daily(standing) and midnight_ahead(standing, worth(clock, order).slots)
