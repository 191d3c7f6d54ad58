"""The town of a crowd: its size, its sectors, its meeting places.
Lives here: what follows from the scenario and never changes. Not here: people (people), how they live (kernel).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldtick.society.crowd.rules import BLOCK, HOURS_A_DAY, START_DAYS

EVERYWHERE = "*"  # the location of what concerns the whole crowd


class Shape(NamedTuple):
    """A town as kernels see it; integers."""

    width: Any
    height: Any
    places_x: Any
    places_y: Any
    start_bound: Any  # one in so many person-hours a rumour begins of itself


@dataclass(frozen=True, slots=True, eq=False)
class Town:
    """All that a crowd's scenario says, as tables. One object for equal scenarios."""

    agents: int
    shape: Shape
    sectors: tuple[str, ...]
    sector_of: NDArray[np.int32]  # (height * width,) sector of each cell
    food: str  # the commodity that people eat
    food_price_ticks: int  # of a ration, where no fact says one
    model: str  # "city", or the name of a Mesa model
    options: tuple[tuple[str, int], ...]  # of a Mesa model

    @property
    def day_steps(self) -> int:
        """Agent-steps of a whole day."""
        return self.agents * HOURS_A_DAY

    @property
    def locations(self) -> tuple[str, ...]:
        """What signals may name: the sectors, then everywhere."""
        return (*self.sectors, EVERYWHERE)


@lru_cache(maxsize=256)
def town_of(
    agents: int,
    width: int,
    height: int,
    sectors: tuple[str, ...],
    food: str,
    food_price_ticks: int,
    model: str,
    options: tuple[tuple[str, int], ...],
) -> Town:
    """The town of a scenario."""
    places_x, places_y = max(1, width // BLOCK), max(1, height // BLOCK)
    start_bound = START_DAYS * HOURS_A_DAY * max(1, agents // (places_x * places_y))
    shape = Shape(width, height, places_x, places_y, start_bound)
    return Town(agents, shape, sectors, sectors_of(sectors, width, height), food, food_price_ticks, model, options)


def rows_of(sectors: int) -> tuple[int, ...]:
    """How many sectors stand side by side in each row of sectors: near square, the longer rows first."""
    rows = max(1, isqrt(sectors))
    return tuple(sectors // rows + (row < sectors % rows) for row in range(rows))


def sectors_of(sectors: Sequence[str], width: int, height: int) -> NDArray[np.int32]:
    """(height * width,) sector of each cell: rows of rectangles, in the order in which they are named."""
    counts = rows_of(len(sectors))
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    row = np.arange(height) * len(counts) // height
    columns = np.arange(width)
    grid = first[row][:, None] + columns[None, :] * np.array(counts)[row][:, None] // width
    cells: NDArray[np.int32] = grid.astype(np.int32).ravel()
    cells.setflags(write=False)
    return cells
