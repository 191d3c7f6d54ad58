"""`worldtick directive`: queue one for a world's next tick, and see what waits.
Lives here: the verbs, reading arguments. Not here: what may be asked (control), who takes it (sealing)."""

import json
from typing import Any

import click
import msgspec

from worldtick.cli.catalogue import catalogue
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.control.asking import ask
from worldtick.control.naming import named_world
from worldtick.store.db import transaction
from worldtick.store.directives import LIST_MAX, count_directives, list_directives


@click.group()
def directive() -> None:
    """Queue a directive for a world, and see what waits."""


@directive.command()
@click.argument("world")
@click.argument("service")
@click.argument("name")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--args", "given", metavar="JSON", help="All arguments as one JSON object, instead of KEY=VALUE.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def add(
    settings: Settings, world: str, service: str, name: str, pairs: tuple[str, ...], given: str | None, as_json: bool
) -> None:
    """Queue directive NAME of SERVICE; the world's next tick that the service reads carries it.

    A VALUE that is JSON is that number, list or word (true, null); any other is text.
    """
    args = arguments(pairs, given)
    with database(settings, "directive") as pool:
        number, stored = ask(pool, catalogue(), world, service, name, args)
    if as_json:
        click.echo(
            json.dumps({"directive_id": number, "world": world, "service": service, "name": name, "args": stored})
        )
    else:
        click.echo(f"queued directive {number}: {service}.{name} {json.dumps(stored)} for {world}")


@directive.command("list")
@click.argument("world")
@click.option("--after", type=click.IntRange(0), default=0, metavar="ID", help="Go on after this directive.")
@click.option("--limit", type=click.IntRange(1, LIST_MAX), default=50, show_default=True, help="Of one page.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_command(settings: Settings, world: str, after: int, limit: int, as_json: bool) -> None:
    """Directives that wait for WORLD's ticks, oldest first."""
    with database(settings, "directive") as pool, transaction(pool) as conn:
        key = named_world(conn, world).world_key
        rows = list_directives(conn, key, after, limit)
        total = count_directives(conn, key)
    for number, service, name, args, source, made_seq, queued_at in rows:
        if as_json:
            row = {"directive_id": number, "service": service, "name": name, "args": args, "source": source}
            click.echo(json.dumps({**row, "made_by_tick": made_seq, "queued_at": queued_at.isoformat()}))
        else:
            click.echo(f"{number:>8}  {service}.{name} {json.dumps(args)}  from {source}, {queued_at.isoformat()}")
    if not as_json:
        more = f"; more: --after {rows[-1][0]}" if len(rows) == limit else ""
        click.echo(f"{len(rows)} of {total} directives wait{more}", err=True)


def arguments(pairs: tuple[str, ...], given: str | None) -> dict[str, Any]:
    """A directive's arguments out of KEY=VALUE or one JSON object. Raises UsageError."""
    if given is not None:
        if pairs:
            raise click.UsageError("give --args or KEY=VALUE, not both")
        try:
            read = msgspec.json.decode(given)
        except (msgspec.DecodeError, UnicodeEncodeError) as broken:
            raise click.UsageError(f"--args is no JSON: {broken}") from broken
        if not isinstance(read, dict):
            raise click.UsageError('--args is no JSON object, such as {"hours": 6}')
        return read
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        if key in found:
            raise click.UsageError(f"{key} stands twice")
        try:
            found[key] = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            found[key] = text
    return found
