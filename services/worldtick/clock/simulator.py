"""The simulator's time: one clock as a value, with its speed and what people ask of it.
Lives here: SimulatorTime and its derived mode. Not here: driving a world (course, ticker), dates (calendar).

A value never moves by itself: each method gives the next value. Wall times come from the caller, who has a clock."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from worldtick.clock.errors import Backwards, NotAMoment, Stopped
from worldtick.clock.scale import PPB, SCALE_PPB_MAX, check_scale, earned, format_scale
from worldtick.clock.worldtime import EPOCH_S, SECOND_US, UNIX_MAX_S, WallTime, WorldTime, format_unix_us

_UNIX_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_GENESIS: Final = WorldTime(0)
_LONG_AGO: Final = WallTime(0)


class TimeMode(StrEnum):
    """How a clock behaves, in one word; derived, never stored."""

    PAUSED = "paused"  # frozen
    MANUAL = "manual"  # moves when it is told to
    REAL_TIME = "real_time"  # with the wall
    FAST_FORWARD = "fast_forward"  # faster
    SLOW_MOTION = "slow_motion"  # slower
    EVENT_DRIVEN = "event_driven"  # from timer to timer


@dataclass(frozen=True, slots=True)
class SimulatorTime:
    """World time of one world, by default manual, at scale 1, not paused."""

    current_us: WorldTime = _GENESIS
    epoch_s: int = EPOCH_S
    scale_ppb: int = PPB
    paused: bool = False
    auto_advance: bool = False
    event_driven: bool = False
    wall_us: WallTime = _LONG_AGO  # the wall time (Unix us) at which it was current_us
    owed_ppb: int = 0  # what was earned beyond current_us, in billionths of a microsecond

    @property
    def mode(self) -> TimeMode:
        """The one word for paused, driver and scale."""
        if self.paused:
            return TimeMode.PAUSED
        if self.event_driven:
            return TimeMode.EVENT_DRIVEN
        if not self.auto_advance:
            return TimeMode.MANUAL
        if self.scale_ppb == PPB:
            return TimeMode.REAL_TIME
        return TimeMode.FAST_FORWARD if self.scale_ppb > PPB else TimeMode.SLOW_MOTION

    def calculate_advancement(self, elapsed_us: int) -> int:
        """World microseconds that `elapsed_us` wall ones are worth now, with what is owed; 0 while paused.

        Raises Backwards for a negative span.
        """
        if elapsed_us < 0:
            raise Backwards(f"{elapsed_us} us of wall time lie in the past")
        return 0 if self.paused else earned(elapsed_us, self.scale_ppb, self.owed_ppb)[0]

    def elapse(self, wall_us: WallTime) -> "SimulatorTime":
        """Move by all the wall time since the anchor; a wall that ran back earns nothing and moves no anchor."""
        if self.paused or wall_us <= self.wall_us:
            return self
        gained_us, owed_ppb = earned(wall_us - self.wall_us, self.scale_ppb, self.owed_ppb)
        now_us = WorldTime(self.current_us + gained_us)
        return replace(self, current_us=now_us, owed_ppb=owed_ppb, wall_us=wall_us)

    def advance(self, delta_us: int, wall_us: WallTime) -> "SimulatorTime":
        """Move by exactly `delta_us`. Raises Backwards if negative, Stopped while paused."""
        if delta_us < 0:
            raise Backwards(f"world time does not run back: {delta_us} us is negative")
        if self.paused:
            raise Stopped("the clock is paused; resume it first")
        return replace(self, current_us=WorldTime(self.current_us + delta_us), wall_us=wall_us)

    def set_time(self, to_us: WorldTime, wall_us: WallTime) -> "SimulatorTime":
        """Jump to a moment. Raises Backwards for one before current_us."""
        if to_us < self.current_us:
            asked, now = format_unix_us(self._unix_us(to_us)), format_unix_us(self.unix_us)
            raise Backwards(f"world time does not run back: {asked} lies before {now}")
        return replace(self, current_us=to_us, wall_us=wall_us)

    def pause(self, wall_us: WallTime) -> "SimulatorTime":
        """Freeze; an automatic clock first takes what it has earned."""
        before = self.elapse(wall_us) if self.auto_advance else self
        return replace(before, paused=True)

    def resume(self, wall_us: WallTime) -> "SimulatorTime":
        """Go on from where it stands: the time spent paused is worth nothing."""
        return replace(self, paused=False, wall_us=wall_us) if self.paused else self

    def set_scale(self, scale_ppb: int, wall_us: WallTime) -> "SimulatorTime":
        """Another speed from now on; what was earned before stays at the old one. Raises NotAScale."""
        check_scale(scale_ppb)
        before = self.elapse(wall_us) if self.auto_advance else self
        return replace(before, scale_ppb=scale_ppb)

    def get_elapsed_time(self, since_us: WorldTime) -> int:
        """World microseconds since an earlier moment. Raises Backwards for a later one."""
        if since_us > self.current_us:
            raise Backwards(f"{format_unix_us(self._unix_us(since_us))} lies ahead of {format_unix_us(self.unix_us)}")
        return self.current_us - since_us

    def format_time(self, pattern: str | None = None) -> str:
        """RFC 3339, or strftime's of a pattern."""
        return format_unix_us(self.unix_us) if pattern is None else self.moment.strftime(pattern)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as readers of JSON want it."""
        return {
            "current_time": self.format_time(),
            "current_us": self.current_us,
            "time_scale": format_scale(self.scale_ppb),
            "is_paused": self.paused,
            "auto_advance": self.auto_advance,
            "mode": self.mode.value,
            "wall_time_updated": format_unix_us(self.wall_us),
        }

    def validate(self) -> list[str]:
        """What is wrong with it, each fault a sentence; empty for a sound clock."""
        faults = []
        if not 0 < self.scale_ppb <= SCALE_PPB_MAX:
            faults.append(f"time_scale: {self.scale_ppb} parts per billion is not above 0 and at most a million")
        if self.current_us < 0:
            faults.append(f"current_time: {self.current_us} us lies before the epoch")
        elif not 0 <= self.unix_us <= UNIX_MAX_S * SECOND_US:
            faults.append("current_time: it lies outside the years 1970 to 9999")
        if not 0 <= self.owed_ppb < PPB:
            faults.append(f"owed: {self.owed_ppb} billionths are no part of a microsecond")
        if not 0 <= self.wall_us <= UNIX_MAX_S * SECOND_US:
            faults.append("wall_time_updated: it is no moment of the years 1970 to 9999")
        if self.auto_advance and self.event_driven:
            faults.append("mode: a clock follows the wall or its timers, not both")
        return faults

    @property
    def unix_us(self) -> int:
        """The moment in Unix microseconds."""
        return self._unix_us(self.current_us)

    @property
    def moment(self) -> datetime:
        """The moment as an aware datetime in UTC."""
        return _UNIX_ZERO + self.unix_us * _MICROSECOND

    def _unix_us(self, at_us: int) -> int:
        return at_us + self.epoch_s * SECOND_US


def world_time_of(moment: datetime, epoch_s: int) -> WorldTime:
    """The world time of an aware datetime, exact. Raises NotAMoment for a naive one or one before the epoch."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise NotAMoment(f"{moment.isoformat()} names no zone; end it with Z or an offset like +02:00")
    at_us = (moment - _UNIX_ZERO) // _MICROSECOND - epoch_s * SECOND_US
    if at_us < 0:
        raise NotAMoment(f"{moment.isoformat()} lies before the world's epoch {format_unix_us(epoch_s * SECOND_US)}")
    return WorldTime(at_us)
