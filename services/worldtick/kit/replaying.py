"""One history again in a process of its own: reads what to step on stdin, writes the digests on stdout.
Lives here: the other process's work. Not here: starting it and comparing (elsewhere)."""

import sys
from importlib import import_module
from typing import Any

import msgspec

from worldtick.contracts.sealed import decode_sealed
from worldtick.kit.said import said_digest
from worldtick.runtime.recovery import digest_of
from worldtick.runtime.service import Service


class Task(msgspec.Struct):
    """What to step, from genesis."""

    path: list[str]  # where modules are found
    place: str  # module:attribute of the service
    section: Any
    seed: int
    ticks: list[bytes]


class Found(msgspec.Struct, array_like=True):
    """What came of one step."""

    seq: int
    slice_no: int
    digest: bytes
    said: bytes  # hash over all that the step said


def replayed(task: Task) -> list[Found]:
    """Step every slice through every tick. Raises what the service raises."""
    module, attribute = task.place.split(":")
    service = getattr(import_module(module), attribute)
    if not isinstance(service, Service):
        raise TypeError(f"{task.place} is no worldtick Service")
    section = service.scenario_model.model_validate(task.section)
    states = [service.genesis(section, task.seed, number) for number in range(service.slices(section))]
    found = []
    for body in task.ticks:
        tick = decode_sealed(body)
        steps = service.steps(states, [tick] * len(states))
        states = [step.state for step in steps]
        for number, step in enumerate(steps):
            found.append(Found(tick.seq, number, digest_of(service.encode(step.state)), said_digest(step)))
    return found


def main() -> None:
    """Replay what stdin asks for, one task after another."""
    tasks = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[Task])
    found: list[Found] = []
    for task in tasks:
        sys.path[:] = task.path
        found += replayed(task)
    sys.stdout.buffer.write(msgspec.msgpack.encode(found))


if __name__ == "__main__":
    main()
