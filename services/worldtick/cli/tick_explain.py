"""`worldtick tick explain`: one tick's life: sealed, rung, stepped, committed, published; by whom and when.
Lives here: the verb. Not here: the life (observer/lives), its records (observer/trail)."""

from datetime import datetime

import click
import msgspec

from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.cli.writing import registry_of
from worldtick.contracts.errors import Refused, Unavailable
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM, WORLD_TICK
from worldtick.control.naming import named_world
from worldtick.observer.lives import Sealing, Step, sealing_of, steps_of
from worldtick.observer.trail import Ring, rings_of
from worldtick.store.clocks import find_view
from worldtick.store.standing import one_moment
from worldtick.store.ticks import list_ticks


class Explained(msgspec.Struct, frozen=True):
    """All that is known of one tick."""

    sealed: Sealing
    published_seq: int  # ticks up to it are surely on Kafka
    rung: list[Ring] | None  # None: Kafka does not answer
    steps: list[Step]


@click.command()
@click.argument("world")
@click.argument("seq", type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def explain(settings: Settings, world: str, seq: int, as_json: bool) -> None:
    """Tell the life of WORLD's tick SEQ: sealed, rung, stepped, committed, published, by whom and when."""
    with database(settings, "tick") as pool, one_moment(pool) as conn:
        found = named_world(conn, world)
        rows = list_ticks(conn, found.world_key, seq + 1, 1)
        view = find_view(conn, found.world_key)
        if not rows or rows[0].seq != seq:
            newest = view.seq if view is not None else 0
            why = "it was pruned" if 0 < seq <= newest else f"the newest is {newest}"
            raise Refused(f"world {world!r} has no tick {seq}: {why}")
        sealed, steps = sealing_of(found, rows[0]), steps_of(conn, found, rows[0])
    rung = _rung(settings, sealed, rows[0].sealed_at)
    explained = Explained(sealed, view.published_seq if view is not None else 0, rung, steps)
    if as_json:
        click.echo(msgspec.json.encode(explained).decode())
    else:
        for line in lines_of(explained):
            click.echo(line)


def _rung(settings: Settings, sealed: Sealing, sealed_at: datetime) -> list[Ring] | None:
    topics = dict.fromkeys([WORLD_TICK, TICK_TOPIC_OF_STREAM.get(sealed.kind, WORLD_TICK)])
    found: list[Ring] = []
    try:
        for topic in topics:
            found += rings_of(
                settings.kafka, settings.topic_prefix, topic, sealed.world, sealed.seq, sealed_at, registry_of(settings)
            )
    except Unavailable:
        return None
    return found


def lines_of(explained: Explained) -> list[str]:
    """What people are told."""
    sealed = explained.sealed
    cause = f", caused by {sealed.caused_by}" if sealed.caused_by else ""
    lines = [
        f"{sealed.world} tick {sealed.seq}: {sealed.kind} {sealed.kind_seq}, {sealed.tick_id}",
        f"sealed     {sealed.sealed_at} by {sealed.triggered_by}{cause}",
        f"           world time {sealed.from_time} to {sealed.slot} ({sealed.hours} h), facts of ticks up to"
        f" {sealed.facts_as_of}, for {', '.join(sealed.consumers) or 'nobody'}",
    ]
    lines += [f"           carries {directive}" for directive in sealed.directives]
    lines += _rings(explained)
    for step in explained.steps:
        lines += _steps(step)
    return lines


def _rings(explained: Explained) -> list[str]:
    if explained.rung is None:
        return ["rung       unknown: Kafka does not answer"]
    if explained.rung:
        return [f"rung       {ring.at} on {ring.topic}/{ring.partition}/{ring.offset}" for ring in explained.rung]
    if explained.sealed.seq <= explained.published_seq:
        return ["rung       yes, but its records are no longer on Kafka"]
    return ["rung       not yet: the next ticker's run does"]


def _steps(step: Step) -> list[str]:
    who = f"{step.service}/{step.slice}"
    if step.committed_at is None:
        states = {
            "pruned": "finished; its rows were pruned",
            "in_flight": f"in flight: it stands at {step.at}, this is {step.place}",
        }
        return [f"stepped    {who}: {states.get(step.state, f'{step.state} at {step.at}: {step.reason}')}"]
    published = "not known to be published yet"
    if step.published:
        published = f"published by {step.published_by}"
    return [
        f"stepped    {who}: {step.state} in {step.step_ms:.1f} ms by {step.worker}",
        f"committed  {step.committed_at} under {step.under}, digest {step.digest}",
        f"published  {step.events} events; {published}",
    ]
