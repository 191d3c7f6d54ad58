"""Timers: something due at a world time, once or again and again.
Lives here: one timer, its order among others, its next time. Not here: many of them (queue), asking for one (asked)."""

from typing import Final

import msgspec

PAYLOAD_BYTES_MAX: Final = 4_096  # canonical JSON
ARGS_BYTES_MAX: Final = 8_192  # of the directive that a timer sends
PRIORITY_MAX: Final = 1_000

Key = tuple[int, int, int]  # world time in us, priority, insertion: the order in which timers run


class Then(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a timer asks of a service when it fires."""

    service: str
    name: str
    args: str  # canonical JSON


class Timer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One pending timer. It keeps its insertion number over all its times, so order never depends on history."""

    at_us: int  # world time
    priority: int  # of those at one time the lower one runs first
    order: int  # insertion: its number among all timers that were ever put in
    name: str  # unique among those that are pending
    every_us: int  # 0: it does not recur
    left: int  # times that are left, this one included; 0: without end
    times: int  # how often it has come up before
    payload: str  # canonical JSON, empty for none
    then: Then | None
    source: str  # scenario, admin, or effect:<service>/<slice>@<seq>

    @property
    def key(self) -> Key:
        """Its place in the order."""
        return self.at_us, self.priority, self.order


def after(timer: Timer, times: int = 1) -> Timer | None:
    """The timer once it has come up so many more times; None when that was the last of them."""
    if not timer.every_us or (timer.left and timer.left <= times):
        return None
    at_us = timer.at_us + times * timer.every_us
    left = timer.left - times if timer.left else 0
    return msgspec.structs.replace(timer, at_us=at_us, left=left, times=timer.times + times)


def from_then_on(timer: Timer, from_us: int) -> Timer:
    """The timer with its next time after `from_us`, none of those before it counted; one that does not recur keeps
    its own."""
    if not timer.every_us or timer.at_us > from_us:
        return timer
    passed = (from_us - timer.at_us) // timer.every_us + 1
    return msgspec.structs.replace(timer, at_us=timer.at_us + passed * timer.every_us)


def times_before(timer: Timer, until_us: int) -> int:
    """How many times of it lie before `until_us`, at least 1: for one that comes up before."""
    if not timer.every_us:
        return 1
    times = -(-(until_us - timer.at_us) // timer.every_us)
    return max(1, min(times, timer.left) if timer.left else times)
