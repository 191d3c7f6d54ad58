"""Scenarios: what a world is made from, as people write it and as it is stored.
Lives here: the document's shape, its check against the catalogue, canonical JSON. Not here: creating (creation)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator

from worldtick.clock.course import Driver, LagPolicy, Pace
from worldtick.clock.errors import NotAMoment, NotAScale
from worldtick.clock.firings import parse_duration_us
from worldtick.clock.scale import format_scale, parse_scale
from worldtick.clock.worldtime import EPOCH_S, WallTime
from worldtick.contracts.errors import Faulty
from worldtick.contracts.shipped import shipped
from worldtick.contracts.stamps import Stamp, rfc3339
from worldtick.control.creation import SCENARIO_BYTES_MAX, Plan, setting_faults
from worldtick.control.documents import DOCUMENT_BYTES_MAX, FAULTS_MAX, Document, read_document
from worldtick.control.faults import near, validated
from worldtick.runtime.service import Service

Catalogue = Mapping[str, Service[Any]]
Defaults = Mapping[str, Mapping[str, Any]]
Word = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=4_000)]
_FACTIONS_MAX = 1_000
NO_DEFAULTS: Defaults = MappingProxyType({})

AUTO_SCALE = "60"  # a game hour is a minute


def _scale(given: Any) -> str:
    try:
        return format_scale(parse_scale(given))
    except NotAScale as fault:
        raise ValueError(str(fault)) from fault


def _duration(given: Any) -> str:
    try:
        parse_duration_us(given if isinstance(given, str) else repr(given))
    except NotAMoment as fault:
        raise ValueError(str(fault)) from fault
    return str(given)


ScaleText = Annotated[str, BeforeValidator(_scale)]
Duration = Annotated[str, BeforeValidator(_duration)]


class WorldRules(BaseModel):
    """How a world's clock behaves and what its services may spend."""

    epoch: Stamp | None = Field(None, description="World time 0; default 2020-01-01T00:00:00Z.")
    facts: Literal["lag", "latest"] = "latest"
    lag_ticks: int = Field(1, strict=True, ge=1, le=1_000)
    catch_up: Literal["each", "coalesce"] = "each"
    catch_up_max: int = Field(24, strict=True, ge=1, le=10_000)
    driver: Driver = "scheduled"
    time_scale: ScaleText | None = Field(None, description="World time per wall time under auto; default 60 there.")
    tick_interval: Duration = Field("1s", description="Wall time between two steps under auto.")
    turn: Duration | None = Field(None, description="Turn-based: an advance is exactly this long.")
    in_flight_max: int = Field(16, strict=True, ge=1, le=1_000)
    lag_policy: LagPolicy = "wait"
    lag_max: Duration = Field("1m", description="Wall time that the world may lag behind its pace.")
    grids: list[Literal["hourly", "daily"]] = Field(default=["hourly", "daily"], min_length=1, max_length=2)
    budgets: dict[str, dict[str, Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]]] = {}
    settings: dict[str, dict[str, Any]] = {}

    @field_validator("epoch")
    @classmethod
    def _whole_second(cls, epoch: datetime | None) -> datetime | None:
        if epoch is not None and (epoch.microsecond or not 1 <= epoch.year <= 9000):
            raise ValueError("the epoch is a whole second of the years 1 to 9000")
        return epoch

    @property
    def epoch_s(self) -> int:
        """Unix seconds of world time 0."""
        return EPOCH_S if self.epoch is None else int(self.epoch.timestamp())

    @property
    def pace(self) -> Pace:
        """What drives the world, and how fast."""
        scale = self.time_scale or (AUTO_SCALE if self.driver == "auto" else "1")
        return Pace(
            driver=self.driver,
            scale_ppb=parse_scale(scale),
            interval_us=parse_duration_us(self.tick_interval),
            turn_us=None if self.turn is None else parse_duration_us(self.turn),
            in_flight_max=self.in_flight_max,
            lag_policy=self.lag_policy,
            lag_us_max=parse_duration_us(self.lag_max),
        )


class Faction(BaseModel):
    """A group with interests of its own; services refer to it by its id."""

    id: Word
    name: Text
    home: Text | None = None
    about: Text | None = None


