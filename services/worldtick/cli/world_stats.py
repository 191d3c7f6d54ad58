"""`worldtick world stats`: what worlds' last ticks did, and how long ticks take.
Lives here: the verb. Not here: the figures (observer/statistics)."""

import json

import click
import msgspec

from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.control.naming import named_world
from worldtick.observer.statistics import Statistics, statistics_of, together
from worldtick.store.standing import one_moment
from worldtick.store.worlds import LIST_MAX, list_worlds


@click.command()
@click.argument("world_id", metavar="[ID]", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; of all worlds, the last is their sum.")
@click.pass_obj
def stats(settings: Settings, world_id: str | None, as_json: bool) -> None:
    """Statistics of a world, or of all active ones and their sum."""
    found: list[tuple[str | None, Statistics]] = []
    with database(settings, "world") as pool, one_moment(pool) as conn:
        if world_id is not None:
            found = [(world_id, statistics_of(conn, named_world(conn, world_id)))]
        else:
            after = ""
            while page := list_worlds(conn, "active", after, LIST_MAX):
                found += [(world.world_id, statistics_of(conn, world)) for world in page]
                after = page[-1].world_id
            found.append((None, together(each for _, each in found)))
    for name, each in found:
        row = {"world": name, **msgspec.to_builtins(each)}
        click.echo(json.dumps(row) if as_json else _line(row))


def _line(row: dict[str, object]) -> str:
    rounded = {key: f"{value:.2f}" if isinstance(value, float) else value for key, value in row.items()}
    return f"{rounded.pop('world') or 'all together'}: " + ", ".join(f"{key} {value}" for key, value in rounded.items())
