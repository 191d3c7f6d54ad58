"""`worldtick doctor`: what is wrong with this installation, and what to do.
Lives here: the verb. Not here: the checks (checks)."""

import json
from collections.abc import Callable, Iterator

import click
from psycopg.errors import UndefinedColumn, UndefinedTable

from worldtick.cli.checks import BAD, Finding, of_database, of_kafka, of_machine, of_settings, of_worlds
from worldtick.cli.settings import Settings
from worldtick.contracts.errors import Unavailable
from worldtick.store.db import open_pool

AT_DATABASE = "run `worldtick up`, start PostgreSQL, or mend DATABASE_URL"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Look at settings, machine, database, Kafka, topics and worlds. Ends with 1 if anything is bad."""
    settings: Settings = ctx.obj
    bad = 0
    for finding in examine(settings):
        bad += finding.level == BAD
        if as_json:
            click.echo(json.dumps(finding._asdict()))
        else:
            click.echo(
                f"{finding.level:<6} {finding.what}" + (f"\n       -> {finding.remedy}" if finding.remedy else "")
            )
    if not as_json:
        click.echo("nothing is wrong" if not bad else f"{bad} things are wrong")
    ctx.exit(1 if bad else 0)


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, one check after another; a check whose server is away says so, and the others go on."""
    yield from of_settings(settings)
    yield from of_machine(settings)
    yield from _guarded(lambda: of_kafka(settings), "run `worldtick up`, or set KAFKA_BOOTSTRAP_SERVERS")
    yield from _guarded(lambda: _with_database(settings), AT_DATABASE)


def _with_database(settings: Settings) -> Iterator[Finding]:
    pool = open_pool(settings.database_url, 2, "worldtick.doctor")
    try:
        yield from of_database(pool)
        yield from of_worlds(pool, settings)
    except (UndefinedTable, UndefinedColumn) as missing:
        yield Finding(BAD, f"tables are missing or old ({str(missing).splitlines()[0]})", "run `worldtick up`")
    finally:
        pool.close()


def _guarded(check: Callable[[], Iterator[Finding]], remedy: str) -> Iterator[Finding]:
    try:
        yield from check()
    except Unavailable as away:
        yield Finding(BAD, str(away), remedy)
