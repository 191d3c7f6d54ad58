"""The crowd's slice of the service: what a tick tells it, and what is said of it.
Lives here: the crowd's budget, directive, facts and events. Not here: the service itself (service), rules (crowd)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.service import Event, Step
from worldtick.society.crowd import days
from worldtick.society.crowd.days import Counted, Crowd, CrowdDay, CrowdLived, Planted
from worldtick.society.crowd.news import DAY_MINUTES, Passed, Series, Signal
from worldtick.society.crowd.rules import Rumour
from worldtick.society.crowd.town import EVERYWHERE, Town
from worldtick.society.names import AGENT_STEPS, DEMAND, NAME, PRICES, UNREST

AGENT_STEPS_DEFAULT = 2_400_000  # a day of 100,000 people
RUMOUR_START = "rumour_start"
KINDS: Mapping[str, Rumour] = {"dread": Rumour.DREAD, "feast": Rumour.FEAST}


class RumourStart(BaseModel):
    """The directive `rumour_start`: some residents of a sector begin to tell that food runs out, or of a feast."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sector: str = Field(min_length=1, max_length=64)
    kind: Literal["dread", "feast"] = "dread"
    tellers: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 5

    @field_validator("sector")
    @classmethod
    def _known(cls, sector: str, info: ValidationInfo) -> str:
        """With the world's section as context ({"section": ...}) a sector that the world does not have is a fault."""
        crowd = getattr((info.context or {}).get("section"), "crowd", None)
        if crowd is not None and sector not in crowd.sectors:
            raise ValueError(f"there is no {sector!r}; there are {', '.join(crowd.sectors)}")
        return sector


def step(crowd: Crowd, tick: SealedTick) -> Step[Crowd]:
    """A daily tick of the crowd."""
    return _said(days.step(crowd, _told(crowd.town, tick)), tick)


def _told(town: Town, tick: SealedTick) -> CrowdDay:
    planted = [
        Planted(town.sectors.index(asked.sector), KINDS[asked.kind], asked.tellers)
        for asked in (
            RumourStart.model_validate(each.args) for each in tick.directives_of(NAME) if each.name == RUMOUR_START
        )
        if asked.sector in town.sectors
    ]
    return CrowdDay(tick.seed, tick.budget(NAME, AGENT_STEPS), tick.fact(PRICES), tuple(planted))


def _said(lived: CrowdLived, tick: SealedTick) -> Step[Crowd]:
    town = lived.crowd.town
    events: list[Event] = []
    facts = None
    if lived.counted is not None:
        assert lived.demand_ppm is not None, "a day that is counted has its demand"
        assert lived.unrest_ppm is not None, "and its unrest"
        facts = {DEMAND: lived.demand_ppm, UNREST: lived.unrest_ppm}
        for signal in lived.signals:
            events += _news(town, lived.counted, signal, lived.demand_ppm, tick)
        events += [_ended(town, lived.counted, passed, tick) for passed in lived.passed]
        events.append(_summary(lived, lived.counted, tick))
    return Step(
        state=lived.crowd,
        events=events,
        facts=facts,
        used={AGENT_STEPS: lived.used},
        carried={AGENT_STEPS: lived.owed},
    )


def _news(town: Town, counted: Counted, signal: Signal, demand_ppm: Mapping[str, int], tick: SealedTick) -> list[Event]:
    """A signal, and what goes with it: who moved where, what the economy will hear."""
    location = town.locations[signal.location]
    residents = counted.residents
    data: dict[str, Any] = {
        "signal_type": signal.name,
        "location": location,
        "magnitude": signal.score_tenths / 10,
        "change_percent": signal.change_tenths / 10,
        "agent_count": sum(residents) if location == EVERYWHERE else residents[signal.location],
        "aggregation_timestamp": tick.date(tick.to_us),
        "time_window_minutes": DAY_MINUTES,
        "predicted_duration_minutes": signal.expected_minutes,
        "tick_id": tick.tick_id,
        "game_day": counted.day,
        "value": signal.value,
        "usual": signal.usual,
    }
    if signal.name == "population_movement":
        origin, destination, movers = movement(counted.present, signal.location)
        data |= {"origin": town.sectors[origin], "destination": town.sectors[destination]}
        moved = {"origin": data["origin"], "destination": data["destination"], "agent_count": movers}
        return [
            Event("crowd_signal", data),
            Event("population_movement", {**moved, "tick_id": tick.tick_id, "reason": "visit"}),
        ]
    told = [Event("crowd_signal", data)]
    if signal.name.startswith("food_demand") and location != EVERYWHERE:
        ppm = demand_ppm[f"{location}/{town.food}/crowd"]
        wanted = {"commodity": town.food, "district": location, "demand_ppm": ppm, "origin": "crowd"}
        told.append(Event("demand_signal", {**wanted, "tick_id": tick.tick_id}))
    return told


def movement(present: list[list[int]], location: int) -> tuple[int, int, int]:
    """(origin, destination, people) of the largest visit: to a sector, or, where `location` is everywhere, to any."""
    sectors = range(len(present))
    visits = [
        (present[home][here], -home, -here)
        for home in sectors
        for here in sectors
        if home != here and location in (here, len(present))
    ]
    people, home, here = max(visits)
    return -home, -here, people


def _ended(town: Town, counted: Counted, passed: Passed, tick: SealedTick) -> Event:
    data = {
        "signal_type": passed.name,
        "location": town.locations[passed.location],
        "predicted_duration_minutes": passed.expected_minutes,
        "lasted_minutes": passed.lasted_minutes,
        "tick_id": tick.tick_id,
        "game_day": counted.day,
    }
    return Event("crowd_signal_ended", data)


def _summary(lived: CrowdLived, counted: Counted, tick: SealedTick) -> Event:
    town = lived.crowd.town
    assert lived.demand_ppm is not None, "a day that is counted has its demand"
    assert lived.unrest_ppm is not None, "and its unrest"
    data = {
        "tick_id": tick.tick_id,
        "game_day": counted.day,
        "agents": town.agents,
        "owed": lived.owed,
        "residents": dict(zip(town.sectors, counted.residents, strict=True)),
        "unrest_ppm": lived.unrest_ppm,
        "food_ppm": {name: lived.demand_ppm[f"{name}/{town.food}/crowd"] for name in town.sectors},
        "mood": {name: int(counted.values[Series.MOOD, i]) for i, name in enumerate(town.sectors)},
    }
    return Event("crowd_summary", data)
