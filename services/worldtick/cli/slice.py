"""`worldtick slice`: the slices that workers step, and letting a stopped one go on.
Lives here: the verbs. Not here: why a slice stops (runtime)."""

import json
from typing import Any

import click

from worldtick.cli.columns import aligned, size
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.contracts.errors import Refused
from worldtick.control.naming import named_world
from worldtick.observer.overview import STATES
from worldtick.store.db import transaction
from worldtick.store.standing import LIST_MAX, SliceStanding, list_slices, resume_slice

DIVERGED = 2


@click.group("slice")
def slice() -> None:
    """List slices; let a parked one go on."""


@slice.command("list")
@click.argument("world", required=False)
@click.option("--service", help="Only this service's.")
@click.option("--stopped", is_flag=True, help="Only those that are parked or diverged.")
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_command(
    settings: Settings, world: str | None, service: str | None, stopped: bool, limit: int, as_json: bool
) -> None:
    """Slices of WORLD, or of all worlds: where each stands in its stream, and its state."""
    with database(settings, "slice") as pool, transaction(pool) as conn:
        if world is not None:
            named_world(conn, world)
        found = list_slices(conn, world, service, stopped, limit)
    if as_json:
        for row in found:
            click.echo(json.dumps(_row(row)))
        return
    head = ("WORLD", "SERVICE", "SLICE", "STATE", "AT", "OF", "DEAD", "CARRIED", "SNAPSHOT", "BYTES", "REASON")
    rows = [
        (each.world, each.service, each.slice_no, STATES[each.status], each.version, each.place, each.dead_in_row,
         each.carried, each.snapshot_version, size(each.snapshot_bytes), each.reason)
        for each in found
    ]  # fmt: skip
    for line in aligned(head, rows):
        click.echo(line)


@slice.command()
@click.argument("world")
@click.argument("service")
@click.argument("number", type=int, metavar="SLICE")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def resume(settings: Settings, world: str, service: str, number: int, as_json: bool) -> None:
    """Let a stopped slice go on with the tick after the last one that it finished.

    A parked slice may die again at once if its cause stays. A diverged one is recovered again, and its digest checked:
    it stops again unless its snapshot, ticks or build were mended.
    """
    with database(settings, "slice") as pool, transaction(pool) as conn:
        named_world(conn, world)
        found = [row for row in list_slices(conn, world, service, False, LIST_MAX) if row.slice_no == number]
        if not found:
            raise Refused(f"world {world!r} has no slice {service}/{number}; see `worldtick slice list {world}`")
        resumed = resume_slice(conn, found[0].slice_key)
    state = STATES[found[0].status]
    if as_json:
        click.echo(json.dumps({"world": world, "service": service, "slice": number, "was": state, "resumed": resumed}))
    elif resumed:
        click.echo(f"{service}/{number} of {world} was {state}; it goes on when its world is next rung")
        click.echo("the next tick rings it, and so does any ticker's run once a minute", err=True)
    else:
        click.echo(f"{service}/{number} of {world} is not stopped: nothing to do")


def _row(row: SliceStanding) -> dict[str, Any]:
    return {
        "world": row.world,
        "service": row.service,
        "slice": row.slice_no,
        "state": STATES[row.status],
        "stream": row.stream,
        "version": row.version,
        "of": row.place,
        "dead_in_row": row.dead_in_row,
        "carried": row.carried,
        "snapshot_version": row.snapshot_version,
        "snapshot_bytes": row.snapshot_bytes,
        "reason": row.reason,
    }
