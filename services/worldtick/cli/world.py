"""`worldtick world`: create, list, show and archive worlds.
Lives here: the verbs and what they print. Not here: scenarios and creation (control), rows (store)."""

import json
import time
from typing import Any

import click

from worldtick.cli.catalogue import catalogue
from worldtick.cli.commanding import command, commanding
from worldtick.cli.database import database
from worldtick.cli.directive import arguments
from worldtick.cli.moments import moment_us
from worldtick.cli.settings import Settings
from worldtick.cli.world_stats import stats
from worldtick.clock.calendar import moment
from worldtick.clock.course import lag_us, mode_of, paced
from worldtick.clock.scale import format_scale
from worldtick.clock.worldtime import format_unix_us, format_world_time
from worldtick.control.creation import archive_world, create_world
from worldtick.control.naming import named_world
from worldtick.control.scenario import load_scenario
from worldtick.sealing.steering import course_of
from worldtick.store.clocks import ClockView, find_view, find_views
from worldtick.store.db import transaction
from worldtick.store.directives import count_directives
from worldtick.store.worlds import LIST_MAX, World, count_worlds, list_worlds, slice_positions

STATUS_NAMES = {0: "well", 1: "parked", 2: "diverged"}

as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group()
def world() -> None:
    """Create, list, show and archive worlds."""


world.add_command(stats)


@world.command()
@click.argument("world_id", metavar="ID")
@click.option("--scenario", required=True, metavar="FILE|NAME", help="A YAML file, or a name such as night_city.")
@click.option(
    "--seed",
    type=click.IntRange(-(2**63), 2**63 - 1),
    default=1,
    show_default=True,
    help="Worlds of one scenario and seed have one history.",
)
@click.option(
    "--first-at",
    type=moment_us,
    metavar="RFC3339",
    help="Wall time; the firing at or before it is the first that counts. Default: now.",
)
@as_json_option
@click.pass_obj
def create(settings: Settings, world_id: str, scenario: str, seed: int, first_at: int | None, as_json: bool) -> None:
    """Create a world. The same again changes nothing; the same ID with anything else is refused."""
    services = catalogue()
    read = load_scenario(scenario, services, settings.scenario_defaults)
    first_us = time.time_ns() // 1_000 if first_at is None else first_at
    with database(settings, "world") as pool:
        created = create_world(pool, read.plan(world_id, first_us, seed), services)
    if as_json:
        click.echo(json.dumps({"world": world_id, "created": created, "scenario": read.name, "seed": seed}))
    elif created:
        click.echo(f"created world {world_id} from {read.name} with {', '.join(read.sections)}")
    else:
        click.echo(f"world {world_id} exists and is just so: nothing to do")


@world.command("list")
@click.option("--status", type=click.Choice(["active", "archived", "all"]), default="active", show_default=True)
@click.option("--after", default="", metavar="ID", help="Go on after this id: the last of the page before.")
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=50, show_default=True, help="Worlds of one page.")
@as_json_option
@click.pass_obj
def list_command(settings: Settings, status: str, after: str, limit: int, as_json: bool) -> None:
    """Worlds in order of their ids, with where their clocks stand."""
    wanted = None if status == "all" else status
    with database(settings, "world") as pool, transaction(pool) as conn:
        worlds = list_worlds(conn, wanted, after, limit)
        views = find_views(conn, [found.world_key for found in worlds])
        total = count_worlds(conn, wanted)
    for found in worlds:
        row = _row(found, views[found.world_key])
        click.echo(json.dumps(row) if as_json else _line(row))
    if not as_json:
        more = f"; more after {worlds[-1].world_id}: --after {worlds[-1].world_id}" if len(worlds) == limit else ""
        click.echo(f"{len(worlds)} of {total} {status if wanted else ''}".rstrip() + f" worlds{more}", err=True)


@world.command()
@click.argument("world_id", metavar="ID")
@as_json_option
@click.pass_obj
def show(settings: Settings, world_id: str, as_json: bool) -> None:
    """A world's clock, rules, services and slices."""
    with database(settings, "world") as pool, transaction(pool) as conn:
        found = named_world(conn, world_id)
        view = find_view(conn, found.world_key)
        slices = slice_positions(conn, found.world_key)
        waiting = count_directives(conn, found.world_key)
    if view is None:
        raise click.ClickException(f"world {world_id} has no clock; run `worldtick doctor`")
    whole = {**_row(found, view), **_rules(found, view), "directives_waiting": waiting, "slices": _slices(slices)}
    if as_json:
        click.echo(json.dumps({**whole, "scenario": json.loads(found.scenario)}))
        return
    for name, value in whole.items():
        if name == "slices":
            for each in value:
                click.echo("  {service}: {slices} slices at {versions}, {status}".format(**each))
        else:
            click.echo(f"{name:<20} {value if isinstance(value, str) else json.dumps(value)}")


