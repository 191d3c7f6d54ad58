"""`worldtick clock`: a world's time, and what changes how it runs.
Lives here: the verbs, what `show` prints. Not here: sending (commanding), what commands do (control)."""

import json
import time
from typing import Any

import click

from worldtick.cli.commanding import command, commanding
from worldtick.cli.database import database
from worldtick.cli.moments import moment_us
from worldtick.cli.settings import Settings
from worldtick.clock.course import Course, lag_us, paced, simulator
from worldtick.clock.worldtime import SECOND_US, WorldTime, format_world_time
from worldtick.contracts.errors import Refused
from worldtick.control.clocks import SKIP_TO_NEXT, read_args
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
    """WORLD's time, and what changes how it runs.

    All but `show` are commands on world.control: `worldtick run control` does them, `worldtick ticker serve` moves the
    world. They print each reply; 1 if refused, 75 if none came in time.
    """
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
@commanding
@click.pass_context
def pause(ctx: click.Context, /, **how: Any) -> None:
    """Freeze the world."""
    _command(ctx, "clock.pause", {}, **how)


@clock.command()
@commanding
@click.pass_context
def resume(ctx: click.Context, /, **how: Any) -> None:
    """Go on; the time spent paused is worth nothing."""
    _command(ctx, "clock.resume", {}, **how)


@clock.command()
@click.argument("scale")
@commanding
@click.pass_context
def scale(ctx: click.Context, /, scale: str, **how: Any) -> None:
    """World time per wall time under auto, such as 60 or 0.5."""
    _command(ctx, "clock.set_scale", {"scale": scale}, **how)


@clock.command()
@click.argument("interval")
@commanding
@click.pass_context
def interval(ctx: click.Context, /, interval: str, **how: Any) -> None:
    """Wall time between two steps under auto, such as 1s or 250ms."""
    _command(ctx, "clock.set_interval", {"interval": interval}, **how)


@clock.command()
@click.argument("driver", type=click.Choice(DRIVERS))
@commanding
@click.pass_context
def mode(ctx: click.Context, /, driver: str, **how: Any) -> None:
    """What drives the world from now on."""
    _command(ctx, "clock.set_mode", {"driver": driver}, **how)


@clock.command()
@click.argument("duration")
@commanding
@click.pass_context
def advance(ctx: click.Context, /, duration: str, **how: Any) -> None:
    """So much further than it is, or is told to go already, such as 1h30m or 30d."""
    _command(ctx, "clock.advance", {"duration": duration}, **how)


@clock.command("next")
@commanding
@click.pass_context
def next_command(ctx: click.Context, /, **how: Any) -> None:
    """To the next timer's exact time; where none is left, says so."""
    _command(ctx, SKIP_TO_NEXT, {}, **how)


@clock.command("set")
@click.argument("worldtime")
@click.option("--execute-skipped/--no-execute-skipped", default=None, help="What becomes of timers that are passed.")
@commanding
@click.pass_context
def set_command(ctx: click.Context, /, worldtime: str, execute_skipped: bool | None, **how: Any) -> None:
    """To a moment (RFC 3339, with a zone), through every boundary on the way."""
    if execute_skipped is None:
        raise click.UsageError("say --execute-skipped or --no-execute-skipped: what becomes of timers that are passed")
    _command(ctx, "clock.set", {"time": worldtime, "execute_skipped": execute_skipped}, **how)


def _command(ctx: click.Context, /, name: str, args: dict[str, Any], **how: Any) -> None:
    read_args(name, args)  # what control would refuse for its form is said at once
    command(ctx, name, args, ctx.meta["world"], **how)


def _course(ctx: click.Context) -> Course:
    settings: Settings = ctx.obj
    with database(settings, "clock") as pool, transaction(pool) as conn:
        world = named_world(conn, ctx.meta["world"])
        view = find_view(conn, world.world_key)
    if view is None:
        raise Refused(f"world {world.world_id!r} was just removed")
    return paced(course_of(view), time.time_ns() // 1_000)


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
