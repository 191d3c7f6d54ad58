"""What may be asked of an agenda: its directives, and the section of a scenario.
Lives here: their models and bounds. Not here: what is done about it (agenda)."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, Final, TypeGuard

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from worldtick.agenda.agenda import Put
from worldtick.agenda.timers import ARGS_BYTES_MAX, PAYLOAD_BYTES_MAX, PRIORITY_MAX, Then
from worldtick.clock.dues import due_us, interval_us
from worldtick.clock.errors import NotAMoment

NESTED_MAX: Final = 16
SCENARIO_TIMERS_MAX: Final = 1_000
EPOCH_S: Final = 0  # where only spans are read, any epoch gives the same
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127}$"
_TIMES = {"at", "at_us", "after", "after_us", "every", "every_us"}

TimerName = Annotated[str, Field(pattern=_NAME)]
WorldUs = Annotated[int, Field(strict=True, ge=0, le=2**62)]
_encode = msgspec.json.Encoder(order="sorted").encode


class Asked(BaseModel):
    """Anything asked of the agenda."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ThenAsked(Asked):
    """The directive that a timer sends to a service of the world when it fires."""

    service: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    args: dict[str, Any] = Field(default_factory=dict)

    @field_validator("args")
    @classmethod
    def _bounded(cls, args: dict[str, Any]) -> dict[str, Any]:
        canonical(args, ARGS_BYTES_MAX)
        return args

    def packed(self) -> Then:
        """As a timer keeps it."""
        return Then(self.service, self.name, canonical(self.args, ARGS_BYTES_MAX))


class TimerAdd(Asked):
    """The directive `timer_add`: something is due at a world time, once or every so often.

    Its time is one of `at` (RFC 3339), `at_us`, `after` (such as 1h30m, from the beginning of the tick that takes the
    directive), `after_us`.
    """

    id: TimerName
    at: str | None = None
    at_us: WorldUs | None = None
    after: str | None = None
    after_us: WorldUs | None = None
    every: str | None = None
    every_us: WorldUs | None = None
    count: Annotated[int, Field(strict=True, ge=1, le=2**53)] | None = None
    priority: Annotated[int, Field(strict=True, ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0
    payload: dict[str, Any] = Field(default_factory=dict)
    then: ThenAsked | None = None

    @field_validator("payload")
    @classmethod
    def _bounded(cls, payload: dict[str, Any]) -> dict[str, Any]:
        canonical(payload, PAYLOAD_BYTES_MAX)
        return payload

    @model_validator(mode="after")
    def _timely(self) -> "TimerAdd":
        if self.every is not None and self.every_us is not None:
            raise ValueError("name every or every_us, not both")
        try:
            due_us(self._times(), 0, EPOCH_S)
        except NotAMoment as fault:
            raise ValueError(str(fault)) from fault
        if self.count is not None and self.every is None and self.every_us is None:
            raise ValueError("count is for a timer that recurs: name every too")
        return self

    def put(self, from_us: int, epoch_s: int, source: str) -> Put:
        """What the agenda is to do in the tick that begins at `from_us`. Raises NotAMoment: beyond year 9999."""
        asked = self._times()
        then = self.then.packed() if self.then is not None else None
        payload = canonical(self.payload, PAYLOAD_BYTES_MAX) if self.payload else ""
        at_us, every_us = due_us(asked, from_us, epoch_s), interval_us(asked)
        left = (self.count or 0) if every_us else 1
        return Put(self.id, at_us, every_us, left, self.priority, payload, then, source)

    def _times(self) -> dict[str, Any]:
        return self.model_dump(include=_TIMES)


class TimerCancel(Asked):
    """The directive `timer_cancel`: a pending timer never comes up."""

    id: TimerName


class TimerDisable(Asked):
    """The directive `timer_disable`: a pending timer does not come up until it is enabled again."""

    id: TimerName


class TimerEnable(Asked):
    """The directive `timer_enable`: a disabled timer comes up again, one that recurs at its first time from then on."""

    id: TimerName


class TimerSkip(Asked):
    """The directive `timer_skip`: all that is pending now and due before a world time is skipped, and said to be."""

    before_us: WorldUs


class Completed(Asked):
    """The directive `complete`: whoever drives the world by its timers found nothing left."""


class FirstTimer(TimerAdd):
    """A timer of a scenario: due `after` the world's beginning."""

    @model_validator(mode="after")
    def _counted_from_the_beginning(self) -> "FirstTimer":
        if self.at is not None:
            raise ValueError("in a scenario a timer is due `after` the world's beginning: a span such as 2d6h")
        return self


class AgendaScenario(BaseModel):
    """The section `agenda` of a scenario: the timers that a world begins with, in order of insertion."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    timers: list[FirstTimer] = Field(default_factory=list, max_length=SCENARIO_TIMERS_MAX)

    @field_validator("timers")
    @classmethod
    def _different(cls, timers: list[FirstTimer]) -> list[FirstTimer]:
        names = [timer.id for timer in timers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"timers named twice: {', '.join(twice)}")
        return timers

    def puts(self) -> list[Put]:
        """What the agenda begins with."""
        return [timer.put(0, EPOCH_S, "scenario") for timer in self.timers]


class AgendaSettings(BaseModel):
    """What admins may set for a world's agenda."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    timers_max: int = Field(1_000_000, ge=0, le=4_000_000)  # pending at once


def canonical(value: Mapping[str, Any], bytes_max: int) -> str:
    """JSON with sorted keys. Raises ValueError where it is too large, too deep, or no JSON."""
    if _depth(value) > NESTED_MAX:
        raise ValueError(f"it is nested more than {NESTED_MAX} deep")
    try:
        body = _encode(value)
    except (TypeError, OverflowError, msgspec.MsgspecError, UnicodeError) as broken:
        raise ValueError(f"it is no JSON: {broken}") from broken
    if len(body) > bytes_max:
        raise ValueError(f"it has {len(body)} bytes as JSON; at most {bytes_max}")
    return body.decode()


def _depth(value: Any) -> int:
    """How deep it is nested, counted to one more than may be."""
    deepest, below = 0, [(value, 1)]
    while below:
        part, depth = below.pop()
        deepest = max(deepest, depth)
        if isinstance(part, float) and not isfinite(part):
            raise ValueError("it holds a number that JSON does not have")
        if isinstance(part, int) and not -(2**63) <= part < 2**63:
            raise ValueError("it holds an integer of more than 64 bits, which no tick can carry")
        if depth <= NESTED_MAX and isinstance(part, dict | list):
            inner = part.values() if isinstance(part, dict) else part
            below += [(each, depth + 1) for each in inner]
    return deepest


def is_timer_name(text: Any) -> TypeGuard[str]:
    """Whether it may name a timer."""
    return isinstance(text, str) and re.match(_NAME, text) is not None
