"""The words by which others know inhabitants: budgets, facts, directives, settings.
Lives here: names, and the models of what is told from outside. Not here: what becomes of it (service)."""

from typing import Annotated, Final

from pydantic import Field, model_validator

from worldtick.npc.scenario import Level, Name, Part, TierName
from worldtick.npc.units import COUNT_MAX, INTERVALS_S, LIMITS, TIERS, UNITS_MAX, Tier

NAME: Final = "npc"
DECISIONS, EVENTS, INTENTS = "npc_decisions", "npc_events", "npc_intents"  # budgets
DUE, CLAIMS, WANTS, DEMAND = "npc_due", "npc_claims", "npc_wants", "demand_ppm"  # facts
HELD = "npc_tiers"  # a fact for people who look; no tick carries it
TOPIC: Final = "npc.slice"

Entity = Annotated[int, Field(strict=True, ge=0, lt=COUNT_MAX)]
Limit = Annotated[int, Field(strict=True, ge=0, le=COUNT_MAX)]
Seconds = Annotated[int, Field(strict=True, ge=1, le=604_800)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]


class NpcSettings(Part):
    """How many inhabitants of a world each tier holds, and how often those in it decide, in seconds of world time."""

    detailed_limit: Limit = LIMITS[Tier.DETAILED]
    active_limit: Limit = LIMITS[Tier.ACTIVE]
    ambient_limit: Limit = LIMITS[Tier.AMBIENT]
    dormant_limit: Limit = LIMITS[Tier.DORMANT]
    detailed_interval_s: Seconds = INTERVALS_S[Tier.DETAILED]
    active_interval_s: Seconds = INTERVALS_S[Tier.ACTIVE]
    ambient_interval_s: Seconds = INTERVALS_S[Tier.AMBIENT]
    dormant_interval_s: Seconds = INTERVALS_S[Tier.DORMANT]


def limits_of(settings: dict[str, int]) -> list[int]:
    """The limits of the four tiers that decide."""
    return [settings[f"{tier}_limit"] for tier in TIERS[:-1]]


def intervals_of(settings: dict[str, int]) -> list[int]:
    """Seconds between decisions in each of these tiers."""
    return [settings[f"{tier}_interval_s"] for tier in TIERS[:-1]]


class _Some(Part):
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

    tier: TierName | None = None


class EditArgs(Part):
    """Set what is named of one inhabitant; every other component stays as it is. Levels in points of 100."""

    npc: Entity
    levels: dict[Level, Percent] = Field(default_factory=dict)
    items: dict[Name, Annotated[int, Field(strict=True, ge=0, le=UNITS_MAX)]] = Field(default_factory=dict)
    set_flags: list[Name] = Field(default_factory=list)
    clear_flags: list[Name] = Field(default_factory=list)
    place: Name | None = None


class MeetingArgs(Part):
    """What one inhabitant did to another; other slices hear of it as this directive."""

    npc: Entity
    by: Entity
    points: tuple[int, int, int, int] = (0, 0, 0, 0)
    item: Name | None = None
    units: Annotated[int, Field(strict=True, ge=0, le=UNITS_MAX)] = 0
