"""`worldtick society`: how factions stand with each other, and how they came there.
Lives here: the verbs. Not here: the model (society), the rows (store/relations)."""

from collections.abc import Mapping
from typing import Any

import click

from worldtick.cli.columns import print_rows
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.clock.worldtime import format_world_time
from worldtick.control.naming import named_world
from worldtick.store.clocks import epoch_of
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
        epoch_s = epoch_of(conn, found.world_key)
        rows = relation_history(conn, found.world_key, last) if changes else standing_relations(conn, found.world_key)
    if not (rows or as_json):
        click.echo(
            f"{world} has no {'changes of relations' if changes else 'relations'} yet:"
            " they are there when its first day has ended"
        )
        return
    head = ("FACTION", "FACTION", "STATE", "SINCE", "SCORE", "REASON")
    print_rows([_as_object(row, epoch_s) for row in rows], as_json, head, _cells)


def _cells(row: Mapping[str, Any]) -> tuple[object, ...]:
    score = f"{row['score_milli'] / 1_000:.1f}"
    return (row["faction_a"], row["faction_b"], row["state"], row["since"], score, row["reason"])


def _as_object(row: RelationRow, epoch_s: int) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "since": format_world_time(row.slot_us, epoch_s),
        "faction_a": row.faction_a,
        "faction_b": row.faction_b,
        "state": row.state,
        "score_milli": row.score_milli,
        "reason": row.reason,
    }
