"""`worldtick audit`: every record of world.control, and what came of it.
Lives here: the verb. Not here: the rows (store/commands)."""

import json

import click

from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.store.commands import LIST_MAX, list_commands
from worldtick.store.db import transaction

FATES = ("accepted", "refused", "duplicate", "dead")


@click.command()
@click.option("--world", help="Only about this world.")
@click.option("--actor", help="Only of this actor.")
@click.option("--fate", type=click.Choice(FATES), help="Only what came to this.")
@click.option("--before", type=click.IntRange(1), metavar="NUMBER", help="Go on before this row.")
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=50, show_default=True, help="Of one page.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def audit(
    settings: Settings,
    world: str | None,
    actor: str | None,
    fate: str | None,
    before: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """Commands, newest first, refused and dead ones too. An actor that proved nothing is who it said it was."""
    with database(settings, "audit") as pool, transaction(pool) as conn:
        rows = list_commands(conn, world, actor, fate, before, limit)
    for row in rows:
        if as_json:
            click.echo(json.dumps({**row._asdict(), "heard_at": row.heard_at.isoformat()}))
        else:
            who = f"{row.actor or '?'} {row.name or '?'} {row.world_id or ''}".rstrip()
            why = f" ({row.code}: {row.sentence})" if row.code else ""
            owed = ", not completed yet" if row.pending else ""
            click.echo(f"{row.command_key:>8}  {row.heard_at.isoformat()}  {row.fate:<9} {who}{owed}{why}")
