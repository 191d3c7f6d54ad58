"""`worldtick npc`: the inhabitants of a world as they are now.
Lives here: the verbs. Not here: stepping a slice again (observer/present), what the columns mean (npc/people)."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import click

from worldtick.cli.catalogue import catalogue
from worldtick.cli.columns import print_rows
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.clock.worldtime import SECOND_US, format_world_time
from worldtick.contracts.errors import Refused
from worldtick.control.naming import named_world
from worldtick.npc.people import Slice
from worldtick.npc.units import AXES, EVEN, LEVELS, NEEDS, NEVER, POINT, TIERS
from worldtick.npc.words import NAME
from worldtick.observer.present import present_state
from worldtick.runtime.memory import section_of
from worldtick.store.clocks import find_view
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import World

LIST_MAX: Final = 1_000


@click.group()
def npc() -> None:
    """Inhabitants: exact, as after their last finished tick."""


@npc.command("list")
@click.argument("world")
@click.option("--tier", type=click.Choice(TIERS), help="Only those in this tier.")
@click.option("--place", help="Only those at this place.")
@click.option("--from", "first", type=click.IntRange(0), default=0, show_default=True, help="The first one's number.")
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_command(
    settings: Settings, world: str, tier: str | None, place: str | None, first: int, limit: int, as_json: bool
) -> None:
    """Who lives in WORLD: where, doing what, how closely simulated."""
    with database(settings, "npc") as pool:
        wanted = (
            told
            for told in _from(pool, world, first)
            if (tier is None or told["tier"] == tier) and (place is None or told["place"] == place)
        )
        rows = list(islice(wanted, limit))
    head = ("NPC", "GROUP", "TIER", "PLACE", "DOES", "SINCE", "NEXT DECISION")
    keys = ("npc", "group", "tier", "place", "activity", "started_at", "next_decision_at")
    print_rows(rows, as_json, head, lambda told: [told[key] for key in keys])


@npc.command("show")
@click.argument("world")
@click.argument("number", type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def show(settings: Settings, world: str, number: int, as_json: bool) -> None:
    """Everything about inhabitant NUMBER of WORLD."""
    with database(settings, "npc") as pool:
        told = _one(pool, world, number)
    if as_json:
        click.echo(json.dumps(told))
        return
    for key, value in told.items():
        said = ", ".join(f"{name} {points}" for name, points in value.items()) if isinstance(value, dict) else value
        click.echo(f"{key:<17} {said if said not in (None, '', []) else '-'}")


@npc.command("tiers")
@click.argument("world")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a tier.")
@click.pass_obj
def tiers(settings: Settings, world: str, as_json: bool) -> None:
    """How many of WORLD's inhabitants are in each tier, how many are due and wait, and for how long the oldest does."""
    counts = {name: [0, 0, 0] for name in TIERS}  # people, due, oldest wait
    with database(settings, "npc") as pool:
        found, _, plan = _about(pool, world)
        with transaction(pool) as conn:
            view = find_view(conn, found.world_key)
        now_s = (view.now_us if view is not None else 0) // SECOND_US
        for number in range(plan.slices):
            state = _slice(pool, found, number)
            for tier, name in enumerate(TIERS):
                due_s = state.people.due_s[state.people.tier == tier]
                late = due_s[due_s < now_s]
                people, due, wait_s = counts[name]
                oldest_s = now_s - int(late.min()) if len(late) else 0
                counts[name] = [people + len(due_s), due + len(late), max(wait_s, oldest_s)]
    names = ("tier", "people", "due", "oldest_wait_s")
    rows = [dict(zip(names, (tier, *row), strict=True)) for tier, row in counts.items()]
    print_rows(rows, as_json, ("TIER", "PEOPLE", "DUE", "OLDEST WAIT, S"), lambda row: [*row.values()])


@npc.command("watch")
@click.argument("world")
@click.argument("number", type=click.IntRange(0))
@click.option("--every", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--times", type=click.IntRange(1), help="So many looks, then end; else until Ctrl-C.")
@click.pass_obj
def watch(settings: Settings, world: str, number: int, every: float, times: int | None) -> None:
    """A line of JSON whenever inhabitant NUMBER of WORLD has changed."""
    before: dict[str, Any] | None = None
    looks = 0
    with database(settings, "npc") as pool:
        while times is None or looks < times:
            told = _one(pool, world, number)
            if told != before:
                click.echo(json.dumps(told))
                before = told
            looks += 1
            if times is None or looks < times:
                time.sleep(every)


def _from(pool: Pool, world: str, first: int) -> Iterator[dict[str, Any]]:
    """The inhabitants from a number on; a slice is read when its first one is asked for."""
    found, epoch_s, plan = _about(pool, world)
    for number in range(first // plan.slice_npcs, plan.slices):
        state = _slice(pool, found, number)
        for index in range(max(0, first - state.first), len(state.people.flags)):
            yield described(state, index, epoch_s)


def _one(pool: Pool, world: str, number: int) -> dict[str, Any]:
    found, epoch_s, plan = _about(pool, world)
    if number >= plan.count:
        raise Refused(f"world {world!r} has {plan.count} inhabitants, numbered from 0")
    state = _slice(pool, found, number // plan.slice_npcs)
    return described(state, number - state.first, epoch_s)


def _about(pool: Pool, world: str) -> tuple[World, int, Any]:
    """(world, epoch, plan). Raises Refused if it has no inhabitants."""
    with transaction(pool) as conn:
        found = named_world(conn, world)
        view = find_view(conn, found.world_key)
    if NAME not in found.services or view is None:
        raise Refused(f"world {world!r} has no inhabitants: its services are {', '.join(sorted(found.services))}")
    return found, view.epoch_s, section_of(catalogue()[NAME], found.scenario).plan


def _slice(pool: Pool, world: World, number: int) -> Slice:
    state: Slice = present_state(pool, world, catalogue(), NAME, number)[1]
    return state


def described(state: Slice, index: int, epoch_s: int) -> dict[str, Any]:
    """One inhabitant in the scenario's own words; levels in points."""
    plan, people = state.plan, state.people
    units = people.level[:, index].tolist()
    points = {
        name: round(units[row] / POINT, 1) if name in NEEDS else round((units[row] - EVEN) * 2 / POINT, 1)
        for row, name in enumerate(LEVELS)
    }
    ties = {
        str(other): dict(zip(AXES, people.axis[:, slot, index].tolist(), strict=True))
        for slot, other in enumerate(people.tie[:, index].tolist())
        if other >= 0
    }
    flags = int(people.flags[index])
    return {
        "npc": state.first + index,
        "group": plan.groups[people.group[index]],
        "tier": TIERS[people.tier[index]],
        "place": plan.places[people.place[index]],
        "home": plan.places[people.home[index]],
        "work": plan.places[people.work[index]],
        "activity": plan.activities[people.activity[index]],
        "started_at": _stamp(int(people.started_s[index]), epoch_s),
        "next_decision_at": _stamp(int(people.due_s[index]), epoch_s),
        "last_simulated_at": _stamp(int(people.seen_s[index]), epoch_s),
        "levels": points,
        "traits": dict(zip(plan.traits, people.trait[:, index].tolist(), strict=True)),
        "flags": [name for bit, name in enumerate(plan.flags) if flags >> bit & 1],
        "items": dict(zip(plan.items, people.item[:, index].tolist(), strict=True)),
        "relationships": ties,
    }


def _stamp(second: int, epoch_s: int) -> str | None:
    return None if second >= NEVER else format_world_time(second * SECOND_US, epoch_s)
