"""`worldtick dlq`: list, show and replay dead letters.
Lives here: the verbs. Not here: reading topics (runtime), replaying (control), rendering (records)."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from worldtick.cli.database import database
from worldtick.cli.records import Seen, Shown, show, shown_bytes
from worldtick.cli.settings import Settings
from worldtick.cli.tail import seen_of
from worldtick.cli.writing import registry_of
from worldtick.contracts.deadletter import SUFFIX
from worldtick.contracts.errors import Refused
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.topics import topic_specs
from worldtick.control.replaying import Letter, Requeued, Sent, letter_of, letters_topic, replay
from worldtick.runtime.fetching import fetch_record
from worldtick.runtime.tailing import tail_topic
from worldtick.runtime.topics import admin_client
from worldtick.store.db import Pool, transaction
from worldtick.store.replays import find_replay

LIST_ASK_S = 10.0
REPLAY_MAX = 10_000  # letters of one --all

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group()
def dlq() -> None:
    """List, show and replay dead letters. A TOPIC is named with or without `.dlq`, and with or without the prefix."""


@dlq.command("list")
@click.argument("topic", required=False)
@click.option("--reason", help="Only letters with this reason.")
@click.option("--world", help="Only letters about this world, by what they say or their key.")
@click.option(
    "--last", type=click.IntRange(1), default=1_000, show_default=True, help="How far before the end to begin."
)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="End after so many letters.")
@json_option
@click.pass_obj
def list_command(
    settings: Settings, topic: str | None, reason: str | None, world: str | None, last: int, limit: int, as_json: bool
) -> None:
    """Dead letters of TOPIC, or of all topics."""
    registry = registry_of(settings)
    topics = _there(settings) if topic is None else [letters_topic(topic, settings.topic_prefix)]
    count = 0
    for name in topics:
        for _, shown in islice(_letters(settings, registry, name, last, reason, world), limit - count):
            click.echo(shown.as_json() if as_json else shown.as_text())
            count += 1
    if not as_json:
        click.echo(f"{count} dead letters" + (f" (--limit {limit})" if count == limit else ""), err=True)


@dlq.command("show")
@click.argument("topic")
@click.argument("partition", type=click.IntRange(0))
@click.argument("offset", type=click.IntRange(0))
@json_option
@click.pass_obj
def show_command(settings: Settings, topic: str, partition: int, offset: int, as_json: bool) -> None:
    """One dead letter whole: reason, headers, original bytes, and whether it was replayed."""
    letter, seen = _fetch(settings, topic, partition, offset)
    shown = show(seen, registry_of(settings))
    with database(settings, "dlq") as pool, transaction(pool) as conn:
        known = find_replay(conn, letter.place)
    replayed = None if known is None else {"times": known.times, "begun_at": known.begun_at.isoformat()}
    if replayed is not None and known is not None:
        replayed["sent_at"] = known.sent_at.isoformat() if known.sent_at else None
    headers = {name: shown_bytes(value) for name, value in seen.headers}
    if as_json:
        click.echo(json.dumps({**json.loads(shown.as_json()), "headers": headers, "replayed": replayed}))
        return
    click.echo(shown.as_text())
    for name, text in headers.items():
        click.echo(f"  {name}: {text}")
    click.echo(f"  replayed: {json.dumps(replayed)}")


@dlq.command("replay")
@click.argument("topic")
@click.argument("partition", type=click.IntRange(0), required=False)
@click.argument("offset", type=click.IntRange(0), required=False)
@click.option("--all", "every", is_flag=True, help="Every letter of TOPIC that was not replayed before.")
@click.option("--reason", help="With --all: only letters with this reason.")
@click.option("--world", help="With --all: only letters about this world.")
@click.option("--again", is_flag=True, help="Even if it was replayed before.")
@json_option
@click.pass_context
def replay_command(
    ctx: click.Context,
    topic: str,
    partition: int | None,
    offset: int | None,
    every: bool,
    reason: str | None,
    world: str | None,
    again: bool,
    as_json: bool,
) -> None:
    """Send a record back to its topic as it was; of a dead step, queue its directives again. Once."""
    settings: Settings = ctx.obj
    if every == (partition is not None) or (partition is None) != (offset is None) or (every and again):
        raise click.UsageError("say PARTITION and OFFSET (with --again where it must be), or --all")
    registry = registry_of(settings)
    with database(settings, "dlq") as pool:
        if partition is not None and offset is not None:
            letter, _ = _fetch(settings, topic, partition, offset)
            _say(letter, replay(pool, settings.kafka, settings.topic_prefix, letter, again, registry), as_json)
            return
        name = letters_topic(topic, settings.topic_prefix)
        found = [letter for letter, _ in islice(_letters(settings, registry, name, None, reason, world), REPLAY_MAX)]
        refused = [letter for letter in found if not _replayed(pool, settings, letter, registry, as_json)]
    if not as_json:
        click.echo(f"{len(found) - len(refused)} of {len(found)} replayed", err=True)


def _replayed(pool: Pool, settings: Settings, letter: Letter, registry: SchemaRegistry | None, as_json: bool) -> bool:
    """Replay one of many; one that is refused is said and passed."""
    try:
        _say(letter, replay(pool, settings.kafka, settings.topic_prefix, letter, False, registry), as_json)
    except Refused as why:
        click.echo(f"left: {why}", err=True)
        return False
    return True


def _say(letter: Letter, done: Sent | Requeued, as_json: bool) -> None:
    row: dict[str, Any] = {"letter": str(letter)}
    if isinstance(done, Sent):
        row["sent_to"] = done.topic
        sentence = f"{letter} is back on {done.topic}"
    else:
        row.update(world=done.world, service=done.service, seq=done.seq, directive_ids=list(done.directive_ids))
        ids = ", ".join(map(str, done.directive_ids))
        sentence = f"directives of tick {done.seq} of {done.world} for {done.service} wait again, as {ids}"
    click.echo(json.dumps(row) if as_json else sentence)


def _there(settings: Settings) -> list[str]:
    """The dead-letter topics that the cluster has."""
    made = admin_client(settings.kafka).list_topics(timeout=LIST_ASK_S).topics
    specs = topic_specs(settings.topic_prefix)
    return [spec.name for spec in specs if spec.base.endswith(SUFFIX) and spec.name in made]


def _letters(
    settings: Settings,
    registry: SchemaRegistry | None,
    topic: str,
    last: int | None,
    reason: str | None,
    world: str | None,
) -> Iterator[tuple[Letter, Shown]]:
    for message in tail_topic(settings.kafka, topic, prefix=settings.topic_prefix, last=last, follow=False):
        shown = show(seen_of(message), registry)
        if reason is not None and (shown.dead is None or shown.dead.reason != reason):
            continue
        if world is None or shown.world() == world:
            yield letter_of(message), shown


def _fetch(settings: Settings, topic: str, partition: int, offset: int) -> tuple[Letter, Seen]:
    prefix = settings.topic_prefix
    message = fetch_record(settings.kafka, prefix, letters_topic(topic, prefix), partition, offset)
    return letter_of(message), seen_of(message)
