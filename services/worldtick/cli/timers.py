"""`worldtick timers`: what is due in a world and when, and what became of what was.
Lives here: the verbs. Not here: the agenda's rules (agenda), asking for a timer (directive)."""

import json
from itertools import islice
from typing import Any

import click

from worldtick.agenda.agenda import Agenda
from worldtick.agenda.service import NAME
from worldtick.agenda.timers import Timer
from worldtick.cli.catalogue import catalogue
from worldtick.cli.columns import print_rows
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.clock.worldtime import format_world_time
from worldtick.contracts.errors import Refused
from worldtick.control.naming import named_world
from worldtick.observer.present import present_state
from worldtick.store.clocks import epoch_of
from worldtick.store.db import transaction
from worldtick.store.timers import LIST_MAX, FateRow, list_fates


@click.group()
def timers() -> None:
    """What is due in a world, and what became of it. To put one in: worldtick directive add WORLD agenda timer_add …"""


@timers.command("list")
@click.argument("world")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="So many, those due first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_command(settings: Settings, world: str, limit: int, as_json: bool) -> None:
    """WORLD's pending timers in the order in which they run, as its agenda stands now."""
    with database(settings, "timers") as pool:
        with transaction(pool) as conn:
            found = named_world(conn, world)
            epoch_s = epoch_of(conn, found.world_key)
        version, agenda = present_state(pool, found, catalogue(), NAME)
    assert isinstance(agenda, Agenda), "the agenda's state is one"
    rows = [_pending(timer, epoch_s) for timer in islice(agenda.queue, limit)]
    if not (rows or as_json):
        click.echo(f"no timer is pending in {world}, as its agenda stands at tick {version}")
        return
    names = ("at", "timer", "priority", "every_us", "left", "times", "then", "source")
    head = ("DUE", "TIMER", "PRIORITY", "EVERY s", "LEFT", "TIMES", "THEN", "PUT IN BY")
    print_rows(rows, as_json, head, lambda row: [_shown(name, row[name]) for name in names])
    if agenda.queue.count > len(rows) and not as_json:
        click.echo(f"{len(rows)} of {agenda.queue.count} timers are pending; more: --limit", err=True)


@timers.command("fates")
@click.argument("world")
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=50, show_default=True, help="Of one page.")
@click.option("--before", type=click.IntRange(1), metavar="SEQ", help="Only those of earlier ticks.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def fates_command(settings: Settings, world: str, limit: int, before: int | None, as_json: bool) -> None:
    """What became of WORLD's timers, newest first: fired, skipped, cancelled, refused."""
    with database(settings, "timers") as pool, transaction(pool) as conn:
        found = named_world(conn, world)
        if NAME not in found.services:
            raise Refused(f"world {world!r} has no {NAME!r}; it has {', '.join(found.services)}")
        epoch_s = epoch_of(conn, found.world_key)
        rows = [_fate(row, epoch_s) for row in list_fates(conn, found.world_key, limit, before)]
    if not (rows or as_json):
        click.echo(f"nothing became of any timer of {world} yet")
        return
    print_rows(rows, as_json, ("TICK", "DUE", "TIMER", "FATE", "TIMES", "REASON"), lambda row: [*row.values()])


def _pending(timer: Timer, epoch_s: int) -> dict[str, Any]:
    return {
        "timer": timer.name,
        "at": format_world_time(timer.at_us, epoch_s),
        "at_us": timer.at_us,
        "priority": timer.priority,
        "every_us": timer.every_us or None,
        "left": timer.left or None,
        "times": timer.times,
        "payload": json.loads(timer.payload) if timer.payload else None,
        "then": None if timer.then is None else f"{timer.then.service}.{timer.then.name}",
        "source": timer.source,
    }


def _shown(name: str, value: Any) -> Any:
    return f"{value / 1_000_000:g}" if name == "every_us" and value is not None else value


def _fate(row: FateRow, epoch_s: int) -> dict[str, Any]:
    at = None if row.at_us is None else format_world_time(row.at_us, epoch_s)
    return {"seq": row.seq, "at": at, "timer": row.timer, "fate": row.fate, "times": row.times, "reason": row.reason}
