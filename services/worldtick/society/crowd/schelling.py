"""An example of a crowd that somebody brings: Schelling's model of segregation, in Mesa's usual style.
Lives here: the model and its agents, and how it is taken apart and put together. Not here: who runs it (brought).

Source: Schelling, "Dynamic models of segregation" (1971); the shape follows the example that comes with Mesa. Besides,
households leave now and then and others move in, so that the town never comes to rest.

    from worldtick.society.crowd.schelling import Schelling
    model = Schelling(agents=400, width=25, height=25, seed=7)
    model.step()
"""

from collections.abc import Mapping
from typing import Any

import mesa
import numpy as np
from mesa.discrete_space import CellAgent, OrthogonalMooreGrid
from numpy.typing import NDArray

CONTENT, UNHAPPY = 700, 300  # moods


class Household(CellAgent):  # type: ignore[misc]  # Mesa has no types
    """One of two groups, content while enough of its neighbours are of its own."""

    def __init__(self, model: "Schelling", cell: Any, group: int) -> None:
        super().__init__(model)
        self.cell = cell
        self.group = group
        self.moves = 0

    @property
    def is_happy(self) -> bool:
        """Whether the share of its like among its neighbours is large enough, in thousandths; alone it is happy."""
        neighbours = list(self.cell.neighborhood.agents)
        alike = sum(other.group == self.group for other in neighbours)
        return bool(alike * 1000 >= self.model.homophily * len(neighbours))

    def step(self) -> None:
        """Move to any empty cell when unhappy."""
        if self.model.random.randrange(1_000_000) < self.model.turnover_ppm:
            self.group = self.model.random.randrange(2)
        if not self.is_happy:
            self.cell = self.model.grid.select_random_empty_cell()
            self.moves += 1


class Schelling(mesa.Model):  # type: ignore[misc]
    """A town of two groups. homophily: thousandths; turnover_ppm: households that change in an hour, per million."""

    def __init__(
        self,
        agents: int = 100,
        width: int = 20,
        height: int = 20,
        seed: int | None = None,
        homophily: int = 400,
        turnover_ppm: int = 2_000,
    ) -> None:
        super().__init__(rng=seed)
        if agents > width * height * 9 // 10:
            raise ValueError(f"{agents} households need more than {width} x {height} cells, a tenth of them empty")
        self._settle(width, height, homophily, turnover_ppm)
        for cell in self.random.sample(list(self.grid.all_cells), agents):
            Household(self, cell, self.random.randrange(2))

    def _settle(self, width: int, height: int, homophily: int, turnover_ppm: int) -> None:
        self.homophily, self.turnover_ppm = homophily, turnover_ppm
        self.grid = OrthogonalMooreGrid((width, height), torus=True, capacity=1, random=self.random)
        self.datacollector = mesa.DataCollector(
            model_reporters={"happy": lambda model: sum(each.is_happy for each in model.agents)}
        )

    def step(self) -> None:
        """One hour: all households in random order."""
        for household in self.agents:
            household.moves = 0
        self.agents.shuffle_do("step")
        self.datacollector.collect(self)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """cell (n, 2) int16 and group (n,) uint8, in the agents' order: all that a household is between two hours."""
        return {
            "cell": np.array([each.cell.coordinate for each in self.agents], np.int16).reshape(-1, 2),
            "group": np.array([each.group for each in self.agents], np.uint8),
        }

    @classmethod
    def from_arrays(
        cls,
        arrays: dict[str, NDArray[Any]],
        agents: int,
        width: int,
        height: int,
        homophily: int = 400,
        turnover_ppm: int = 2_000,
    ) -> "Schelling":
        """The model again."""
        model = cls.__new__(cls)
        mesa.Model.__init__(model, rng=0)  # whoever runs it seeds it before each step
        model._settle(width, height, homophily, turnover_ppm)
        for (x, y), group in zip(arrays["cell"].tolist(), arrays["group"].tolist(), strict=True):
            Household(model, model.grid[x, y], group)
        return model

    def observe(self, sectors: int, sector_of: NDArray[np.int32]) -> Mapping[str, Any]:
        """Residents, their moods, and how many moved in this hour, by sector."""
        seen = {name: np.zeros(sectors, np.int64) for name in ("residents", "mood", "moved")}
        for household in self.agents:
            x, y = household.cell.coordinate
            sector = sector_of[y, x]
            seen["residents"][sector] += 1
            seen["mood"][sector] += CONTENT if household.is_happy else UNHAPPY
            seen["moved"][sector] += household.moves
        return seen
