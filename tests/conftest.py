"""What every test may ask for: a broker, a fresh database, a topic prefix of its own.
Lives here: fixtures that several rooms need. Not here: where the servers come from (servers), small worlds."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from psycopg import sql

from tests.servers import Servers
from worldtick.cli.settings import load
from worldtick.contracts.errors import Unavailable
from worldtick.local import kafka_jars
from worldtick.store.db import migrate

SERVERS = pytest.StashKey[Servers]()
DELETE_S_MAX = 10.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden writes golden digests again, where a step_version that was raised allows it."""
    parser.addoption("--update-golden", action="store_true", help="write golden digests again; see docs/SERVICES.md")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the servers; nothing is started yet."""
    config.stash[SERVERS] = Servers(load())


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers that this run has started."""
    if SERVERS in config.stash:
        config.stash[SERVERS].close()


def pytest_report_header(config: pytest.Config) -> str:
    """Which servers they are."""
    return config.stash[SERVERS].header()


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> str:
    """The bootstrap servers of the run's broker. Tests keep to topics and groups below their `topic_prefix`."""
    return pytestconfig.stash[SERVERS].kafka


@pytest.fixture(scope="session")
def kafka_tool(pytestconfig: pytest.Config) -> Callable[[str], list[str]]:
    """Java class of one of Kafka's own tools -> its command line; fetches Kafka's jars if they are not there."""
    settings = pytestconfig.stash[SERVERS].settings
    try:
        java = kafka_jars.java(settings.java_home)
    except Unavailable as lacking:
        pytest.skip(f"Kafka's own tools need Java: {lacking}")
    jars = kafka_jars.classpath(settings.cache_dir or kafka_jars.CACHE_DIR, lambda line: None)
    return lambda main_class: kafka_jars.tool_command(java, jars, main_class)


@pytest.fixture(scope="session")
def database_server(pytestconfig: pytest.Config) -> str:
    """The URL of a database on the run's server: where databases are created, never where a test works."""
    return pytestconfig.stash[SERVERS].database_url


@pytest.fixture(scope="session")
def template(database_server: str) -> Iterator[str]:
    """The name of a migrated database, which each test's own is cloned from."""
    name = f"template_{secrets.token_hex(6)}"
    _statement(database_server, sql.SQL("create database {}").format(sql.Identifier(name)))
    migrate(_url(database_server, name))
    yield name
    _drop(database_server, name)


@pytest.fixture
def postgres_url(database_server: str, template: str) -> Iterator[str]:
    """The URL of the test's own database, migrated and empty."""
    name = f"test_{secrets.token_hex(6)}"
    clone = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
    _statement(database_server, clone)
    yield _url(database_server, name)
    _drop(database_server, name)


@pytest.fixture
def topic_prefix(kafka: str) -> Iterator[str]:
    """What stands before the test's own topics and groups; its topics are deleted when it ends."""
    prefix = f"t{secrets.token_hex(5)}."
    yield prefix
    admin = AdminClient({"bootstrap.servers": kafka})
    try:
        mine = [name for name in admin.list_topics(timeout=DELETE_S_MAX).topics if name.startswith(prefix)]
        for deleted in admin.delete_topics(mine, request_timeout=DELETE_S_MAX).values() if mine else ():
            deleted.result(DELETE_S_MAX)
    except (KafkaException, TimeoutError):
        return  # the prefix is nobody else's: topics that stay disturb no test


def _statement(url: str, statement: sql.Composed) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as conn:
        conn.execute(statement)


def _drop(url: str, name: str) -> None:
    _statement(url, sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _url(server: str, database: str) -> str:
    """The server's URL with another database's name."""
    return urlsplit(server)._replace(path=f"/{database}").geturl()
