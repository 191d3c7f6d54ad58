"""`worldtick society`: how factions stand with each other, and how they came there.
Lives here: the verbs. Not here: the model (society), the rows (store/relations)."""

import json

import click

from worldtick.cli.columns import aligned
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.clock.worldtime import format_world_time
from worldtick.control.naming import named_world
from worldtick.store.clocks import find_view
from worldtick.store.relations import RelationRow, relation_history, standing_relations
from worldtick.store.standing import one_moment

LAST_MAX = 10_000


@click.group()
def society() -> None:
    """Relations between the factions of a world."""


@society.command("relations")
@click.argument("world")
@click.option("--changes", is_flag=True, help="What changed, oldest first, instead of how each pair stands.")
@click.option("--last", type=click.IntRange(1, LAST_MAX), default=50, show_default=True, help="So many changes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def relations_command(settings: Settings, world: str, changes: bool, last: int, as_json: bool) -> None:
    """How WORLD's factions stand: each pair's state, since when, and why. Scores are those of its last change."""
    with database(settings, "society") as pool, one_moment(pool) as conn:
        found = named_world(conn, world)
        view = find_view(conn, found.world_key)
        rows = relation_history(conn, found.world_key, last) if changes else standing_relations(conn, found.world_key)
    epoch_s = view.epoch_s if view is not None else 0
    if as_json:
        for row in rows:
            click.echo(json.dumps(_as_object(row, epoch_s)))
        return
    if not rows:
        click.echo(
            f"{world} has no {'changes of relations' if changes else 'relations'} yet:"
            " they are there when its first day has ended"
        )
        return
    head = ("FACTION", "FACTION", "STATE", "SINCE", "SCORE", "REASON")
    for line in aligned(head, [_row(row, epoch_s) for row in rows]):
        click.echo(line)


def _row(row: RelationRow, epoch_s: int) -> tuple[object, ...]:
    since = format_world_time(row.slot_us, epoch_s)
    return (row.faction_a, row.faction_b, row.state, since, f"{row.score_milli / 1_000:.1f}", row.reason)


def _as_object(row: RelationRow, epoch_s: int) -> dict[str, object]:
    return {
        "seq": row.seq,
        "since": format_world_time(row.slot_us, epoch_s),
        "faction_a": row.faction_a,
        "faction_b": row.faction_b,
        "state": row.state,
        "score_milli": row.score_milli,
        "reason": row.reason,
    }
