"""Diplomacy's part of the section `society`, and what directives say to it.
Lives here: the models and their bounds. Not here: the tables made of them (plan)."""

from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from worldtick.society.diplomacy.plan import Plan
from worldtick.society.diplomacy.rules import POINT, Power, Treaty

FACTIONS_MAX = 200  # 19,900 pairs; each has some 260 bytes of state

Id = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=64)]
Points = Annotated[int, Field(strict=True, ge=0, le=100)]
TreatyKind = Literal["alliance", "trade", "non_aggression"]


class _Part(BaseModel):
    """A word that the model does not know is a fault, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FactionPowers(_Part):
    """What a faction is strong by, in points; war wears it down and peace restores it."""

    military: Points = 50
    economy: Points = 50
    territory: Points = 50
    technology: Points = 50
    morale: Points = 50
    home: Name | None = Field(None, description="The district whose prices and unrest it feels.")


class DiplomacyScenario(_Part):
    """Factions with their powers. Their ids are those of the scenario's `factions`."""

    factions: dict[Id, FactionPowers] = Field(min_length=2, max_length=FACTIONS_MAX)
    staples: list[Name] = Field(["Food"], max_length=16, description="Commodities that are scarce when they are dear.")

    @cached_property
    def plan(self) -> Plan:
        """The tables of these factions."""
        homes = tuple(dict.fromkeys(told.home for told in self.factions.values() if told.home is not None))
        power = [[getattr(told, kind.name.lower()) * POINT for kind in Power] for told in self.factions.values()]
        home = [homes.index(told.home) if told.home is not None else -1 for told in self.factions.values()]
        return Plan(
            factions=tuple(self.factions),
            power=np.array(power, np.int32),
            homes=homes,
            home=np.array(home, np.int32),
            staples=tuple(self.staples),
        )


class _OfTwo(_Part):
    """What concerns two factions, by the names of the fields that name them."""

    pair_fields: ClassVar[tuple[str, str]]

    @model_validator(mode="after")
    def _two(self, info: ValidationInfo) -> Self:
        """They differ; with the world's section as context ({"section": ...}) they are factions of the world."""
        one, other = (getattr(self, name) for name in self.pair_fields)
        if one == other:
            raise ValueError(f"{one!r} stands on both sides: name two factions")
        diplomacy = getattr((info.context or {}).get("section"), "diplomacy", None)
        if diplomacy is not None:
            for name in (one, other):
                if name not in diplomacy.factions:
                    raise ValueError(f"there is no {name!r}; there are {', '.join(diplomacy.factions)}")
        return self


class IncidentArgs(_OfTwo):
    """Something bad that one faction did to another."""

    pair_fields = ("by", "to")
    by: Id
    to: Id
    severity: Annotated[int, Field(strict=True, ge=1, le=100)] = 20


class TreatyProposal(_OfTwo):
    """A treaty that is signed if the pair's score allows: alliance from 20 points, trade -10, non-aggression -45."""

    pair_fields = ("one", "other")
    one: Id
    other: Id
    kind: TreatyKind
    days: Annotated[int, Field(strict=True, ge=1, le=3_650)] = 90
    price: Annotated[int, Field(strict=True, ge=0, le=100, description="Points of trust that breaking it costs.")] = 20


class TreatyBreach(_OfTwo):
    """A treaty that a faction breaks: its price is paid in the other's trust, and a grievance stays."""

    pair_fields = ("by", "to")
    by: Id
    to: Id
    kind: TreatyKind


def treaty_of(kind: str) -> Treaty:
    """A treaty by its name in directives and events."""
    return Treaty[kind.upper()]
