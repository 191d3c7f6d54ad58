"""`worldtick clock`: a world's time, and what changes how it runs.
Lives here: the verbs and what they print. Not here: what a command does (control/clocks), driving (ticker)."""

import json
import time
from typing import Any

import click

from worldtick.cli.database import database
from worldtick.cli.moments import moment_us
from worldtick.cli.settings import Settings
from worldtick.clock.course import Course, lag_us, paced, simulator
from worldtick.clock.worldtime import SECOND_US, WorldTime, format_world_time
from worldtick.contracts.errors import Refused
from worldtick.control.clocks import SKIP_TO_NEXT, command_clock
from worldtick.control.naming import named_world
from worldtick.sealing.steering import course_of
from worldtick.store.clocks import find_view
from worldtick.store.db import transaction

DRIVERS = ("scheduled", "auto", "event", "manual")
as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group()
@click.argument("world")
@click.pass_context
def clock(ctx: click.Context, world: str) -> None:
    """WORLD's time, and what changes how it runs. Ticks come from `worldtick ticker serve`."""
    ctx.meta["world"] = world


@clock.command()
@click.option("--format", "pattern", metavar="STRFTIME", help="Only the time, in this form; %% as in strftime.")
@click.option("--since", type=moment_us, metavar="WORLDTIME", help="And how much time went by since then.")
@as_json_option
@click.pass_context
def show(ctx: click.Context, pattern: str | None, since: int | None, as_json: bool) -> None:
    """What time it is, how the clock runs, and what is wrong with it, if anything; then ends with 1."""
    course = _course(ctx)
    now = simulator(course)
    row = _row(ctx.meta["world"], course)
    if since is not None:
        elapsed_us = now.get_elapsed_time(WorldTime(since - course.epoch_s * SECOND_US))
        row["elapsed_s"] = elapsed_us / SECOND_US
    if pattern is not None:
        click.echo(now.format_time(pattern))
    elif as_json:
        click.echo(json.dumps(row))
    else:
        _print(row)
    ctx.exit(1 if row["faults"] else 0)


@clock.command()
@as_json_option
@click.pass_context
def pause(ctx: click.Context, as_json: bool) -> None:
    """Freeze the world."""
    _command(ctx, "clock.pause", {}, as_json)


@clock.command()
@as_json_option
@click.pass_context
def resume(ctx: click.Context, as_json: bool) -> None:
    """Go on; the time spent paused is worth nothing."""
    _command(ctx, "clock.resume", {}, as_json)


@clock.command()
@click.argument("scale")
@as_json_option
@click.pass_context
def scale(ctx: click.Context, scale: str, as_json: bool) -> None:
    """World time per wall time under auto, such as 60 or 0.5."""
    _command(ctx, "clock.set_scale", {"scale": scale}, as_json)


@clock.command()
@click.argument("interval")
@as_json_option
@click.pass_context
def interval(ctx: click.Context, interval: str, as_json: bool) -> None:
    """Wall time between two steps under auto, such as 1s or 250ms."""
    _command(ctx, "clock.set_interval", {"interval": interval}, as_json)


@clock.command()
@click.argument("driver", type=click.Choice(DRIVERS))
@as_json_option
@click.pass_context
def mode(ctx: click.Context, driver: str, as_json: bool) -> None:
    """What drives the world from now on."""
    _command(ctx, "clock.set_mode", {"driver": driver}, as_json)


@clock.command()
@click.argument("duration")
@as_json_option
@click.pass_context
def advance(ctx: click.Context, duration: str, as_json: bool) -> None:
    """So much further than it is, or is told to go already, such as 1h30m or 30d."""
    _command(ctx, "clock.advance", {"duration": duration}, as_json)


@clock.command("next")
@as_json_option
@click.pass_context
def next_command(ctx: click.Context, as_json: bool) -> None:
    """To the next timer's exact time; where none is left, says so."""
    course = _commanded(ctx, SKIP_TO_NEXT, {})
    over = course.target_us is None
    row = {**_row(ctx.meta["world"], course), "simulation_complete": over}
    if as_json:
        click.echo(json.dumps(row))
    elif over:
        click.echo(f"{row['world']}: no more events")
    else:
        _print(row)


@clock.command("set")
@click.argument("worldtime")
@click.option("--execute-skipped/--no-execute-skipped", default=None, help="What becomes of timers that are passed.")
@as_json_option
@click.pass_context
def set_command(ctx: click.Context, worldtime: str, execute_skipped: bool | None, as_json: bool) -> None:
    """To a moment (RFC 3339, with a zone), through every boundary on the way."""
    if execute_skipped is None:
        raise click.UsageError("say --execute-skipped or --no-execute-skipped: what becomes of timers that are passed")
    _command(ctx, "clock.set", {"time": worldtime, "execute_skipped": execute_skipped}, as_json)


def _course(ctx: click.Context) -> Course:
    settings: Settings = ctx.obj
    with database(settings, "clock") as pool, transaction(pool) as conn:
        world = named_world(conn, ctx.meta["world"])
        view = find_view(conn, world.world_key)
    if view is None:
        raise Refused(f"world {world.world_id!r} was just removed")
    return paced(course_of(view), time.time_ns() // 1_000)


def _commanded(ctx: click.Context, name: str, args: dict[str, Any]) -> Course:
    settings: Settings = ctx.obj
    with database(settings, "clock") as pool:
        return command_clock(pool, ctx.meta["world"], name, args)


def _command(ctx: click.Context, name: str, args: dict[str, Any], as_json: bool) -> None:
    row = _row(ctx.meta["world"], _commanded(ctx, name, args))
    if as_json:
        click.echo(json.dumps(row))
    else:
        _print(row)


def _row(world: str, course: Course) -> dict[str, Any]:
    now = simulator(course)
    faults = now.validate()
    times = now.to_dict() if not faults else {"current_us": now.current_us, "mode": now.mode.value}
    target = None if course.target_us is None else format_world_time(course.target_us, course.epoch_s)
    return {
        "world": world,
        **times,
        "driver": course.driver,
        "target": target,
        "lag_s": round(lag_us(course) / SECOND_US, 3),
        "version": course.version,
        "faults": faults,
    }


def _print(row: dict[str, Any]) -> None:
    target = f", on its way to {row['target']}" if row["target"] else ""
    scale = f" x {row['time_scale']}" if row["driver"] == "auto" and "time_scale" in row else ""
    at = row.get("current_time", f"{row['current_us']} us")
    click.echo(f"{row['world']}: {at}  {row['mode']}, driven by {row['driver']}{scale}{target}")
    for name in ("lag_s", "elapsed_s"):
        if row.get(name):
            click.echo(f"  {name} {row[name]}")
    for fault in row["faults"]:
        click.echo(f"  fault: {fault}", err=True)
