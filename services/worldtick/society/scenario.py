"""The section `society` of a scenario: diplomacy, a crowd, or both.
Lives here: which parts a world has, and in which order they are slices. Not here: the parts themselves."""

from pydantic import BaseModel, ConfigDict, model_validator

from worldtick.society.crowd.scenario import CrowdScenario
from worldtick.society.diplomacy.scenario import DiplomacyScenario


class SocietyScenario(BaseModel):
    """Each part that a world has is a slice of its own, in this order: one can fail or lag without the other."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    diplomacy: DiplomacyScenario | None = None
    crowd: CrowdScenario | None = None

    @model_validator(mode="after")
    def _something(self) -> "SocietyScenario":
        if not self.parts:
            raise ValueError("a society has diplomacy, a crowd, or both")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of this world by name; a part's place is its slice number."""
        crowd = self.crowd is not None and self.crowd.enabled
        return tuple(name for name, there in (("diplomacy", self.diplomacy is not None), ("crowd", crowd)) if there)

    @property
    def factions(self) -> tuple[str, ...]:
        """The factions that it names."""
        return () if self.diplomacy is None else tuple(self.diplomacy.factions)
