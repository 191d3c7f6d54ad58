"""`worldtick status`: worlds, clocks, last ticks, who is behind, and both accounts.
Lives here: the verb and its form. Not here: what is true (observer/overview)."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import click
import msgspec

from worldtick.cli.columns import age, aligned, size
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.observer.counting import TIERS
from worldtick.observer.overview import RED, Overview, look

WORLDS_SHOWN = 20
CLEAR = "\x1b[H\x1b[2J"


@click.command()
@click.option("--world", metavar="ID", help="Only this world.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=WORLDS_SHOWN, show_default=True, help="Worlds shown at most."
)
@click.option("--watch", is_flag=True, help="Show it again every second, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --watch one a line.")
@click.pass_context
def status(ctx: click.Context, world: str | None, limit: int, watch: bool, as_json: bool) -> None:
    """How all of it stands. Ends with 1 if anything is red: what is wrong stands in the first lines."""
    settings: Settings = ctx.obj
    with database(settings, "status") as pool:

        def seen() -> Overview:
            return look(pool, settings.kafka, settings.topic_prefix, limit, world)

        overview = seen()
        _show(overview, as_json, clear=watch and not as_json)
        if watch:
            _again(seen, as_json)
    ctx.exit(1 if overview.state == RED else 0)


def _again(seen: Callable[[], Overview], as_json: bool) -> None:
    while True:
        time.sleep(1.0)
        _show(seen(), as_json, clear=not as_json)


def _show(overview: Overview, as_json: bool, clear: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(overview).decode())
    else:
        text = "\n".join(lines_of(overview, datetime.fromtimestamp(time.time(), UTC)))
        click.echo((CLEAR if clear and sys.stdout.isatty() else "") + text)
    sys.stdout.flush()


def lines_of(overview: Overview, now: datetime) -> list[str]:
    """The overview as a terminal shows it."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in overview.sealed.items() if count)
    lines = [f"{overview.state.upper()}: {overview.active_worlds} active worlds, ticks sealed: {kinds or 'none'}"]
    lines += [f"  ! {why}" for why in overview.why]
    lines += ["", *_worlds(overview, now)]
    if any(each.inhabitants for each in overview.worlds):
        lines += ["", *_inhabitants(overview)]
    lines += ["", *_services(overview)]
    if overview.records is not None:
        lines += ["", *_records(overview)]
    return lines


def _worlds(overview: Overview, now: datetime) -> list[str]:
    head = ("WORLD", "STATUS", "WORLD TIME", "DAY", "HOUR", "SEQ", "LAST TICK", "UNRUNG", "BEHIND", "STOPPED")
    rows = []
    for each in overview.worlds:
        sealed_at = datetime.fromisoformat(each.sealed_at) if each.sealed_at else None
        last = age(sealed_at, now)
        rows.append(
            (each.world, each.status, each.world_time, each.day, each.hour, each.seq, f"{last} ago" if last else "-",
             each.unpublished, each.behind, each.stopped)
        )  # fmt: skip
    more = overview.total_worlds - len(overview.worlds)
    return aligned(head, rows) + ([f"… and {more} worlds more: --limit, or --world ID"] if more > 0 else [])


def _inhabitants(overview: Overview) -> list[str]:
    head = ("WORLD", *(tier.upper() for tier in TIERS), "CARRIED", "OLDEST WAIT, S")
    rows = [
        (each.world, *(told.tiers[tier] for tier in TIERS), told.carried, told.oldest_wait_s)
        for each in overview.worlds
        if (told := each.inhabitants) is not None
    ]
    return aligned(head, rows)


def _services(overview: Overview) -> list[str]:
    head = (
        "SERVICE",
        "WORKERS",
        "SLICES",
        "SEALED",
        "= APPLIED",
        "+ DEAD",
        "+ IN FLIGHT",
        "BEHIND h",
        "CARRIED",
        "SNAPSHOTS",
    )
    rows = [
        (each.service, each.workers, each.slices, each.sealed, each.applied, each.dead,
         f"{each.in_flight}" if each.balances else f"{each.in_flight} (!)", each.behind_hours, each.carried,
         size(each.snapshot_bytes))
        for each in overview.services
    ]  # fmt: skip
    return aligned(head, rows)


def _records(overview: Overview) -> list[str]:
    head = ("GROUP", "TOPIC", "READ", "= FATES", "LAG")
    rows = [
        (
            each.group,
            each.topic,
            each.read,
            " + ".join(f"{count} {fate}" for fate, count in each.fates.items()),
            each.lag,
        )
        for each in overview.records or ()
    ]
    return aligned(head, rows)
