"""The wall's time of a schedule: it goes by only when the schedule says so.
Lives here: the clock that stands where product modules read theirs. Not here: world time."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from tests.small_worlds import T0
from worldtick.clock.worldtime import SECOND_US, WallTime
from worldtick.control import admitting, asking, hearing, hurry, replaying, room, sifting
from worldtick.store.db import Pool
from worldtick.ticker import publishing
from worldtick.ticker.pacer import SteadyWall

LEAST_WAIT_S = 0.02  # so that whoever only looks, again and again, comes to an end
LONG_NAP_S = 5.0  # whoever sleeps at all oversleeps, so that no loop of naps is long


class Wall(SteadyWall):
    """Unix and monotonic time in one; it has the names of the module `time`."""

    def __init__(self) -> None:
        self.us = int(T0) + SECOND_US

    def pass_by(self, span_us: int) -> None:
        """Let time go by."""
        self.us += span_us

    def now_us(self) -> WallTime:
        """As a pacer asks."""
        return WallTime(self.us)

    def time_ns(self) -> int:
        """Unix time."""
        return self.us * 1_000

    def monotonic(self) -> float:
        """In s, from some point on."""
        return (self.us - int(T0)) / SECOND_US

    def wait(self, seconds: float) -> bool:
        """For a notice of services, in vain."""
        self.pass_by(int(max(seconds, LEAST_WAIT_S) * SECOND_US))
        return False

    def sleep(self, seconds: float) -> None:
        """A nap."""
        self.pass_by(int(max(seconds, LONG_NAP_S) * SECOND_US))


@contextmanager
def on_the_wall(wall: Wall) -> Iterator[None]:
    """Control and tickers read this wall while it lasts, and wait for services in its time."""

    @contextmanager
    def listening(_pool: Pool) -> Iterator[Callable[[float], bool]]:
        yield wall.wait

    with ExitStack() as stack:
        for module in (admitting, asking, hearing, hurry, replaying, room, sifting, publishing):
            stack.enter_context(patch.object(module, "time", wall))
        stack.enter_context(patch.object(room, "listening", listening))
        yield
