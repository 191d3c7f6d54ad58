"""`worldtick ticks`: a world's ticks, and which services have finished them.
Lives here: the verb. Not here: a tick's life (observer/lives)."""

import click
import msgspec

from worldtick.cli.columns import aligned
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.control.naming import named_world
from worldtick.observer.lives import ServiceFinish, TickLife, lives_of
from worldtick.store.standing import one_moment
from worldtick.store.ticks import LIST_MAX


@click.group()
def ticks() -> None:
    """List a world's ticks."""


@ticks.command("list")
@click.argument("world")
@click.option("--last", type=click.IntRange(1, LIST_MAX), default=24, show_default=True, help="So many, the newest.")
@click.option("--before", type=click.IntRange(1), metavar="SEQ", help="Those before this one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_command(settings: Settings, world: str, last: int, before: int | None, as_json: bool) -> None:
    """WORLD's newest ticks, oldest first: slot, trigger, who has finished and how long each took, events, digests."""
    with database(settings, "ticks") as pool, one_moment(pool) as conn:
        lives = lives_of(conn, named_world(conn, world), before, last)
    lives.reverse()
    if as_json:
        for life in lives:
            click.echo(msgspec.json.encode(life).decode())
        return
    head = ("SEQ", "KIND", "SLOT", "BY", "SEALED AT", "EVENTS", "FINISHED")
    for line in aligned(head, [_row(life) for life in lives]):
        click.echo(line)


def _row(life: TickLife) -> tuple[object, ...]:
    events = sum(each.events for each in life.services)
    finished = ", ".join(_service(each) for each in life.services) or "no service reads it"
    return (life.seq, life.kind, life.slot, life.triggered_by, life.sealed_at, events, finished)


def _service(each: ServiceFinish) -> str:
    if each.state == "pruned":
        return f"{each.service} (pruned)"
    if each.state in ("in_flight", "stopped"):
        return f"{each.service} {'STOPPED' if each.state == 'stopped' else 'in flight'} ({each.slices}/{each.of})"
    dead = " DEAD" if each.state == "dead" else ""
    after = f" after {each.finish_ms:.0f} ms" if each.finish_ms is not None else ""
    return f"{each.service}{dead} {each.step_ms:.1f} ms{after} {(each.digest or '')[:8]}"
