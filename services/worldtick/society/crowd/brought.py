"""Crowds that somebody else wrote: Mesa models run as a world's crowd.
Lives here: what a model must offer, finding it by name, running it on arrays. Not here: the built-in crowd (kernel).

A package brings a model by an entry point of the group `worldtick.crowds`; a scenario names it as `crowd.model`:
    [project.entry-points."worldtick.crowds"]
    ants = "my_package.ants:Ants"

A model is built from arrays for each tick and taken apart again afterwards: nothing lives on in memory, so a worker
that takes over has the same model. Before each step its `random` and `rng` are seeded with Philox words named by the
world's seed and the crowd's hour, so a replay draws the same numbers.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from worldtick.chance.philox import WORD_MASK, block
from worldtick.chance.streams import ChanceStream
from worldtick.society.crowd.errors import BadCrowd
from worldtick.society.crowd.rules import HOURS_A_DAY, TALLIES, Tally
from worldtick.society.crowd.town import Town

GROUP = "worldtick.crowds"
BUILT_IN = "city"
OURS: Mapping[str, str] = MappingProxyType({"schelling": "worldtick.society.crowd.schelling:Schelling"})
LEVELS = ("residents", "mood", "discontent")  # what `observe` says of a moment; the tallies are of a step
_TALLY = {tally.name.lower(): int(tally) for tally in Tally}
_STREAM = np.uint64(ChanceStream.CROWD_BROUGHT)
_KINDS = frozenset("biu")  # bool and integers of fixed size; floats too, from + - * / and sqrt in a fixed order
Arrays = dict[str, NDArray[Any]]


class MesaCrowd(Protocol):
    """What a `mesa.Model` needs besides: to be made and taken apart. One `step` is one hour of world time.

    The constructor takes `agents, width, height, seed` and the scenario's options, all integers.
    """

    random: Any
    rng: Any
    prices: ClassVar[Any]  # if there is such an attribute: (sectors,) price ticks of a ration, set before each step

    def step(self) -> None:
        """One hour."""

    def to_arrays(self) -> Arrays:
        """The whole state: arrays of bools, integers or floats, by name."""

    @classmethod
    def from_arrays(cls, arrays: Arrays, agents: int, width: int, height: int, **options: int) -> "MesaCrowd":
        """The model again."""

    def observe(self, sectors: int, sector_of: NDArray[np.int32]) -> Mapping[str, Any]:
        """What is to be counted: name -> (sectors,) integers. sector_of (height, width): the sector of each cell.

        `residents` is needed; `mood` and `discontent` are sums over them of numbers from 0 to 1000; and the counts of
        this step: bought, unmet, heard, talks, gathered, protested, moved.
        """


@lru_cache(maxsize=64)
def model_class(name: str) -> Any:
    """The class of that name. Raises BadCrowd, naming those that there are."""
    known = dict(OURS) | {entry.name: entry.value for entry in entry_points(group=GROUP) if entry.name not in OURS}
    if name not in known:
        raise BadCrowd(f"there is no crowd model {name!r}; there are {', '.join([BUILT_IN, *sorted(known)])}")
    module, _, attribute = known[name].partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as broken:
        raise BadCrowd(f"the crowd model {name!r} ({known[name]}) cannot be loaded: {broken}") from broken
    lacking = [part for part in ("step", "to_arrays", "from_arrays", "observe") if not hasattr(found, part)]
    if lacking:
        raise BadCrowd(f"the crowd model {name!r} has no {', '.join(lacking)}: docs/SOCIETY.md says what they do")
    return found


def genesis(town: Town, seed: int) -> Arrays:
    """The first state of a model."""
    model = model_class(town.model)(
        agents=town.agents,
        width=town.shape.width,
        height=town.shape.height,
        seed=_words(seed, -HOURS_A_DAY)[0],
        **dict(town.options),
    )
    return checked(town.model, model.to_arrays())


def advance(
    town: Town, arrays: Arrays, seed: int, hour: int, steps: int, prices: NDArray[np.int64]
) -> tuple[Arrays, NDArray[np.int64], int]:
    """So many whole steps of a model, each as many agent-steps as there are agents: (arrays, tallies, steps done)."""
    counts = np.zeros((len(town.sectors), TALLIES), np.int64)
    if steps == 0:
        return arrays, counts, 0
    model = _built(town, arrays)
    sector_of = _grid(town)
    for step_hour in range(hour, hour + steps):
        live_hour(model, seed, step_hour, prices)
        for name, row in model.observe(len(town.sectors), sector_of).items():
            if name in _TALLY:
                counts[:, _TALLY[name]] += np.asarray(row, np.int64)
    return checked(town.model, model.to_arrays()), counts, steps


def census(town: Town, arrays: Arrays) -> NDArray[np.int64]:
    """(3, sectors): residents, sums of mood and of discontent."""
    seen = _built(town, arrays).observe(len(town.sectors), _grid(town))
    nothing = np.zeros(len(town.sectors), np.int64)
    return np.stack([np.asarray(seen.get(name, nothing), np.int64) for name in LEVELS])


def checked(model: str, given: Mapping[str, Any]) -> Arrays:
    """Arrays that have one form in bytes: sorted by name, C order, little-endian. Raises BadCrowd."""
    arrays: Arrays = {}
    for name in sorted(given):
        array = np.ascontiguousarray(given[name])
        if array.dtype.kind not in _KINDS | {"f"}:
            raise BadCrowd(f"{model}: to_arrays gave {name!r} as {array.dtype}; give bools, integers or floats")
        arrays[name] = array.astype(array.dtype.newbyteorder("<"), copy=True)
    return arrays


def _built(town: Town, arrays: Arrays) -> Any:
    copies = {name: array.copy() for name, array in arrays.items()}
    return model_class(town.model).from_arrays(
        copies, agents=town.agents, width=town.shape.width, height=town.shape.height, **dict(town.options)
    )


def _grid(town: Town) -> NDArray[np.int32]:
    return town.sector_of.reshape(town.shape.height, town.shape.width)


def live_hour(model: Any, seed: int, hour: int, prices: NDArray[np.int64]) -> None:
    """One step of a model under the words of its hour.

    Both of Mesa's generators are seeded: the standard library's in place, since grids and agent sets hold it too.
    """
    drawn = _words(seed, hour)
    model.random.seed(drawn[0])
    model.rng = np.random.Generator(np.random.Philox(key=drawn[1:3]))
    if hasattr(model, "prices"):
        model.prices = prices.copy()
    model.step()


def _words(seed: int, hour: int) -> list[int]:
    """Four words for one step; genesis is the day before the first."""
    day, page = divmod(hour + HOURS_A_DAY, HOURS_A_DAY)
    drawn = block(np.uint64(seed & WORD_MASK), np.uint64(day), np.uint64(0), _STREAM, np.uint64(page))
    return [int(word) for word in drawn]
