"""The words by which others know inhabitants: budgets, facts, directives, settings.
Lives here: names, and the models of what is told from outside. Not here: what becomes of it (service)."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from worldtick.npc.scenario import Level, Name, Tier
from worldtick.npc.units import COUNT_MAX, TIERS, UNITS_MAX

NAME: Final = "npc"
DECISIONS, EVENTS, INTENTS = "npc_decisions", "npc_events", "npc_intents"  # budgets
DUE, CLAIMS, WANTS, DEMAND = "npc_due", "npc_claims", "npc_wants", "demand_ppm"  # facts
TOPIC: Final = "npc.slice"

Entity = Annotated[int, Field(strict=True, ge=0, lt=COUNT_MAX)]
Limit = Annotated[int, Field(strict=True, ge=0, le=COUNT_MAX)]
Seconds = Annotated[int, Field(strict=True, ge=1, le=604_800)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NpcSettings(_Part):
    """How many inhabitants of a world each tier holds, and how often those in it decide, in seconds of world time."""

    detailed_limit: Limit = 20
    active_limit: Limit = 100
    ambient_limit: Limit = 500
    dormant_limit: Limit = 5_000
    detailed_interval_s: Seconds = 60
    active_interval_s: Seconds = 300
    ambient_interval_s: Seconds = 1_800
    dormant_interval_s: Seconds = 7_200


def limits_of(settings: dict[str, int]) -> list[int]:
    """The limits of the four tiers that decide."""
    return [settings[f"{tier}_limit"] for tier in TIERS[:-1]]


def intervals_of(settings: dict[str, int]) -> list[int]:
    """Seconds between decisions in each of these tiers."""
    return [settings[f"{tier}_interval_s"] for tier in TIERS[:-1]]


class _Some(_Part):
    """Whom a directive is about: one inhabitant, those at a place, or a group."""

    npc: Entity | None = None
    place: Name | None = None
    group: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> "_Some":
        if sum(value is not None for value in (self.npc, self.place, self.group)) != 1:
            raise ValueError("name exactly one: npc, place or group")
        return self


class FocusArgs(_Some):
    """Simulate some in detail for so many minutes of world time, as far as the tier's limit allows."""

    minutes: Annotated[int, Field(strict=True, ge=1, le=525_600)] = 60


class DemoteArgs(_Some):
    """End a focus now; besides, the closest tier that they claim from now on."""

    tier: Tier | None = None


class EditArgs(_Part):
    """Set what is named of one inhabitant; every other component stays as it is. Levels in points of 100."""

    npc: Entity
    levels: dict[Level, Percent] = {}
    items: dict[Name, Annotated[int, Field(strict=True, ge=0, le=UNITS_MAX)]] = {}
    set_flags: list[Name] = []
    clear_flags: list[Name] = []
    place: Name | None = None


class MeetingArgs(_Part):
    """What one inhabitant did to another; other slices hear of it as this directive."""

    npc: Entity
    by: Entity
    points: tuple[int, int, int, int] = (0, 0, 0, 0)
    item: Name | None = None
    units: Annotated[int, Field(strict=True, ge=0, le=UNITS_MAX)] = 0
