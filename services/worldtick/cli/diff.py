"""`worldtick diff`: where two worlds' histories part.
Lives here: the verb. Not here: the comparison (observer/differing)."""

import click
import msgspec

from worldtick.cli.catalogue import catalogue
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.control.naming import named_world
from worldtick.observer.differing import Histories, compare
from worldtick.store.db import transaction


@click.command()
@click.argument("one")
@click.argument("other")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def diff(ctx: click.Context, one: str, other: str, as_json: bool) -> None:
    """Compare the histories of two worlds: the first tick that carries something else, the first state that differs.

    Two worlds of one scenario and seed have one history, until a directive or a pasted tick parts them. Ends with 1
    if they differ as far as both go.
    """
    settings: Settings = ctx.obj
    with database(settings, "diff") as pool:
        with transaction(pool) as conn:
            worlds = [named_world(conn, name) for name in (one, other)]
        found = compare(pool, worlds[0], worlds[1], catalogue())
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        for line in lines_of(found):
            click.echo(line)
    ctx.exit(0 if found.same else 1)


def lines_of(found: Histories) -> list[str]:
    """What people are told."""
    lines = [f"compared {found.ticks} ticks and {found.places} steps of {found.one} and {found.other}"]
    if found.only:
        lines.append(f"only one of them has {', '.join(found.only)}")
    if found.input is not None:
        lines.append(f"tick {found.input_seq} carries something else: {found.input.path}")
        lines += [f"  {found.one}: {found.input.one}", f"  {found.other}: {found.input.other}"]
    if found.parting is not None:
        part = found.parting
        at = f"tick {part.seq}" if part.seq is not None else f"place {part.place}"
        lines.append(f"{part.service}/{part.slice} parts at {at}" + (f": {part.field.path}" if part.field else ""))
        for each in (part.field, part.event):
            if each is not None:
                lines += [f"  {each.path}", f"    {found.one}: {each.one}", f"    {found.other}: {each.other}"]
        if part.why:
            lines.append(f"  {part.why}")
    if found.same:
        lines.append("one history, as far as both go")
    return lines
