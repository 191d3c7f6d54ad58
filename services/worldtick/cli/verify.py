"""`worldtick verify`: a world's past is stepped again and every digest compared.
Lives here: the verb. Not here: the replay (observer/verifying)."""

import json
from typing import cast

import click
import msgspec

from worldtick.cli.catalogue import catalogue
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.control.naming import named_world
from worldtick.observer.hashing import Columns, Joined
from worldtick.observer.verifying import From, SliceVerdict, verify_world
from worldtick.store.db import transaction


@click.command()
@click.argument("world")
@click.option("--service", help="Only this service's slices.")
@click.option(
    "--from",
    "begin",
    type=click.Choice(["auto", "genesis", "snapshot"]),
    default="auto",
    show_default=True,
    help="Where the replay starts; auto: genesis, or the oldest snapshot where older ticks were pruned.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a slice, then one for the whole.")
@click.pass_context
def verify(ctx: click.Context, world: str, service: str | None, begin: str, as_json: bool) -> None:
    """Step WORLD's past again and compare every digest. Ends with 1, naming the first tick, if any differs.

    Services whose entities are divided over slices add a hash of their columns in entity order: worlds of one seed that
    are cut into other slices can be compared by it.
    """
    settings: Settings = ctx.obj
    verdicts: list[SliceVerdict] = []
    joined = Joined()
    with database(settings, "verify") as pool:
        with transaction(pool) as conn:
            found = named_world(conn, world)
        for verdict in verify_world(pool, found, catalogue(), service, cast(From, begin), joined):
            verdicts.append(verdict)
            click.echo(msgspec.json.encode(verdict).decode() if as_json else line_of(verdict))
    bad = sum(not verdict.ok for verdict in verdicts)
    ticks = sum(verdict.ticks for verdict in verdicts)
    if as_json:
        columns = msgspec.to_builtins({told.service: told for told in joined.told()})
        whole = {"world": world, "ok": not bad, "slices": len(verdicts), "ticks": ticks, "differ": bad}
        click.echo(json.dumps(whole | {"columns": columns}))
    else:
        for told in joined.told():
            click.echo(columns_of(told))
        click.echo(f"{world}: {ticks} ticks of {len(verdicts)} slices stepped again, {bad} slices differ")
    ctx.exit(1 if bad else 0)


def columns_of(told: Columns) -> str:
    """A service's columns over all slices, for people."""
    if told.digest is None:
        return f"{told.service}: no hash of its columns: {told.why}"
    return f"{told.service}: {len(told.columns)} columns in entity order at place {told.place}: {told.digest}"


def line_of(verdict: SliceVerdict) -> str:
    """One slice, for people."""
    who = f"{verdict.service}/{verdict.slice}"
    if verdict.difference is None:
        dead = f", {verdict.dead} of them dead" if verdict.dead else ""
        return f"{who}: ok, {verdict.ticks} ticks from {verdict.start} to {verdict.last}{dead}"
    found = verdict.difference
    where = f"tick {found.seq} ({found.slot})" if found.seq is not None else f"place {found.place}"
    return (
        f"{who}: DIFFERS at {where}, place {found.place}: {found.why}; recorded {found.recorded}, now {found.replayed}"
    )
