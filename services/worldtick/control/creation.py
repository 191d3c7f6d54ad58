"""Creating worlds: world, clock and empty slices in one transaction, the same again is the same.
Lives here: what a new world is made of and when two requests are one. Not here: reading scenario files (cli)."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pydantic import BaseModel, ValidationError

from worldtick.clock.course import Course, Pace, begun
from worldtick.clock.firings import first_last_firing
from worldtick.clock.worldtime import DAY_US, EPOCH_S, HOUR_US
from worldtick.contracts.errors import Faulty, Refused
from worldtick.runtime.declared import encoded_facts
from worldtick.runtime.service import Service
from worldtick.sealing.draft import AGENDA
from worldtick.store.clocks import NewClock, find_view, insert_clock, lock_clocks, stop_clock
from worldtick.store.db import Connection, Pool, transaction
from worldtick.store.ledger import copy_facts
from worldtick.store.worlds import (
    NewWorld,
    World,
    find_world,
    insert_slices,
    insert_world,
    keys_of,
    set_archived,
)

WORLD_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
SCENARIO_BYTES_MAX = 1_048_576
SLICES_MAX = 100_000  # of one world, all services


@dataclass(frozen=True, slots=True)
class Plan:
    """A world to be created. Firings count from the last one at or before `first_us` (Unix us)."""

    world_id: str
    scenario: str  # canonical JSON
    sections: Mapping[str, BaseModel]  # service -> its validated section
    first_us: int
    seed: int = 1
    owner: str = "local"
    epoch_s: int = EPOCH_S
    facts: str = "latest"
    lag_ticks: int = 1
    pace: Pace = field(default_factory=Pace)
    catch_up: str = "each"
    catch_up_max: int = 24
    hourly: bool = True
    daily: bool = True
    budgets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def create_world(pool: Pool, plan: Plan, catalogue: Mapping[str, Service[Any]]) -> bool:
    """Create a world in one transaction; False if an identical one was there already.

    Raises Faulty naming every fault of the plan, Refused if the id is taken by another world or an archived one.
    """
    with transaction(pool) as conn:
        return create_world_in(conn, plan, catalogue)


def create_world_in(conn: Connection, plan: Plan, catalogue: Mapping[str, Service[Any]]) -> bool:
    """The same within a transaction of the caller's."""
    _check(plan, catalogue)
    services = tuple(sorted(plan.sections))
    new = NewWorld(plan.world_id, plan.owner, plan.seed, plan.scenario, services, plan.budgets, plan.settings)
    period_us = HOUR_US if plan.hourly else DAY_US
    course = begun(Course(epoch_s=plan.epoch_s, **asdict(plan.pace)), plan.first_us)  # auto: earns from then on
    clock = NewClock(
        epoch_s=plan.epoch_s,
        hourly=plan.hourly,
        daily=plan.daily,
        period_us=period_us,
        last_firing_us=first_last_firing(plan.first_us, period_us),
        catch_up=plan.catch_up,
        catch_up_max=plan.catch_up_max,
        facts=plan.facts,
        lag_ticks=plan.lag_ticks,
        **asdict(plan.pace),
        anchor_us=course.anchor_us,
        due_us=course.due_us,
    )
    slices, facts = _slices(plan, catalogue), _first_facts(plan, catalogue)
    world_key = insert_world(conn, new)
    if world_key is None:
        _must_be_same(conn, new, clock)
        return False
    insert_clock(conn, world_key, clock)
    insert_slices(conn, world_key, slices)
    copy_facts(conn, [(world_key, *row) for row in facts])
    return True


def archive_world(pool: Pool, world_id: str) -> bool:
    """End a world: no ticker moves it any more, its rows stay. False if it was archived already. Refused if unknown."""
    with transaction(pool) as conn:
        return archive_world_in(conn, world_id)


def archive_world_in(conn: Connection, world_id: str) -> bool:
    """The same within a transaction of the caller's."""
    found = keys_of(conn, [world_id]).get(world_id)
    if found is None:
        raise Refused(f"there is no world {world_id!r}; see `worldtick world list`")
    lock_clocks(conn, [found[0]])
    stop_clock(conn, found[0])
    return set_archived(conn, found[0])


