"""world.configure: a part of what a world may be told at run time, checked as a whole, taken by its next tick.
Lives here: the arguments, their names in the seed, what they change. Not here: locks and rights (commands, hearing)."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from worldtick.clock import course as transitions
from worldtick.clock.course import Course
from worldtick.clock.scale import parse_scale
from worldtick.clock.worldtime import SECOND_US
from worldtick.contracts.errors import Faulty
from worldtick.control.creation import setting_faults
from worldtick.control.faults import near
from worldtick.sealing.draft import Catalogue
from worldtick.sealing.steering import course_of, steer
from worldtick.store.clocks import Clock, save_course
from worldtick.store.db import Connection
from worldtick.store.worlds import save_configuration

OPERATIONS_MAX: Final = 1_000_000_000
SECONDS_MAX: Final = 86_400
# The seed's names of budgets: whose they are, and what they are called there.
SEED_BUDGETS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"maxNpcTicksPerStep": ("npc", "npc_decisions"), "maxJobOpsPerStep": ("generation", "job_ops")}
)


def _microseconds(given: float) -> float:
    if Decimal(str(given)) * SECOND_US % 1:
        raise ValueError("has more than six decimals: a microsecond is the least")
    return given


def _scale(given: float) -> float:
    parse_scale(given)
    return given


_Number = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Seconds = Annotated[_Number, Field(le=SECONDS_MAX), AfterValidator(_microseconds)]
Scale = Annotated[_Number, Field(le=1_000_000), AfterValidator(_scale)]
Operations = Annotated[int, Field(strict=True, ge=0, le=OPERATIONS_MAX)]


class Configure(BaseModel):
    """Any part; what is not named stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeScale: Scale | None = Field(None, description="World time per wall time.")  # noqa: N815 - the seed's names
    tickIntervalSeconds: Seconds | None = Field(None, description="Wall time between two steps under auto.")  # noqa: N815
    pauseSimulation: bool | None = Field(None, strict=True, description="Freeze the world, or let it go on.")  # noqa: N815
    inFlightMax: int | None = Field(None, strict=True, ge=1, le=1_000, description="Ticks under way at most.")  # noqa: N815
    lagPolicy: Literal["wait", "slow_down", "skip"] | None = None  # noqa: N815
    lagMaxSeconds: Seconds | None = Field(None, description="Wall time that it may lag behind its pace.")  # noqa: N815
    maxNpcTicksPerStep: Operations | None = Field(None, description="The budget of npc.")  # noqa: N815
    maxJobOpsPerStep: Operations | None = Field(None, description="The budget of generation.")  # noqa: N815
    budgets: dict[str, dict[str, Operations | None]] = Field(
        {}, description="service -> budget -> operations; null: the service's default again."
    )
    settings: dict[str, dict[str, Any]] = Field(
        {}, description="service -> setting -> value; null: the service's default again."
    )


def configure(conn: Connection, catalogue: Catalogue, clock: Clock, args: Configure, wall_us: int) -> bool:
    """Change a locked clock's world; False where all was so already. Raises Faulty naming every fault."""
    faults: list[str] = []
    budgets = _budgets(catalogue, clock, args, faults)
    settings = _settings(catalogue, clock, args, faults)
    if faults:
        raise Faulty("world.configure", faults)
    before = course_of(clock)
    after = _course(before, args, wall_us)
    stored = budgets != clock.budgets or settings != clock.settings
    if not stored and after == before:
        return False
    if stored:
        save_configuration(conn, clock.world_key, budgets, settings)
    steer(clock, replace(after, version=before.version + 1))  # one command is one version, whatever it changed
    save_course(conn, clock)
    return True


def _course(course: Course, args: Configure, wall_us: int) -> Course:
    if args.timeScale is not None:
        course = transitions.set_scale(course, parse_scale(args.timeScale), wall_us)
    if args.tickIntervalSeconds is not None:
        course = transitions.set_interval(course, _us(args.tickIntervalSeconds), wall_us)
    if args.inFlightMax is not None:
        course = replace(course, in_flight_max=args.inFlightMax)
    if args.lagPolicy is not None:
        course = replace(course, lag_policy=args.lagPolicy)
    if args.lagMaxSeconds is not None:
        course = replace(course, lag_us_max=_us(args.lagMaxSeconds))
    if args.pauseSimulation is not None:
        course = (transitions.pause if args.pauseSimulation else transitions.resume)(course, wall_us)
    return course


def _us(seconds: float) -> int:
    return int(Decimal(str(seconds)) * SECOND_US)


def _budgets(catalogue: Catalogue, clock: Clock, args: Configure, faults: list[str]) -> dict[str, dict[str, int]]:
    asked: dict[str, dict[str, int | None]] = {service: dict(given) for service, given in args.budgets.items()}
    for alias, (service, name) in SEED_BUDGETS.items():
        value = getattr(args, alias)
        if value is None:
            continue
        if service not in clock.services or service not in catalogue or name not in catalogue[service].budgets:
            faults.append(f"{alias}: the world has no service {service}, whose budget that is")
        else:
            asked.setdefault(service, {})[name] = value
    wanted = {service: dict(given) for service, given in clock.budgets.items()}
    for service, given in asked.items():
        if service not in clock.services or service not in catalogue:
            faults.append(f"budgets.{service}: the world has no such service{near(service, clock.services)}")
            continue
        known = catalogue[service].budgets
        faults += [
            f"budgets.{service}.{name}: no such budget{near(name, known)}" for name in given if name not in known
        ]
        _overlay(wanted, service, given)
    return wanted


def _settings(catalogue: Catalogue, clock: Clock, args: Configure, faults: list[str]) -> dict[str, dict[str, Any]]:
    wanted = {service: dict(given) for service, given in clock.settings.items()}
    for service, given in args.settings.items():
        if service not in clock.services:
            faults.append(f"settings.{service}: the world has no such service{near(service, clock.services)}")
            continue
        _overlay(wanted, service, given)
        faults += setting_faults(service, wanted.get(service, {}), catalogue)
    return wanted


def _overlay(wanted: dict[str, dict[str, Any]], service: str, given: Mapping[str, Any]) -> None:
    own = {**wanted.get(service, {}), **given}
    wanted.pop(service, None)
    if kept := {name: value for name, value in own.items() if value is not None}:
        wanted[service] = kept
