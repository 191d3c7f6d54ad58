"""The inhabitants' section of a scenario.
Lives here: its models and bounds. Not here: the arrays made of it and the check of its names (plan)."""

import json
from functools import cached_property, lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from worldtick.npc.compiling import compile_plan
from worldtick.npc.conditions import Axis, Clock, Condition, Day, Mood, Need
from worldtick.npc.plan import Plan
from worldtick.npc.units import ACTIVITIES_MAX, COUNT_MAX, RULES_MAX, TIES_MAX

Name = Annotated[str, Field(pattern=r"^[^/*\s]([^/*]{0,62}[^/*\s])?$")]  # named as a district is: facts join both
Points = Annotated[int, Field(strict=True, ge=-200, le=200)]
Percent = Annotated[int, Field(strict=True, ge=-100, le=100)]
Level = Literal[Need, Mood]
TierName = Literal["detailed", "active", "ambient", "dormant", "asleep"]
Minutes = Annotated[int, Field(strict=True, ge=0, le=10_080)]


def _absent(value: object) -> bool:
    """Such words stay out of a section's bytes, which are then as they were before the word came to be."""
    return not value


class Part(BaseModel):
    """A word that the model does not know is a fault, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Completion(Part):
    """What happens once, when an activity's minimum time is over and the inhabitant decides again."""

    levels: dict[Level, Points] = Field(default_factory=dict, description="Points added.")
    relationship: dict[Axis, Percent] = Field(default_factory=dict, description="Points, with whom it was done.")
    set_flags: list[Name] = []
    clear_flags: list[Name] = []
    items: dict[Name, Annotated[int, Field(strict=True, ge=-1_000, le=1_000)]] = Field(
        default_factory=dict, description="Units made, or used up if negative (it must hold them to begin)."
    )
    event: Name | None = Field(None, description="An event of the scenario's own, said in the action log.")
    custom: Name | None = Field(None, description="The entry point's name of somebody's own effect.")


class Activity(Part):
    """What an inhabitant can do."""

    weight: Annotated[int, Field(strict=True, ge=1, le=1_000)] = Field(100, description="100 = as usual.")
    category: Name = Field("other", description="What preferences are about.")
    urgency: dict[Need, Annotated[int, Field(strict=True, ge=0, le=100)]] = Field(
        default_factory=dict, description="How much a lack of each need calls for it."
    )
    traits: dict[Name, Annotated[int, Field(strict=True, ge=-200, le=200)]] = Field(
        default_factory=dict, description="Percent more at a trait's height, less at its depth."
    )
    mood: dict[Mood, Percent] = Field(default_factory=dict, description="How much a mood inclines to it.")
    company: Percent = Field(0, description="How much close ties incline to it.")
    evaluator: Name | None = Field(
        None, exclude_if=_absent, description="The entry point's name of somebody's own factor, from 1/4 to 4."
    )
    requires: Condition | None = None
    location: str = Field("stay", description="home, work, stay, or a kind of place in one's own district.")
    per_hour: dict[Level, Points] = Field(default_factory=dict, description="Points an hour while it lasts.")
    minutes: Minutes = Field(0, description="It lasts at least so long.")
    cooldown_minutes: Annotated[int, Field(strict=True, ge=0, le=525_600)] = Field(
        0, description="Not begun again until so long after its end."
    )
    on_completion: Completion = Completion()
    intent: Literal["talk", "trade", "give"] | None = Field(None, description="What it wants of a tie on beginning.")
    gives: Name | None = Field(None, description="The item of which one unit is given.")


class Duty(Part):
    """A window of the week with an activity that is done in it, whatever else."""

    days: Annotated[list[Day], Field(min_length=1)]
    start: Clock
    end: Clock
    activity: Name


class Edge(Part):
    """From one node of a routine to another."""

    to: Name
    when: Condition | None = None
    weight: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 1


class Node(Part):
    """A node: of an activity; of time slots (its first open edge is taken); of a decision (an open edge by weight)."""

    kind: Literal["time_slot", "decision", "activity"]
    activity: Name | None = None
    edges: Annotated[list[Edge], Field(min_length=1, max_length=32)]

    @model_validator(mode="after")
    def _fits(self) -> "Node":
        if (self.kind == "activity") != (self.activity is not None):
            raise ValueError("a node of kind activity names one, and no other node does")
        return self


