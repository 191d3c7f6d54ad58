"""One schedule of commands, from its seed; the seam at which a mutant spoils the product.
Lives here: putting a house, its wall and its promises together. Not here: many schedules (tests), mutants."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from tests.simulation.commands.database import SimPool
from tests.simulation.commands.effects import keep_effects
from tests.simulation.commands.house import House
from tests.simulation.commands.plan import Plan, draw
from tests.simulation.commands.promises import keep, watch
from tests.simulation.commands.wall import on_the_wall
from worldtick.control.room import Room


@dataclass(frozen=True, slots=True)
class Mutant:
    """A deliberate bug."""

    name: str
    says: str  # which clause it takes out
    spoil: Callable[[], AbstractContextManager[Any]] = nullcontext
    room: Callable[..., Room] = Room
    circumstances: Callable[[Plan], Plan] = lambda plan: plan  # in which the bug shows within few schedules


SOUND = Mutant("sound", "nothing: the product as it is")


def simulate(pool: SimPool, seed: int, mutant: Mutant = SOUND, trace: list[str] | None = None) -> House:
    """Run the schedule of a seed to its end. Raises AssertionError where a promise is broken."""
    with mutant.spoil():
        house = House(mutant.circumstances(draw(seed)), pool, mutant.room, trace)
        with on_the_wall(house.wall):
            watch(house)
            house.run()
    keep_effects(house, keep(house))
    return house
