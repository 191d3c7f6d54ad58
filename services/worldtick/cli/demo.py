"""`worldtick demo`: two game days of a market economy on a real broker, one worker killed, and a proof at the end.
Lives here: the verb, the servers it needs, what it prints at the end. Not here: what happens (demo_stage)."""

import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click
from rich.console import Console

from worldtick.cli.database import database
from worldtick.cli.demo_proof import Line, prove
from worldtick.cli.demo_screen import Drawn, Plain, Screen, print_proof
from worldtick.cli.demo_stage import Plot, Stage
from worldtick.cli.moments import duration_us
from worldtick.cli.settings import Settings, wants_color
from worldtick.cli.stack import TOOLS, local_stack
from worldtick.cli.topics import wanted
from worldtick.contracts.errors import Faulty
from worldtick.runtime import topics as cluster
from worldtick.store.db import migrate

CONNECTIONS: Final = 3


@click.command()
@click.option("--hours", type=click.IntRange(12, 480), default=48, show_default=True, help="Game hours by the ticker.")
@click.option(
    "--hour-every",
    type=duration_us,
    default="400ms",
    show_default=True,
    metavar="DURATION",
    help="Wall time of a game hour; at least 100ms.",
)
@click.option("--seed", type=click.IntRange(-(2**63), 2**63 - 1), default=2077, show_default=True)
@click.option("--keep", is_flag=True, help="Leave Kafka and PostgreSQL running.")
@click.option("--json", "as_json", is_flag=True, help="Print the proof as one JSON object, and nothing else.")
@click.pass_context
def demo(ctx: click.Context, hours: int, hour_every: int, seed: int, keep: bool, as_json: bool) -> None:
    """Run a world through two game days, kill a worker in the middle, and prove that nothing was lost or doubled.

    Sets up what it needs; at the end it stops what it has started, and the data stay. Ends with 0 only if all holds.
    """
    settings: Settings = ctx.obj
    if hour_every < 100_000:
        raise click.BadParameter("at least 100ms: a tick is to be pasted between the others", param_hint="--hour-every")
    if settings.kafka_security_protocol != "PLAINTEXT":
        raise Faulty("KAFKA_SECURITY_PROTOCOL", ["the demo pastes through Kafka's own producer, in PLAINTEXT only"])
    begun = time.monotonic()
    screen: Screen = Drawn(Console()) if wants_color() and not as_json else Plain(quiet=as_json)
    with _interruptible(), _servers(settings, keep), database(settings, "demo", CONNECTIONS) as pool:
        tool = local_stack(settings).kafka_tool(TOOLS["console-producer"])
        stage = Stage(settings, pool, screen, Plot(hours, hour_every, seed, tool))
        lines = prove(stage.play())
    _report(stage, lines, round(time.monotonic() - begun, 1), as_json)
    ctx.exit(0 if all(line.ok for line in lines) else 1)


def _report(stage: Stage, lines: Sequence[Line], took_s: float, as_json: bool) -> None:
    passed = all(line.ok for line in lines)
    if as_json:
        click.echo(json.dumps(_object(stage, lines, passed, took_s)))
        return
    click.echo(f"\nworld {stage.world}, seed {stage.plot.seed}: what was promised, and what is there")
    print_proof(lines, wants_color())
    verdict = "everything holds" if passed else "NOT EVERYTHING HOLDS"
    click.echo(f"\n{verdict}, after {took_s} s; what the processes said is in {stage.logs}")
    click.echo(
        f"see for yourself: `worldtick up`, then `worldtick verify {stage.world}`, `worldtick ticks list {stage.world}`"
    )


def _object(stage: Stage, lines: Sequence[Line], passed: bool, took_s: float) -> dict[str, Any]:
    plot = stage.plot
    head = {"world": stage.world, "seed": plot.seed, "hours": plot.hours, "passed": passed, "took_s": took_s}
    return {**head, "logs": str(stage.logs), "proof": [_line(line) for line in lines]}


def _line(line: Line) -> dict[str, Any]:
    said = {"name": line.name, "ok": line.ok, "text": line.text}
    return {**said, "figures": dict(line.figures), "faults": list(line.faults)}


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: everything that it started is ended first."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("interrupted: everything that the demo started has been ended; its data stay", err=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _servers(settings: Settings, keep: bool) -> Iterator[None]:
    """Kafka and PostgreSQL with tables and topics; if neither ran before, they are stopped again unless kept."""
    stack = local_stack(settings)
    kafka, postgres = not settings.kafka_given, not settings.database_given.reveal()
    ran = stack.status()
    began = ran.kafka.pid is None and ran.postgres.pid is None
    try:
        if kafka or postgres:
            stack.up(kafka=kafka, postgres=postgres)
        migrate(settings.database_url)
        admin = cluster.admin_client(settings.kafka)
        cluster.apply(admin, wanted(admin, settings.topic_prefix, None if settings.kafka_given else "local"))
        yield
    finally:
        if (kafka or postgres) and began and not keep:
            stack.down()