@world.command()
@click.argument("world_id", metavar="ID")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--args", "given", metavar="JSON", help="All arguments as one JSON object, instead of KEY=VALUE.")
@commanding
@click.pass_context
def configure(ctx: click.Context, /, world_id: str, pairs: tuple[str, ...], given: str | None, **how: Any) -> None:
    """Change a part of a world's configuration, in effect from its next tick on.

    Such as `timeScale=2 maxNpcTicksPerStep=80`, or --args '{"settings": {"npc": {…}}}'; docs/CONTROL.md has all keys.
    What is not named stays as it is. A command on world.control: `worldtick run control` does it.
    """
    command(ctx, "world.configure", arguments(pairs, given), world_id, **how)


@world.command()
@click.argument("world_id", metavar="ID")
@as_json_option
@click.pass_obj
def archive(settings: Settings, world_id: str, as_json: bool) -> None:
    """End a world: nothing moves it any more; what it was stays."""
    with database(settings, "world") as pool:
        with transaction(pool) as conn:
            named_world(conn, world_id)
        archived = archive_world(pool, world_id)
    if as_json:
        click.echo(json.dumps({"world": world_id, "archived": archived}))
    else:
        click.echo(f"archived world {world_id}" if archived else f"world {world_id} was archived before")


def _row(found: World, view: ClockView) -> dict[str, Any]:
    now = moment(view.now_us, view.epoch_s)
    return {
        "world": found.world_id,
        "status": "paused" if view.paused and found.status == "active" else found.status,
        "world_time": format_world_time(view.now_us, view.epoch_s),
        "day": now.simulation_day,
        "hour": now.hour,
        "seq": view.seq,
        "published_seq": view.published_seq,
        "services": sorted(found.services),
    }


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['world']:<24} {row['status']:<9} {row['world_time']}  day {row['day']} {row['hour']:02d} h"
        f"  seq {row['seq']}  {', '.join(row['services'])}"
    )


def _rules(found: World, view: ClockView) -> dict[str, Any]:
    course = paced(course_of(view), time.time_ns() // 1_000)
    return {
        "owner": found.owner,
        "seed": found.seed,
        "scenario": json.loads(found.scenario).get("name", ""),
        "created_at": found.created_at.isoformat(),
        "epoch": format_world_time(0, view.epoch_s),
        "driver": view.driver,
        "mode": mode_of(course).value,
        "time_scale": format_scale(view.scale_ppb),
        "tick_interval_s": view.interval_us / 1_000_000,
        "turn_s": None if view.turn_us is None else view.turn_us / 1_000_000,
        "target": None if view.target_us is None else format_world_time(view.target_us, view.epoch_s),
        "lag_s": round(lag_us(course) / 1_000_000, 3),
        "lag_policy": view.lag_policy,
        "lag_s_max": view.lag_us_max / 1_000_000,
        "in_flight_max": view.in_flight_max,
        "grids": [name for name, on in (("hourly", view.hourly), ("daily", view.daily)) if on],
        "last_firing": format_unix_us(view.last_firing_us),
        "firing_every_s": view.period_us / 1_000_000,
        "catch_up": view.catch_up,
        "catch_up_max": view.catch_up_max,
        "facts": view.facts,
        "lag_ticks": view.lag_ticks,
        "hourly_seq": view.hourly_seq,
        "daily_seq": view.daily_seq,
        "rung_at": view.rung_at.isoformat() if view.rung_at else None,
        "budgets": found.budgets,
        "settings": found.settings,
    }


def _slices(rows: list[tuple[str, int, str, int, int, int, bytes | None]]) -> list[dict[str, Any]]:
    """One entry a service: a world may have a hundred thousand slices."""
    by_service: dict[str, list[tuple[int, int]]] = {}
    for service, _, _, _, version, status, _ in rows:
        by_service.setdefault(service, []).append((version, status))
    found = []
    for service, each in sorted(by_service.items()):
        least, most = min(version for version, _ in each), max(version for version, _ in each)
        counts = {name: sum(status == number for _, status in each) for number, name in STATUS_NAMES.items()}
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        versions = str(least) if least == most else f"{least}..{most}"
        found.append({"service": service, "slices": len(each), "versions": versions, "status": said})
    return found
