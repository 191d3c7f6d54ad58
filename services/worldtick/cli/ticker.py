"""`worldtick ticker`: the one-shot of a CronJob, and `serve`, the same as a loop.
Lives here: the verbs, which firing a run is for, exit codes. Not here: what a run does (ticker)."""

import json
import time
from functools import partial
from typing import Any, Literal

import click

from worldtick.cli.catalogue import catalogue
from worldtick.cli.database import database
from worldtick.cli.main import LATER
from worldtick.cli.moments import duration_us, moment_us, wait_us
from worldtick.cli.settings import Settings
from worldtick.cli.writing import writer_of
from worldtick.clock.errors import NotAMoment
from worldtick.clock.firings import firing_of_job, floor_firing
from worldtick.clock.worldtime import DAY_US, HOUR_US, SECOND_US, WallTime, format_unix_us
from worldtick.contracts.errors import Faulty, Unavailable
from worldtick.control.naming import named_keys, named_world
from worldtick.store.clocks import find_view
from worldtick.store.db import Pool, transaction
from worldtick.store.retention import Policy, prune
from worldtick.ticker.account import note_failure, note_run
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import Report, run_ticker

WORLDS_SHOWN = 20  # on a terminal; --json shows all
SERVE_CONNECTIONS = 6  # two for each loop, one of them listening; the rest for pruning and the account

Run = Literal["hourly", "daily"]
only_worlds = click.option("--world", "worlds", multiple=True, metavar="ID", help="Only this world; may be repeated.")


@click.group(invoke_without_command=True)
@click.option("--type", "run", type=click.Choice(["hourly", "daily"]), help="Which grid is run.")
@click.option("--at", type=moment_us, metavar="RFC3339", help="The scheduled wall time that this run is for.")
@click.option("--slot", type=moment_us, metavar="WORLDTIME", help="Up to this world time, whatever firings are due.")
@only_worlds
@click.option(
    "--wait",
    type=wait_us,
    default="60s",
    show_default=True,
    metavar="DURATION",
    help="How long to wait where services, or midnight's hour, must come first.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def ticker(
    ctx: click.Context,
    run: Run | None,
    at: int | None,
    slot: int | None,
    worlds: tuple[str, ...],
    wait: int,
    as_json: bool,
) -> None:
    """Seal and publish every tick that is due in all scheduled worlds, once, however often it is run.

    The run is for --at; else for the minute in the Job's name (WORLDTICK_JOB_NAME); else for the last boundary of the
    grid, which is printed. Ends with 0 when all is published, with 75 when something must wait: run it again.
    """
    if ctx.invoked_subcommand is not None:
        if run or worlds or at is not None or slot is not None:
            raise click.UsageError(f"options of a one-shot do not go with `ticker {ctx.invoked_subcommand}`")
        return
    if run is None:
        raise click.UsageError("say --type hourly or --type daily, or `ticker serve`")
    settings: Settings = ctx.obj
    order, origin = order_of(run, at, slot, settings.job_name)
    pruning = partial(prune, policy=Policy(settings.keep_ticks))
    with database(settings, "ticker") as pool:
        keys, idle = _keys(pool, worlds)
        publisher = Publisher(
            settings.kafka_bootstrap_servers, writer_of(settings), settings.topic_prefix, settings.kafka
        )
        try:
            report = run_ticker(pool, publisher, catalogue(), order, keys, wait / SECOND_US, pruning)
        except Unavailable:
            note_failure(pool, order.run)
            raise
        finally:
            publisher.close()
        note_run(pool, report)
    if as_json:
        click.echo(json.dumps({**as_object(report, origin), "idle": idle}))
    else:
        _print(report, origin, idle)
    ctx.exit(LATER if report.progress.waiting or report.progress.missing else 0)


@ticker.command()
@click.option(
    "--hour-every",
    type=duration_us,
    default="1h",
    show_default=True,
    metavar="DURATION",
    help="Wall time of a game hour; firings are its multiples in Unix time.",
)
@click.option("--until", type=moment_us, metavar="WORLDTIME", help="Move no world beyond this world time.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="For health and metrics, instead of PORT; 0: any free one."
)
@only_worlds
@click.pass_obj
def serve(settings: Settings, hour_every: int, until: int | None, port: int | None, worlds: tuple[str, ...]) -> None:
    """Drive all worlds by their modes until SIGTERM; safe to run twice.

    Scheduled worlds move at every firing; automatic ones by their scale and interval; any that was told to advance
    moves towards its target at once.
    """
    from worldtick.cli.serving import serve_ticker  # loads the scheduler

    with database(settings, "ticker", SERVE_CONNECTIONS) as pool:
        keys, _ = _keys(pool, worlds)
        at = settings.port if port is None else port
        serve_ticker(settings, pool, catalogue(), hour_every, keys, at, until)


