"""`worldtick retention`: every table that grows, how large it is, and its bound.
Lives here: the verb, and what each bound is called. Not here: the policy (store/retention)."""

import json

import click

from worldtick.cli.columns import aligned, size
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.store.commands import KEEP_DAYS
from worldtick.store.db import transaction
from worldtick.store.retention import Held, Policy, Pruned, held_back, prune, table_sizes

HELD_MAX = 20


def bounds(policy: Policy) -> dict[str, str]:
    """Table -> what bounds it."""
    ticks = f"{policy.ticks} to {2 * policy.ticks + policy.spacing} ticks"
    return {
        "world": "one for each world ever created",
        "clock": "one for each world",
        "tick": f"{ticks} of each world, once published and done by all its services",
        "paste": f"{policy.pastes} of each world, {policy.paste_days} days",
        "directive": "those that wait for a tick, which takes up to 256",
        "fact": "of each slice those that a coming tick may carry",
        "reader": "one for each group and incarnation of a topic",
        "worker": f"those alive or holding a partition; others {policy.worker_days} days",
        "claim": "one for each reader and partition",
        "published": "one for each reader and partition",
        "slice": "one for each slice, with its newest snapshot",
        "snapshot": "4 of each slice",
        "ledger": f"{ticks} of each slice, once published, counted and covered by a snapshot",
        "attempt": "steps begun after an unclean end and not done",
        "market_state": f"{policy.ticks} ticks of each world",
        "command": f"{KEEP_DAYS} days, and those whose tick is not finished",
        "control_key": "one for each key ever made",
        "relation": f"{policy.ticks} ticks of each world, and the newest row of each pair",
        "timer_fate": f"{policy.ticks} ticks of each world",
        "replay": "60 days",
        "requeue": "60 days",
        "position": "one for each projection and partition",
        "tally": "bounded labels: services, event types, commodities, 600 markets",
        "migration": "one for each migration",
    }


@click.group()
def retention() -> None:
    """What grows, and its bound."""


@retention.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Every table: rows, bytes, bound; and the slices whose history is longer, with what holds it back."""
    settings: Settings = ctx.obj
    policy = Policy(settings.keep_ticks)
    with database(settings, "retention") as pool, transaction(pool) as conn:
        sizes = table_sizes(conn)
        held = held_back(conn, policy, HELD_MAX)
    said = bounds(policy)
    if as_json:
        for each in sizes:
            row = {"table": each.table, "rows": each.rows, "bytes": each.size_bytes, "bound": said.get(each.table)}
            click.echo(json.dumps(row))
        for one in held:
            click.echo(json.dumps({"held_back": {**one._asdict(), "why": why(one, policy)}}))
    else:
        rows = [(each.table, each.rows, size(each.size_bytes), said.get(each.table, "NONE")) for each in sizes]
        for line in aligned(("TABLE", "ROWS", "SIZE", "BOUND"), rows):
            click.echo(line)
        for one in held:
            click.echo(
                f"{one.world} {one.service}/{one.slice_no} has {one.ledger_rows} ledger rows: {why(one, policy)}"
            )
    ctx.exit(1 if held else 0)


@retention.command("prune")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def prune_command(settings: Settings, as_json: bool) -> None:
    """Prune now, as every ticker's run does."""
    with database(settings, "retention") as pool:
        done: Pruned = prune(pool, Policy(settings.keep_ticks))
    gone = {table: number for table, number in done.rows.items() if number}
    if as_json:
        click.echo(json.dumps({"deleted": gone, "worlds": done.worlds, "complete": done.complete}))
    else:
        said = ", ".join(f"{number} of {table}" for table, number in gone.items()) or "nothing"
        click.echo(f"deleted {said}; looked at {done.worlds} worlds{'' if done.complete else ', more are left'}")


def why(held: Held, policy: Policy) -> str:
    """What holds a slice's history back."""
    if held.status:
        return "it is stopped: see `worldtick slice list --stopped`"
    if held.unpublished:
        return f"{held.unpublished} of them are not published: does a worker of {held.service} run?"
    if held.uncounted:
        return f"{held.uncounted} of them are not counted yet: the next run of a ticker does"
    if held.snapshot_behind > 2 * policy.ticks:
        return f"its newest snapshot is {held.snapshot_behind} ticks old"
    return "the next runs of a ticker prune it"
