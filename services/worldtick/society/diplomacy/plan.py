"""A world's factions as tables that never change.
Lives here: pairs, first powers, homes. Not here: what changes (relations), the scenario's text (scenario)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=False, eq=False)
class Plan:
    """f factions in the order of the scenario, p = f (f - 1) / 2 pairs (a < b) in lexical order."""

    factions: tuple[str, ...]
    power: NDArray[np.int32]  # (f, 5) milli; what a faction comes back to
    homes: tuple[str, ...]  # distinct home districts
    home: NDArray[np.int32]  # (f,) index into homes, -1: none
    staples: tuple[str, ...]  # commodities whose price counts as scarcity

    @cached_property
    def sides(self) -> NDArray[np.int32]:
        """(p, 2) faction numbers of each pair."""
        first, second = np.triu_indices(len(self.factions), 1)
        return np.ascontiguousarray(np.stack([first, second], axis=1).astype(np.int32))

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return len(self.factions) * (len(self.factions) - 1) // 2

    def pair(self, one: int, other: int) -> int:
        """The number of a pair, whatever the order of its two."""
        a, b = min(one, other), max(one, other)
        return a * (2 * len(self.factions) - a - 1) // 2 + b - a - 1