def order_of(run: Run, at: int | None, slot: int | None, job: str) -> tuple[Order, str]:
    """What a run is for, and where that was said: at, slot, job or grid. Raises UsageError, Faulty."""
    period_us = HOUR_US if run == "hourly" else DAY_US
    if at is not None and slot is not None:
        raise click.UsageError("--at is wall time and --slot world time: give one of them")
    if slot is not None:
        if slot % period_us:
            raise click.UsageError(f"--slot {format_unix_us(slot)} is no {run} boundary of world time")
        return Order(run, floor_firing(time.time_ns() // 1_000, period_us), period_us, slot), "slot"
    if at is not None:
        return Order(run, WallTime(at), period_us), "at"
    if job:
        try:
            return Order(run, firing_of_job(job), period_us), "job"
        except NotAMoment as fault:
            raise Faulty("WORLDTICK_JOB_NAME", [str(fault)]) from fault
    return Order(run, floor_firing(time.time_ns() // 1_000, period_us), period_us), "grid"


def _keys(pool: Pool, worlds: tuple[str, ...]) -> tuple[list[int] | None, dict[str, str]]:
    """Keys of the worlds that were named (none named: all), and why any of them will not move."""
    if not worlds:
        return None, {}
    idle: dict[str, str] = {}
    with transaction(pool) as conn:
        keys = named_keys(conn, worlds)
        for world_id in worlds:
            view = find_view(conn, named_world(conn, world_id).world_key)
            if view is not None and view.paused:
                idle[world_id] = "paused"
            elif view is not None and view.driver != "scheduled":
                idle[world_id] = f"driven by {view.driver}, not by a schedule"
    return keys, idle


def as_object(report: Report, origin: str) -> dict[str, Any]:
    """A run as --json prints it."""
    progress, order = report.progress, report.order
    return {
        "type": order.run,
        "for": origin,
        "firing": None if origin == "slot" else format_unix_us(order.at_us),
        "slot": None if order.slot_unix_us is None else format_unix_us(order.slot_unix_us),
        "worlds": progress.worlds,
        "sealed": progress.sealed,
        "published": report.published,
        "rung_again": report.rung_again,
        "left": progress.left,
        "behind": progress.behind,
        "hours_first": sorted(progress.hours_first),
        "missing_services": progress.missing,
        "complete": not progress.waiting and not progress.missing,
    }


def _print(report: Report, origin: str, idle: dict[str, str]) -> None:
    progress, order = report.progress, report.order
    said = {"at": "--at", "job": "the Job's name", "grid": f"the last {order.run} boundary"}
    if order.slot_unix_us is not None:
        click.echo(f"{order.run} up to world time {format_unix_us(order.slot_unix_us)}")
    else:
        click.echo(f"{order.run} for {format_unix_us(order.at_us)} ({said[origin]})")
    lines = [
        f"{world}: sealed {', '.join(f'{count} {kind}' for kind, count in kinds.items())},"
        f" now at {_slot(report, world)}"
        for world, kinds in sorted(progress.sealed.items())
    ]
    lines += [f"{world}: {why}" for world, why in sorted(idle.items())]
    for line in lines[:WORLDS_SHOWN]:
        click.echo(line)
    if len(lines) > WORLDS_SHOWN:
        click.echo(f"… and {len(lines) - WORLDS_SHOWN} worlds more")
    again = f", {report.rung_again} rung again" if report.rung_again else ""
    click.echo(f"{progress.worlds} worlds, {report.sealed} sealed, {report.published} published{again}")
    for line in _leftovers(report):
        click.echo(line, err=True)


def _leftovers(report: Report) -> list[str]:
    progress = report.progress
    lines = []
    for world in sorted({*progress.left, *progress.behind, *progress.hours_first}):
        slots = progress.left.get(world, 0)
        if world in progress.hours_first:
            lines.append(f"{world}: the daily tick waits for midnight's hourly one; run --type hourly, then again")
        elif services := progress.behind.get(world):
            lines.append(f"{world}: {slots} slots left, waiting for {', '.join(services)}; run again")
        elif slots:
            lines.append(f"{world}: {slots} slots left by its catch-up bound; the next run goes on")
    for world, names in sorted(progress.missing.items()):
        lines.append(f"{world}: not moved, for this ticker has no service {', '.join(names)}: install it here")
    return lines


def _slot(report: Report, world: str) -> str:
    tick = report.progress.newest[world]
    return f"{format_unix_us(tick.epoch_s * SECOND_US + tick.to_us)} (seq {tick.seq})"
