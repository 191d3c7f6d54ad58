"""Course: how a world's clock is driven, and how commands change that. Pure: each function gives the next course.
Lives here: drivers, pace, targets, turns, lag policies, when a ticker has to look. Not here: the tick itself (moves).

Under `auto` the wall earns world time, one interval at a time, into `pace_us`; ticks then move the world up to it.
`advance` and `set` give a target, which any ticker drives to in as many ticks as boundaries ask for."""

from dataclasses import dataclass, replace
from typing import Literal

from worldtick.clock.errors import Backwards, NotAMoment, NotAScale, NotATurn, Stopped
from worldtick.clock.firings import floor_firing
from worldtick.clock.scale import PPB, check_scale, earned
from worldtick.clock.simulator import SimulatorTime, TimeMode
from worldtick.clock.worldtime import EPOCH_S, HOUR_US, SECOND_US, UNIX_MAX_S, WallTime, WorldTime, format_unix_us

Driver = Literal["scheduled", "auto", "event", "manual"]
LagPolicy = Literal[
    "wait",  # keeps all that it has earned, and makes it up as fast as its services allow
    "slow_down",  # what it lags beyond the bound is lost: it runs slower than its scale
    "skip",  # keeps the wall's pace, and skips boundaries: hours beyond the bound become one tick a day
]


@dataclass(frozen=True, slots=True)
class Pace:
    """What drives a world's clock, and how fast."""

    driver: Driver = "scheduled"
    scale_ppb: int = PPB  # auto: world time per wall time
    interval_us: int = SECOND_US  # auto: wall time between two steps
    turn_us: int | None = None  # turn-based: an advance is exactly this long
    in_flight_max: int = 16  # ticks, of a world whose facts do not lag
    lag_policy: LagPolicy = "wait"
    lag_us_max: int = 60 * SECOND_US  # wall time that the world may be behind its pace


@dataclass(frozen=True, slots=True)
class Course(Pace):
    """What of a clock says how it runs. World times in us since the epoch, wall times in Unix us."""

    driver: Driver = "manual"
    paused: bool = False
    now_us: int = 0
    epoch_s: int = EPOCH_S
    period_us: int = HOUR_US  # scheduled: wall time between two firings
    last_firing_us: int = 0
    pace_us: int = 0
    owed_ppb: int = 0
    anchor_us: int = 0
    target_us: int | None = None
    due_us: int | None = None
    version: int = 1


def limit_us(course: Course) -> WorldTime:
    """The world time up to which the world may be moved now, by its pace or its target; now_us if by none."""
    if course.paused:
        return WorldTime(course.now_us)
    pace_us = course.pace_us if course.driver == "auto" else course.now_us
    return WorldTime(max(course.now_us, pace_us, course.target_us or 0))


def next_due_us(course: Course, wall_us: int) -> WallTime | None:
    """When a ticker has to look at the world again; None: not before somebody changes its course.

    A scheduled world is not on this account: firings are. Nor are timers, which stand in no course.
    """
    if course.paused:
        return None
    if limit_us(course) > course.now_us:
        return WallTime(wall_us)
    return WallTime(course.anchor_us + course.interval_us) if course.driver == "auto" else None


def paced(course: Course, wall_us: int) -> Course:
    """With all whole intervals up to a wall time earned."""
    if course.paused or course.driver != "auto":
        return course
    return _earn(course, floor_firing(max(0, wall_us - course.anchor_us), course.interval_us))


def lag_us(course: Course) -> int:
    """How far an automatic world is behind what it has earned, in wall time; the way to a target is no lag."""
    return max(0, course.pace_us - _ahead_us(course)) * PPB // course.scale_ppb if course.driver == "auto" else 0


def lags(course: Course) -> bool:
    """Whether that is beyond its bound, so that its policy takes hold."""
    return lag_us(course) > course.lag_us_max


def relieved(course: Course) -> Course:
    """A world that lags beyond its bound and is to slow down gives up what lies beyond."""
    if course.lag_policy != "slow_down" or not lags(course):
        return course
    return replace(course, pace_us=_ahead_us(course) + earned(course.lag_us_max, course.scale_ppb)[0])


def skips(course: Course) -> bool:
    """Whether the world lags so far behind its pace that its policy now skips boundaries; none that were asked for."""
    return course.lag_policy == "skip" and course.target_us is None and lags(course)


def moved_to(course: Course, now_us: int) -> Course:
    """After ticks: a target that is reached is none any more, and a pace that was overtaken follows."""
    target_us = course.target_us if course.target_us is not None and course.target_us > now_us else None
    return replace(course, now_us=now_us, pace_us=max(course.pace_us, now_us), target_us=target_us)


def pause(course: Course, wall_us: int) -> Course:
    """Freeze the world; what it has earned up to now it keeps."""
    return course if course.paused else _changed(replace(_settled(course, wall_us), paused=True), wall_us)


def resume(course: Course, wall_us: int) -> Course:
    """Go on: the time spent paused is worth nothing, neither as pace nor as firings."""
    if not course.paused:
        return course
    fired_us = max(course.last_firing_us, floor_firing(wall_us, course.period_us))
    course = replace(course, paused=False, anchor_us=wall_us)
    if course.driver == "scheduled":
        course = replace(course, last_firing_us=fired_us)
    return _changed(course, wall_us)


