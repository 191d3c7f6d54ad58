"""`worldtick tail`: the records of any of our topics, decoded.
Lives here: the verb. Not here: reading (runtime/tailing), rendering (records)."""

import sys
from collections.abc import Iterator

import click
from confluent_kafka import Message

from worldtick.cli.records import Seen, Shown, show
from worldtick.cli.settings import Settings
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.topics import topic_specs
from worldtick.runtime.tailing import tail_topic

LAST = 10


@click.command()
@click.argument("topic")
@click.option("--from-beginning", is_flag=True, help="All that the topic still has; else the end of each partition.")
@click.option(
    "--last", type=click.IntRange(1), default=LAST, show_default=True, help="How far before the end to begin."
)
@click.option("--follow", is_flag=True, help="Go on until interrupted; else end at the end of the log.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--world", help="Only records about this world.")
@click.option("--limit", type=click.IntRange(1), help="End after so many records.")
@click.pass_obj
def tail(
    settings: Settings,
    topic: str,
    from_beginning: bool,
    last: int,
    follow: bool,
    as_json: bool,
    world: str | None,
    limit: int | None,
) -> None:
    """Print the records of TOPIC, decoded; only what was committed. Dead letters show reason and original bytes."""
    name = full_name(topic, settings.topic_prefix)
    registry = SchemaRegistry(settings.schema_registry_url) if settings.schema_registry_url else None
    messages = tail_topic(
        settings.kafka, name, prefix=settings.topic_prefix, last=None if from_beginning else last, follow=follow
    )
    shown = (show(seen_of(message), registry) for message in messages)
    write(shown, as_json, world, limit)


def full_name(topic: str, prefix: str) -> str:
    """A topic's name in this deployment; it may be given with the prefix or without. Raises UsageError."""
    names = {spec.base: spec.name for spec in topic_specs(prefix)}
    if topic in names.values():
        return topic
    if topic not in names:
        raise click.UsageError(f"{topic!r} is none of our topics: {', '.join(names)}")
    return names[topic]


def seen_of(message: Message) -> Seen:
    """A Kafka message as plain values."""
    stamp_ms = message.timestamp()[1]
    key, value = message.key(), message.value()
    return Seen(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        stamp_ms=stamp_ms,
        key=key.encode() if isinstance(key, str) else key,
        value=value.encode() if isinstance(value, str) else value,
        headers=[(name, text) for name, text in message.headers() or [] if isinstance(text, bytes)],
    )


def write(shown: Iterator[Shown], as_json: bool, world: str | None, limit: int | None) -> None:
    """Print records, flushed one by one, so that a reader of a pipe sees them as they come."""
    count = 0
    for record in shown:
        if world is not None and record.world() != world:
            continue
        click.echo(record.as_json() if as_json else record.as_text())
        sys.stdout.flush()
        count += 1
        if count == limit:
            return