class ScenarioModel(BaseModel):
    """The whole document; each section under `services` has its service's own model."""

    name: Word
    description: Text | None = None
    world: WorldRules = WorldRules()
    factions: list[Faction] = Field([], max_length=_FACTIONS_MAX)
    services: dict[str, Any] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario without fault."""

    name: str
    description: str
    canonical: str  # JSON as the world's row stores it, with every default written out
    rules: WorldRules
    sections: Mapping[str, BaseModel]

    def plan(self, world_id: str, first_us: int, seed: int = 1, owner: str = "local") -> Plan:
        """A world to be created from it. first_us: Unix us; the firing at or before it is the first that counts."""
        rules = self.rules
        return Plan(
            world_id=world_id,
            scenario=self.canonical,
            sections=self.sections,
            first_us=WallTime(first_us),
            seed=seed,
            owner=owner,
            epoch_s=rules.epoch_s,
            facts=rules.facts,
            lag_ticks=rules.lag_ticks,
            pace=rules.pace,
            catch_up=rules.catch_up,
            catch_up_max=rules.catch_up_max,
            hourly="hourly" in rules.grids,
            daily="daily" in rules.grids,
            budgets=rules.budgets,
            settings=rules.settings,
        )


def load_scenario(given: str, catalogue: Catalogue, defaults: Defaults = NO_DEFAULTS) -> Scenario:
    """The scenario in a file, or one that comes with worldtick by its bare name. Raises Faulty with every fault."""
    path = find_scenario(given)
    try:
        with path.open("rb") as file:
            raw = file.read(DOCUMENT_BYTES_MAX + 1)
    except OSError as away:
        raise Faulty(f"scenario {given}", [f"cannot be read: {away.strerror or away}"]) from away
    return read_scenario(raw, path.name if path.parent == _shelf() else given, catalogue, defaults)


def find_scenario(given: str) -> FilePath:
    """A path is a path; a bare name is one of those that come with worldtick."""
    if "/" in given or given.endswith((".yaml", ".yml", ".json")):
        return FilePath(given).expanduser()
    found = {path.stem: path for path in sorted(_shelf().glob("*.yaml"))}
    if given not in found:
        raise Faulty(
            f"scenario {given!r}", [f"none of that name comes with worldtick{near(given, found)}; a file ends in .yaml"]
        )
    return found[given]


def _shelf() -> FilePath:
    return shipped("scenarios")


def read_scenario(raw: bytes, source: str, catalogue: Catalogue, defaults: Defaults = NO_DEFAULTS) -> Scenario:
    """Read and check a document. Raises Faulty naming every fault with its place.

    defaults: service -> what its section holds where the document is silent. They come from the deployment; the
    canonical scenario has them written out, so a world is not changed by another deployment's.
    """
    document = read_document(raw, source)
    faults: list[str] = []
    model = validated(ScenarioModel, document, document.data, (), faults)
    sections = _sections(document, catalogue, defaults, faults)
    if model is not None:
        _check_rules(model, document, sections, catalogue, faults)
    if faults or model is None:
        raise Faulty(f"scenario {source}", faults[:FAULTS_MAX])
    canonical = _canonical(model, sections)
    if (size := len(canonical.encode())) > SCENARIO_BYTES_MAX:
        raise Faulty(
            f"scenario {source}",
            [f"takes {size} bytes, and {SCENARIO_BYTES_MAX} are the limit: give recipes and counts, not entities"],
        )
    return Scenario(model.name, model.description or "", canonical, model.world, sections)


def _sections(document: Document, catalogue: Catalogue, defaults: Defaults, faults: list[str]) -> dict[str, BaseModel]:
    given = document.data.get("services") if isinstance(document.data, dict) else None
    sections: dict[str, BaseModel] = {}
    for name, section in given.items() if isinstance(given, dict) else ():
        at = ("services", name)
        if name not in catalogue:
            faults.append(f"{document.place(at)}: there is no such service{near(name, catalogue)}")
            continue
        whole = _under(defaults.get(name, {}), {} if section is None else section)
        found = validated(catalogue[name].scenario_model, document, whole, at, faults)
        if found is not None:
            sections[name] = found
    return sections


def _under(defaults: Mapping[str, Any], given: Any) -> Any:
    """What is given, and under it what it leaves out: a part of a section (a mapping) only where it is given at all."""
    if not isinstance(given, dict):
        return given
    parts = {name: value for name, value in defaults.items() if isinstance(value, Mapping)}
    plain = {name: value for name, value in defaults.items() if name not in parts}
    return {**plain, **given, **{name: _under(part, given[name]) for name, part in parts.items() if name in given}}


def _check_rules(
    model: ScenarioModel,
    document: Document,
    sections: Mapping[str, BaseModel],
    catalogue: Catalogue,
    faults: list[str],
) -> None:
    """What no single field can see: doubled ids and grids, budgets of services that the scenario has not."""
    for index, faction in enumerate(model.factions):
        if faction.id in (before.id for before in model.factions[:index]):
            faults.append(f"{document.place(('factions', index, 'id'))}: {faction.id!r} stands twice")
    if len(set(model.world.grids)) < len(model.world.grids):
        faults.append(f"{document.place(('world', 'grids'))}: a grid stands twice")
    known = [faction.id for faction in model.factions]
    for service, section in sections.items():
        named = catalogue[service].factions
        for own in named(section) if named is not None else ():
            if own not in known:
                text = f"names {own!r}, which is none of the scenario's factions{near(own, known)}"
                faults.append(f"{document.place(('services', service))}: {text}")
    for service, granted in model.world.budgets.items():
        at = ("world", "budgets", service)
        if service not in model.services:
            faults.append(f"{document.place(at)}: is no service of this scenario{near(service, model.services)}")
            continue
        budgets: Mapping[str, int] = catalogue[service].budgets if service in catalogue else granted
        faults += [
            f"{document.place((*at, name))}: there is no such budget{near(name, budgets)}"
            for name in granted
            if name not in budgets
        ]
    for service, given in model.world.settings.items():
        at = ("world", "settings", service)
        if service not in model.services:
            faults.append(f"{document.place(at)}: is no service of this scenario{near(service, model.services)}")
        elif service in catalogue:
            faults += [f"{document.place(at)}: {fault}" for fault in setting_faults(service, given, catalogue)]


def _canonical(model: ScenarioModel, sections: Mapping[str, BaseModel]) -> str:
    """Defaults are written out, so that a later release with other ones does not change a world that exists.

    Mappings inside a section keep the order in which they were written: to a service it may mean something.
    """
    plain = model.model_dump(mode="json", exclude={"services"})
    plain["world"]["epoch"] = rfc3339(model.world.epoch_s * 1_000_000)
    plain["services"] = {name: section.model_dump(mode="json") for name, section in sorted(sections.items())}
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