def set_scale(course: Course, scale_ppb: int, wall_us: int) -> Course:
    """Another speed from now on; what was earned before stays. Raises NotAScale."""
    check_scale(scale_ppb)
    if scale_ppb == course.scale_ppb:
        return course
    return _changed(replace(_settled(course, wall_us), scale_ppb=scale_ppb), wall_us)


def set_interval(course: Course, interval_us: int, wall_us: int) -> Course:
    """Another wall time between two steps under auto. Raises NotAScale unless it is positive."""
    if interval_us <= 0:
        raise NotAScale(f"an interval of {interval_us} us lets no time pass; it must be above 0")
    if interval_us == course.interval_us:
        return course
    return _changed(replace(_settled(course, wall_us), interval_us=interval_us), wall_us)


def set_mode(course: Course, driver: Driver, wall_us: int) -> Course:
    """Another driver from now on: the new one begins here and makes up nothing of before."""
    if driver == course.driver:
        return course
    fresh = replace(course, driver=driver, pace_us=course.now_us, owed_ppb=0, anchor_us=wall_us)
    if driver == "scheduled":
        fresh = replace(fresh, last_firing_us=floor_firing(wall_us, course.period_us))
    return _changed(fresh, wall_us)


def advance(course: Course, delta_us: int, wall_us: int) -> Course:
    """`delta_us` further than it is, or is already told to go; so two callers at once both count.

    Raises Backwards if negative, Stopped while paused, NotATurn where turns have another length.
    """
    if delta_us < 0:
        raise Backwards(f"world time does not run back: {delta_us} us is negative")
    if course.turn_us is not None and delta_us not in (0, course.turn_us):
        raise NotATurn(f"this world moves by turns of exactly {course.turn_us} us, not by {delta_us}")
    if course.paused:
        raise Stopped("the clock is paused; resume it first")
    if delta_us == 0:
        return course
    return _aimed(course, _ahead_us(course) + delta_us, course.pace_us + delta_us, wall_us)


def set_time(course: Course, to_us: int, wall_us: int) -> Course:
    """To a moment, through every boundary on the way.

    Raises Backwards for one before now or before a target that stands, Stopped while paused, NotATurn with turns.
    """
    ahead_us = _ahead_us(course)
    if to_us < ahead_us:
        epoch_us = course.epoch_s * SECOND_US
        asked, now = format_unix_us(to_us + epoch_us), format_unix_us(ahead_us + epoch_us)
        raise Backwards(f"world time does not run back: {asked} lies before {now}")
    if course.turn_us is not None and to_us - ahead_us not in (0, course.turn_us):
        raise NotATurn(f"this world moves by turns of exactly {course.turn_us} us, not by {to_us - ahead_us}")
    if course.paused:
        raise Stopped("the clock is paused; resume it first")
    return course if to_us == ahead_us else _aimed(course, to_us, max(course.pace_us, to_us), wall_us)


def begun(course: Course, wall_us: int) -> Course:
    """A new world's course: its pace begins now."""
    fresh = replace(course, anchor_us=wall_us, pace_us=course.now_us)
    return replace(fresh, due_us=_first_due_us(fresh, wall_us))


def simulator(course: Course) -> SimulatorTime:
    """The course as the simulator's time that people look at."""
    return SimulatorTime(
        WorldTime(course.now_us),
        course.epoch_s,
        course.scale_ppb,
        course.paused,
        course.driver == "auto",
        course.driver == "event",
        WallTime(course.anchor_us),
        course.owed_ppb,
    )


def mode_of(course: Course) -> TimeMode:
    """The one word for it. A scheduled world is manual at heart: its schedule advances it."""
    return simulator(course).mode


def _ahead_us(course: Course) -> int:
    """Where it is, or is told to go already."""
    return max(course.now_us, course.target_us or 0)


def _aimed(course: Course, target_us: int, pace_us: int, wall_us: int) -> Course:
    if target_us + course.epoch_s * SECOND_US > UNIX_MAX_S * SECOND_US:
        raise NotAMoment("that lies beyond the year 9999: ask for a shorter span")
    return _changed(replace(course, target_us=target_us, pace_us=pace_us), wall_us)


def _changed(course: Course, wall_us: int) -> Course:
    return replace(course, due_us=_first_due_us(course, wall_us), version=course.version + 1)


def _first_due_us(course: Course, wall_us: int) -> WallTime | None:
    """After a change: what lies before a world that goes by its timers a ticker has to find out."""
    if course.driver == "event" and not course.paused:
        return WallTime(wall_us)
    return next_due_us(course, wall_us)


def _settled(course: Course, wall_us: int) -> Course:
    """All wall time up to now earned, to the microsecond."""
    if course.paused or course.driver != "auto":
        return course
    return _earn(course, max(0, wall_us - course.anchor_us))


def _earn(course: Course, elapsed_us: int) -> Course:
    gained_us, owed_ppb = earned(elapsed_us, course.scale_ppb, course.owed_ppb)
    return replace(
        course, pace_us=course.pace_us + gained_us, owed_ppb=owed_ppb, anchor_us=course.anchor_us + elapsed_us
    )
