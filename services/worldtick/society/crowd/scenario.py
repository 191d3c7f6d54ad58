"""The crowd's part of a scenario.
Lives here: its model, bounds, what contradicts itself. Not here: the town made of it (town), other parts of society."""

from inspect import signature
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from worldtick.society.crowd.brought import BUILT_IN, model_class
from worldtick.society.crowd.errors import BadCrowd
from worldtick.society.crowd.town import Town, rows_of, town_of

AGENTS_MAX = 100_000
SIDE_MIN, SIDE_MAX = 5, 1_000
SECTORS_MAX = 64

Sector = Annotated[str, Field(pattern=r"^[^/*\s]([^/*]{0,62}[^/*\s])?$")]  # named as a district is: facts join both
Side = Annotated[int, Field(strict=True, ge=SIDE_MIN, le=SIDE_MAX)]


class CrowdScenario(BaseModel):
    """Who lives in the crowd and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(True, strict=True, description="Whether the world has a crowd.")
    agents: Annotated[int, Field(strict=True, ge=1, le=AGENTS_MAX)] = Field(100, description="How many people.")
    width: Side = Field(50, description="Cells of the grid from west to east.")
    height: Side = Field(50, description="Cells of the grid from north to south.")
    sectors: list[Sector] = Field(
        default=["town"],
        min_length=1,
        max_length=SECTORS_MAX,
        description="Parts of the grid, in rows; named like the economy's districts, they share its prices.",
    )
    food: Sector = Field("Food", description="The commodity that people eat.")
    food_price_ticks: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = Field(
        300, description="Price ticks of a ration where no market says a price; wages begin by it."
    )
    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")] = Field(
        BUILT_IN, description="Whose rules: `city`, or a Mesa model by its entry point's name."
    )
    options: dict[str, Annotated[int, Field(strict=True)]] = Field(
        default_factory=dict, description="What a Mesa model's constructor takes besides."
    )

    @model_validator(mode="after")
    def _whole(self) -> "CrowdScenario":
        """Sectors fit the grid and differ; the model is there and takes its options."""
        if len(set(self.sectors)) < len(self.sectors):
            raise ValueError("a sector is named twice")
        rows = rows_of(len(self.sectors))
        if max(rows) > self.width or len(rows) > self.height:
            raise ValueError(f"{len(self.sectors)} sectors need {max(rows)} x {len(rows)} cells")
        if self.enabled:
            self._check_options()
        return self

    def _check_options(self) -> None:
        if self.model == BUILT_IN:
            known: set[str] = set()
        else:
            try:
                taken = signature(model_class(self.model).__init__).parameters
            except BadCrowd as broken:
                raise ValueError(str(broken)) from broken
            known = set(taken) - {"self", "agents", "width", "height", "seed"}
        unknown = sorted(set(self.options) - known)
        if unknown:
            raise ValueError(
                f"{self.model} takes no {', '.join(unknown)}; it takes {', '.join(sorted(known)) or 'none'}"
            )

    @property
    def town(self) -> Town:
        """The town: one object for all equal parts of scenarios."""
        options = tuple(sorted(self.options.items()))
        return town_of(
            self.agents, self.width, self.height, tuple(self.sectors), self.food, self.food_price_ticks, self.model,
            options,
        )  # fmt: skip
