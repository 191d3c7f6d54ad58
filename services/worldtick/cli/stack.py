"""`worldtick up`, `down` and `stack`: the local Kafka and PostgreSQL.
Lives here: the verbs. Not here: the servers (local), tables (store), topics (cli/topics)."""

import json
import os
import sys

import click

from worldtick.cli.settings import Settings
from worldtick.cli.topics import report, wanted
from worldtick.local.memory import PartStatus, StackStatus
from worldtick.local.stack import Stack
from worldtick.runtime import topics as cluster
from worldtick.store.db import migrate

TOOLS = {  # Kafka's scripts by their names, without `kafka-` and `.sh`
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "transactions": "org.apache.kafka.tools.TransactionsCommand",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "topics": "org.apache.kafka.tools.TopicCommand",
    "configs": "kafka.admin.ConfigCommand",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
port = click.IntRange(1, 65_535)


def local_stack(settings: Settings, kafka_port: int | None = None, postgres_port: int | None = None) -> Stack:
    """The stack that the settings name; it tells what it does on stderr."""
    return Stack(
        settings.state_dir,
        cache_dir=settings.cache_dir,
        java_home=settings.java_home,
        kafka_port=kafka_port,
        postgres_port=postgres_port,
        say=lambda line: click.echo(line, err=True),
    )


@click.command()
@click.option("--kafka-port", type=port, help="This port and no other. Default: a free one, then the same again.")
@click.option("--postgres-port", type=port, help="This port and no other. Default: a free one, then the same again.")
@click.pass_obj
def up(settings: Settings, kafka_port: int | None, postgres_port: int | None) -> None:
    """Start a local Kafka and PostgreSQL, and prepare both: tables and topics.

    What KAFKA_BOOTSTRAP_SERVERS or DATABASE_URL names is used as it is and never started.
    """
    kafka, database = not settings.kafka_given, not settings.database_given.reveal()
    if kafka or database:
        found = local_stack(settings, kafka_port, postgres_port).up(kafka=kafka, postgres=database)
        for line in _lines(settings, found):
            click.echo(line)
    else:
        click.echo("KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL are set: those are used, nothing is started")
    prepare(settings)


def prepare(settings: Settings) -> None:
    """Bring tables and topics up to date, and say what was done."""
    applied = migrate(settings.database_url)
    click.echo(f"tables      {'migrated by ' + ', '.join(applied) if applied else 'no change'}")
    admin = cluster.admin_client(settings.kafka)
    specs = wanted(admin, settings.topic_prefix, None if settings.kafka_given else "local")
    changes = cluster.apply(admin, specs)
    done = {change.topic for change in changes if change.kind != "notice"}
    click.echo(f"topics      {f'{len(done)} made or corrected' if done else 'no change'}")
    report([change for change in changes if change.kind == "notice"])


@click.command()
@click.option("--wipe", is_flag=True, help="Delete their data too.")
@click.pass_obj
def down(settings: Settings, wipe: bool) -> None:
    """Stop the local Kafka and PostgreSQL; their data stay unless wiped."""
    stack = local_stack(settings)
    ran = stack.status()
    stack.down(wipe=wipe)
    parts = [part.name for part in (ran.kafka, ran.postgres) if part.pid is not None]
    said = f"stopped {' and '.join(parts)}" if parts else "nothing was running"
    click.echo(f"{said}; data {'deleted' if wipe else f'kept in {ran.state_dir}'}")


@click.group()
def stack() -> None:
    """What the local stack does."""


@stack.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with the database's password.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """What runs, and where. Ends with 1 if a server does not run that the environment does not name either."""
    settings: Settings = ctx.obj
    found = local_stack(settings).status()
    if as_json:
        click.echo(json.dumps(as_object(found)))
    else:
        for line in _lines(settings, found):
            click.echo(line)
    kafka = bool(settings.kafka_given) or found.kafka.pid is not None
    database = bool(settings.database_given.reveal()) or found.postgres.pid is not None
    ctx.exit(0 if kafka and database else 1)


@stack.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", type=click.Choice(list(TOOLS)), metavar="NAME")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def tool(settings: Settings, name: str, arguments: tuple[str, ...]) -> None:
    """Become one of Kafka's own tools, with the broker's address filled in; ARGUMENTS are the tool's own.

    NAME is console-producer, console-consumer, topics, configs, consumer-groups or transactions.
    """
    command = local_stack(settings).kafka_tool(TOOLS[name])
    if "--bootstrap-server" not in arguments:
        command += ["--bootstrap-server", settings.kafka_bootstrap_servers]
    sys.stdout.flush()
    os.execv(command[0], [*command, *arguments])


def as_object(found: StackStatus) -> dict[str, object]:
    """The status as `stack status --json` prints it."""
    parts = {
        part.name.lower(): {"running": part.pid is not None, "pid": part.pid, "port": part.port, "log": str(part.log)}
        for part in (found.kafka, found.postgres)
    }
    return {
        "state_dir": str(found.state_dir),
        "running": found.running,
        **parts,
        "bootstrap_servers": found.bootstrap_servers,
        "database_url": found.database_url,
    }


def _lines(settings: Settings, found: StackStatus) -> list[str]:
    """One line a server; the environment's are nobody's to start."""
    parts = (
        (found.kafka, found.bootstrap_servers, settings.kafka_given, "KAFKA_BOOTSTRAP_SERVERS"),
        (found.postgres, found.database_url, settings.database_given.reveal(), "DATABASE_URL"),
    )
    return [
        f"{part.name:<11} at {_masked(given)}, which {variable} names" if given else _line(part, _masked(address))
        for part, address, given, variable in parts
    ]


def _line(part: PartStatus, address: str | None) -> str:
    state = f"running (pid {part.pid}) at {address}" if part.pid else "not running"
    return f"{part.name:<11} {state}, log {part.log}"


def _masked(url: str | None) -> str | None:
    if url is None or "@" not in url:
        return url
    before, after = url.rsplit("@", 1)
    return f"{before.rsplit(':', 1)[0]}:***@{after}"
