"""Conditions, effects and evaluators that somebody else wrote, as functions over arrays.
Lives here: what they must offer, finding them by name, checking what they give. Not here: our own (kernel).

A package brings them by entry points; a scenario names the first two as `custom`, the last as `evaluator`:
    [project.entry-points."worldtick.npc.conditions"]
    full_moon = "my_package.moon:full_moon"     # (people, index, at_s) -> (m,) bool
    [project.entry-points."worldtick.npc.effects"]
    howl = "my_package.moon:howl"               # (people, index, at_s) -> (8, m) whole units of 1/600 point to add
    [project.entry-points."worldtick.npc.evaluators"]
    moonlit = "my_package.moon:moonlit"         # (people, index, at_s) -> (m,) integers, 256 = 1: a factor of the score
They must be pure: a replay calls them again. `people` is not theirs to change.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from worldtick.npc.errors import BadPart
from worldtick.npc.people import People
from worldtick.npc.plan import Table
from worldtick.npc.units import BROUGHT_HIGH, BROUGHT_LOW, FULL, LEVELS

CONDITIONS, EFFECTS = "worldtick.npc.conditions", "worldtick.npc.effects"
EVALUATORS = "worldtick.npc.evaluators"
Part = Callable[[People, Table, Table], Any]


@lru_cache(maxsize=256)
def part(group: str, name: str) -> Part:
    """The function of that name. Raises BadPart, naming those that there are."""
    known = {entry.name: entry for entry in entry_points(group=group)}
    if name not in known:
        raise BadPart(f"no package brings {name!r} of {group}; there are {', '.join(sorted(known)) or 'none'}")
    try:
        found: Part = known[name].load()
    except (ImportError, AttributeError) as broken:
        raise BadPart(f"{name!r} of {group} ({known[name].value}) cannot be loaded: {broken}") from broken
    return found


def bits(names: tuple[str, ...], people: People, index: Table, at_s: Table) -> Table:
    """(m,) uint64: bit of each third-party condition that holds for `index` at `at_s`."""
    held = np.zeros(len(index), np.uint64)
    for number, name in enumerate(names):
        told = np.asarray(part(CONDITIONS, name)(_locked(people), index, at_s))
        if told.shape != index.shape or told.dtype != np.bool_:
            raise BadPart(f"the condition {name!r} gave {told.dtype}{told.shape}; give {len(index)} bools")
        held |= told.astype(np.uint64) << np.uint64(number)
    return held


def factors(names: tuple[str, ...], people: People, index: Table, at_s: Table) -> Table:
    """(names, m) uint16: each evaluator's factor for `index` at `at_s`, 256 = 1, kept within 1/4 and 4."""
    weighed = np.empty((len(names), len(index)), np.uint16)
    for number, name in enumerate(names):
        told = np.asarray(part(EVALUATORS, name)(_locked(people), index, at_s))
        if told.shape != index.shape or told.dtype.kind not in "iu":
            raise BadPart(f"the evaluator {name!r} gave {told.dtype}{told.shape}; give {len(index)} integers")
        weighed[number] = np.clip(told, BROUGHT_LOW, BROUGHT_HIGH)
    return weighed


def add(name: str, people: People, index: Table, at_s: Table) -> None:
    """Add what an effect gives to the levels of `index`, clamped."""
    told = np.asarray(part(EFFECTS, name)(_locked(people), index, at_s))
    if told.shape != (len(LEVELS), len(index)) or told.dtype.kind not in "iu":
        raise BadPart(f"the effect {name!r} gave {told.dtype}{told.shape}; give (8, {len(index)}) integers")
    people.level[:, index] = np.clip(people.level[:, index].astype(np.int64) + told, 0, FULL)


def _locked(people: People) -> People:
    """The same arrays, read only."""
    views = [array.view() for array in people]
    for view in views:
        view.setflags(write=False)
    return People(*views)
