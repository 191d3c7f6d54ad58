"""`worldtick up`, `down` and `stack`: the local Kafka and PostgreSQL.
Lives here: the verbs. Not here: the servers (local), tables (store), topics (cli/topics)."""

import json

import click

from worldtick.cli.settings import Settings
from worldtick.local.memory import PartStatus, StackStatus
from worldtick.local.stack import Stack

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
    if settings.uses_local_stack:
        given = settings.kafka_given or settings.database_given.reveal()
        if given:
            variable = "KAFKA_BOOTSTRAP_SERVERS" if settings.kafka_given else "DATABASE_URL"
            click.echo(f"{variable} is set and will be used instead of the local server", err=True)
        status = local_stack(settings, kafka_port, postgres_port).up()
        click.echo(f"Kafka       {status.bootstrap_servers}   log {status.kafka.log}")
        click.echo(f"PostgreSQL  {_masked(status.database_url)}   log {status.postgres.log}")
    else:
        click.echo("KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL are set: those are used, nothing is started")
    prepare(settings)


def prepare(settings: Settings) -> None:
    """Bring tables and topics up to date."""
    from worldtick.cli.topics import wanted  # noqa: PLC0415 - loads Kafka's client
    from worldtick.runtime import topics as cluster  # noqa: PLC0415 - the same
    from worldtick.runtime.topics import admin_client  # noqa: PLC0415 - the same
    from worldtick.store.db import migrate  # noqa: PLC0415 - loads the database's driver


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
    """What runs, and where. Ends with 1 if not both run."""
    found = local_stack(ctx.obj).status()
    if as_json:
        click.echo(json.dumps(as_object(found)))
    else:
        for part, address in ((found.kafka, found.bootstrap_servers), (found.postgres, _masked(found.database_url))):
            click.echo(_line(part, address))
    ctx.exit(0 if found.running else 1)


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


def _line(part: PartStatus, address: str | None) -> str:
    state = f"running (pid {part.pid}) at {address}" if part.pid else "not running"
    return f"{part.name:<11} {state}   log {part.log}"


def _masked(url: str | None) -> str | None:
    if url is None or "@" not in url:
        return url
    before, after = url.rsplit("@", 1)
    return f"{before.rsplit(':', 1)[0]}:***@{after}"