class Routine(Part):
    """A graph that is followed from node to node, for ever."""

    start: Name
    nodes: Annotated[dict[Name, Node], Field(min_length=1, max_length=256)]


class Group(Part):
    """Inhabitants of one sort."""

    people: dict[Name, Annotated[int, Field(strict=True, ge=0, le=COUNT_MAX)]] = Field(description="District -> count.")
    home: Name = Field("home", description="The kind of place that they live in.")
    work: Name | None = Field(None, description="The kind of place that they work in.")
    schedule: Name | None = None
    routine: Name | None = None
    tier: TierName = Field("dormant", description="The closest tier that they claim of themselves.")
    traits: dict[Name, tuple[Percent, Percent]] = Field(default_factory=dict, description="Drawn between; else all.")
    flags: list[Name] = []
    items: dict[Name, Annotated[int, Field(strict=True, ge=0, le=10_000)]] = Field(default_factory=dict)


class TierRule(Part):
    """Who claims which tier from now on. Of the rules that hold, the first decides."""

    when: Condition | None = Field(None, description="As an activity requires it, looked at as a tick begins.")
    groups: list[Name] = Field(default_factory=list, description="Only their people; none named: all.")
    tier: TierName


class Place(Part):
    """A place. Those of one kind in one district are shared out among its people."""

    district: Name
    kind: Name


class Demand(Part):
    """How a need of a district's people acts on what the district wants to buy."""

    need: Need
    usual: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(description="Points at which nothing changes.")
    ppm_per_point: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 10_000
    low_ppm: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 500_000
    high_ppm: Annotated[int, Field(strict=True, ge=1_000_000, le=10_000_000)] = 2_000_000


class NpcScenario(Part):
    """The scenario's section `npc`. Points run from 0 (unmet) to 100 (met); moods from -100 to 100."""

    slice_npcs: Annotated[int, Field(strict=True, ge=1, le=100_000)] = Field(10_000, description="In one slice.")
    decay: dict[Need, Annotated[int, Field(strict=True, ge=0, le=100)]] = Field(
        default={"energy": 4, "hunger": 6, "social": 3, "fun": 3, "comfort": 3, "safety": 1},
        description="Points that a need loses in an hour.",
    )
    calm: dict[Mood, Annotated[int, Field(strict=True, ge=0, le=100)]] = Field(
        default={"valence": 4, "arousal": 8}, description="Points by which a mood comes back to even in an hour."
    )
    inertia_percent: Annotated[int, Field(strict=True, ge=25, le=400)] = Field(
        130, description="The weight of going on with the same, 100 = no more than of anything else."
    )
    traits: list[Name] = []
    flags: list[Name] = []
    items: list[Name] = []
    ties: Annotated[int, Field(strict=True, ge=1, le=TIES_MAX)] = Field(4, description="Relationships that one keeps.")
    places: dict[Name, Place] = Field(min_length=1)
    activities: dict[Name, Activity] = Field(min_length=1, max_length=ACTIVITIES_MAX)
    fallback: Name = Field(description="The activity that is always possible.")
    schedules: dict[Name, list[Duty]] = Field(default_factory=dict)
    routines: dict[Name, Routine] = Field(default_factory=dict)
    groups: dict[Name, Group] = Field(min_length=1, max_length=256)
    demand: dict[Name, Demand] = Field(default_factory=dict, description="Commodity -> what it answers to.")
    tier_rules: list[TierRule] = Field(
        default_factory=list,
        max_length=RULES_MAX,
        exclude_if=_absent,
        description="By which inhabitants come to claim another tier than their group's.",
    )

    @model_validator(mode="after")
    def _whole(self) -> "NpcScenario":
        """Check the parts against each other: they must come to a plan."""
        compile_plan(self)
        return self

    @cached_property
    def plan(self) -> Plan:
        """The tables of these inhabitants: one object for all equal sections."""
        return _plan_of(json.dumps(self.model_dump(by_alias=True)))


@lru_cache(maxsize=64)
def _plan_of(canonical: str) -> Plan:
    section = NpcScenario.model_validate_json(canonical)
    return compile_plan(section)