def _check(plan: Plan, catalogue: Mapping[str, Service[Any]]) -> None:
    unknown = sorted(set(plan.sections) - set(catalogue))
    faults = [f"there is no service {name!r}; there are {', '.join(sorted(catalogue))}" for name in unknown]
    if not WORLD_ID.fullmatch(plan.world_id):
        faults.append("a world's id has 1 to 63 of a-z, 0-9, _ . - and begins with a letter or digit")
    if not plan.sections:
        faults.append("a world needs a service")
    if not plan.hourly and not plan.daily:
        faults.append("a world needs a grid: hourly, daily or both")
    if plan.pace.driver == "event" and AGENDA not in plan.sections:
        faults.append(f"a world that goes by its timers needs the service {AGENDA!r}, which keeps them")
    if len(plan.scenario.encode()) > SCENARIO_BYTES_MAX:
        faults.append(f"the scenario is over {SCENARIO_BYTES_MAX} bytes: give recipes and counts, not entities")
    if not 1 <= plan.catch_up_max <= 10_000:
        faults.append("catch-up's bound is 1 to 10000")
    if not -(2**63) <= plan.seed < 2**63:
        faults.append("the seed has 64 bits, with sign")
    faults += [
        f"budget {service}.{name} is none of that service's or negative"
        for service, granted in plan.budgets.items()
        for name, value in granted.items()
        if service not in catalogue or name not in catalogue[service].budgets or value < 0
    ]
    faults += [fault for service, given in plan.settings.items() for fault in setting_faults(service, given, catalogue)]
    if faults:
        raise Faulty(f"world {plan.world_id}", faults)


def setting_faults(service: str, given: Mapping[str, Any], catalogue: Mapping[str, Service[Any]]) -> list[str]:
    """What is wrong with settings that are to stand in a world's row; each fault names service, setting and rule."""
    model = catalogue[service].settings if service in catalogue else None
    if model is None:
        return [f"service {service!r} has no settings"]
    try:
        model.model_validate(given)
    except ValidationError as broken:
        return [
            f"setting {service}.{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in broken.errors(include_url=False)
        ]
    return []


def _slices(plan: Plan, catalogue: Mapping[str, Service[Any]]) -> list[tuple[str, int, str]]:
    counts = [(catalogue[name], catalogue[name].slices(section)) for name, section in sorted(plan.sections.items())]
    if sum(count for _, count in counts) > SLICES_MAX:
        raise Faulty(f"world {plan.world_id}", [f"it would have over {SLICES_MAX} slices"])
    return [(service.name, slice_no, service.stream) for service, count in counts for slice_no in range(count)]


def _first_facts(plan: Plan, catalogue: Mapping[str, Service[Any]]) -> list[tuple[str, int, int, bytes]]:
    """(service, slice, seq 0, body) of those services whose first state says something."""
    return [
        (name, slice_no, 0, body)
        for name, section in sorted(plan.sections.items())
        if (first := catalogue[name].first_facts) is not None
        for slice_no in range(catalogue[name].slices(section))
        if (body := encoded_facts(catalogue[name], first(section, plan.seed, slice_no))) is not None
    ]


def _must_be_same(conn: Connection, new: NewWorld, clock: NewClock) -> None:
    """Raises Refused, naming what differs; the time of the first firing is no difference."""
    old = find_world(conn, new.world_id)
    view = find_view(conn, old.world_key) if old else None
    if old is None or view is None:
        raise Refused(f"world {new.world_id!r} was just removed; try again")
    if old.status != "active":
        raise Refused(f"world {new.world_id!r} is archived; take another id")
    paced = [each.name for each in fields(Pace)]
    rules = ("epoch_s", "driver", "hourly", "daily", "catch_up", "catch_up_max", "facts", "lag_ticks")
    names = dict.fromkeys((*rules, *paced))
    other = [name for name in names if getattr(view, name) != getattr(clock, name)]
    other += _differences(old, new)
    if other:
        raise Refused(f"world {new.world_id!r} exists with other {', '.join(other)}; take another id")


def _differences(old: World, new: NewWorld) -> list[str]:
    pairs = {
        "owner": (old.owner, new.owner),
        "seed": (old.seed, new.seed),
        "scenario": (old.scenario, new.scenario),
        "services": (sorted(old.services), sorted(new.services)),
        "settings": (old.settings, {service: dict(given) for service, given in new.settings.items()}),
        "budgets": (old.budgets, {service: dict(granted) for service, granted in new.budgets.items()}),
    }
    return [name for name, (before, after) in pairs.items() if before != after]
