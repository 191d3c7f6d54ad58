"""One schedule, from its seed: run, and told as a trace where it breaks a promise.
Lives here: the seam at which a mutant replaces the protocol. Not here: many schedules (tests), the mutants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulation.house import House
from tests.simulation.plan import Plan, draw
from worldtick.runtime.protocol import Protocol
from worldtick.runtime.service import Service


@dataclass(frozen=True, slots=True)
class Mutant:
    """A deliberate bug: another protocol, or a house in which something is missing."""

    name: str
    says: str  # which clause it takes out
    protocol: type[Protocol] = Protocol
    spoil: Callable[[House], None] | None = None
    circumstances: Callable[[Plan], Plan] = lambda plan: plan  # in which the bug shows within few schedules


SOUND = Mutant("sound", "nothing: the product as it is")


def simulate(seed: int, mutant: Mutant = SOUND, trace: list[str] | None = None) -> House:
    """Run the schedule of a seed to its end. Raises AssertionError where a promise is broken."""

    def make(service: Service[Any], reader: int, worker: int, house: House) -> Protocol:
        return mutant.protocol(
            service, reader, worker, house.plan.partitions, house.plan.rules, house.writer, lambda: 0
        )

    house = House(mutant.circumstances(draw(seed)), make, trace)
    if mutant.spoil is not None:
        mutant.spoil(house)
    house.run()
    return house
