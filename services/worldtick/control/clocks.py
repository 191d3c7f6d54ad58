"""Commands on a world's clock: what each asks, and the one function that does it, whoever brings it.
Lives here: their models, the row's lock, refusals as sentences. Not here: transitions (clock/course), who may ask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from worldtick.clock import course as transitions
from worldtick.clock.course import Course, Driver
from worldtick.clock.errors import Backwards, NotAMoment, NotAScale, NotATurn, Stopped
from worldtick.clock.firings import parse_duration_us
from worldtick.clock.scale import parse_scale
from worldtick.clock.simulator import world_time_of
from worldtick.contracts.errors import Refused
from worldtick.contracts.stamps import Stamp
from worldtick.control.faults import asked, near
from worldtick.control.scenario import Duration, ScaleText
from worldtick.sealing.draft import AGENDA
from worldtick.sealing.steering import course_of, steer
from worldtick.sealing.timers import ahead_of, queue_skip
from worldtick.store.clocks import Clock, save_course
from worldtick.store.db import Connection


class _Args(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(_Args):
    """A command without arguments."""


class SetScale(_Args):
    """Another speed from now on."""

    scale: ScaleText = Field(description="World time per wall time: above 0, at most nine decimals.")


class SetMode(_Args):
    """Another driver from now on."""

    driver: Driver


class SetInterval(_Args):
    """Another wall time between two steps under auto."""

    interval: Duration


class Advance(_Args):
    """So much further than the world is, or is told to go already."""

    duration: Duration = Field(description="Such as 1h30m or 30d.")


class SetTime(_Args):
    """To a moment of world time, through every boundary on the way."""

    time: Stamp
    execute_skipped: bool = Field(strict=True, description="Whether timers that are passed are executed, or skipped.")


@dataclass(frozen=True, slots=True)
class ClockCommand:
    """One command: what it asks, and the course that comes of it at a wall time (Unix us)."""

    model: type[BaseModel]
    change: Callable[[Course, Any, int], Course]


SKIP_TO_NEXT: Final = "clock.skip_to_next"


def _set_time(course: Course, args: SetTime, wall_us: int) -> Course:
    return transitions.set_time(course, world_time_of(args.time, course.epoch_s), wall_us)


COMMANDS: Final[Mapping[str, ClockCommand]] = {
    "clock.pause": ClockCommand(Nothing, lambda course, _, wall_us: transitions.pause(course, wall_us)),
    "clock.resume": ClockCommand(Nothing, lambda course, _, wall_us: transitions.resume(course, wall_us)),
    "clock.set_scale": ClockCommand(
        SetScale, lambda course, args, wall_us: transitions.set_scale(course, parse_scale(args.scale), wall_us)
    ),
    "clock.set_interval": ClockCommand(
        SetInterval,
        lambda course, args, wall_us: transitions.set_interval(course, parse_duration_us(args.interval), wall_us),
    ),
    "clock.set_mode": ClockCommand(
        SetMode, lambda course, args, wall_us: transitions.set_mode(course, args.driver, wall_us)
    ),
    "clock.advance": ClockCommand(
        Advance, lambda course, args, wall_us: transitions.advance(course, parse_duration_us(args.duration), wall_us)
    ),
    "clock.set": ClockCommand(SetTime, _set_time),
    SKIP_TO_NEXT: ClockCommand(Nothing, lambda course, _, wall_us: course),  # where to, only the agenda's facts say
}


def read_args(name: str, args: Mapping[str, Any]) -> BaseModel:
    """A command's arguments. Raises Refused for a command that there is not, Faulty naming every fault."""
    if name not in COMMANDS:
        raise Refused(f"there is no command {name!r}{near(name, COMMANDS)}")
    return asked(COMMANDS[name].model, name, args)


def apply(conn: Connection, clock: Clock, name: str, args: BaseModel, wall_us: int) -> bool:
    """Do a command to a locked clock and save it; False where nothing changed, as where there is no timer to skip to.

    Raises Refused; then nothing is done.
    """
    if clock.status != "active":
        raise Refused(f"world {clock.world!r} is {clock.status}: nothing moves it any more")
    before = course_of(clock)
    try:
        if name == SKIP_TO_NEXT:
            after = _skipped(conn, clock, before, wall_us)
        else:
            after = COMMANDS[name].change(before, args, wall_us)
    except (Backwards, NotAMoment, NotAScale, NotATurn, Stopped) as refused:
        raise Refused(f"{name} for world {clock.world!r}: {refused}") from refused
    if after.driver == "event" and AGENDA not in clock.services:
        raise Refused(f"{name} for world {clock.world!r}: it has no service {AGENDA!r}, so no timers to go by")
    if not steer(clock, after):
        return False
    save_course(conn, clock)
    if isinstance(args, SetTime) and not args.execute_skipped and AGENDA in clock.services and after.target_us:
        queue_skip(conn, clock, after.target_us)
    return True


def _skipped(conn: Connection, clock: Clock, before: Course, wall_us: int) -> Course:
    """On the way to the next timer's exact time; unchanged where there is none."""
    ahead = ahead_of(conn, [clock]).get(clock.world_key)
    if ahead is None:
        raise Refused(f"world {clock.world!r} has no service {AGENDA!r}, so no timers to skip to")
    if not ahead.settled:
        raise Refused(f"the agenda of world {clock.world!r} has not finished what may change its next timer; try again")
    if ahead.timer_us is None:
        return before
    return transitions.set_time(before, max(ahead.timer_us, before.now_us + 1), wall_us)
