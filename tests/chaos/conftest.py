"""What the tests of this room stand on: the run's servers, or a private pair that may be killed.
Lives here: fixtures. Not here: what happens on them (fleet)."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.chaos.fleet import Fleet
from tests.conftest import SERVERS
from worldtick.contracts.errors import Unavailable
from worldtick.local.stack import Stack
from worldtick.store.db import migrate


@pytest.fixture
def fleet(kafka: str, postgres_url: str, topic_prefix: str, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet on the run's own servers."""
    fleet = Fleet(kafka, postgres_url, topic_prefix, tmp_path)
    fleet.open()
    yield fleet
    fleet.close()


@pytest.fixture(scope="module")
def servers(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """A broker and a database that nobody else uses."""
    settings = pytestconfig.stash[SERVERS].settings
    home = Path(tempfile.mkdtemp(prefix="worldtick-chaos-"))
    home.chmod(0o755)  # PostgreSQL's account must get through
    stack = Stack(home, cache_dir=settings.cache_dir, java_home=settings.java_home, durable=False)
    try:
        stack.up()
    except Unavailable as lacking:
        pytest.skip(f"no private servers here: {lacking}")
    yield stack
    stack.down(wipe=True)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def doomed(servers: Stack, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet on servers that a test may kill; both are up when it begins."""
    status = servers.up()
    name = f"chaos_{secrets.token_hex(5)}"
    with psycopg.connect(str(status.database_url), autocommit=True) as conn:
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = urlsplit(str(status.database_url))._replace(path=f"/{name}").geturl()
    migrate(url)
    fleet = Fleet(str(status.bootstrap_servers), url, f"{name}.", tmp_path)
    fleet.open()
    yield fleet
    servers.broker.resume()
    servers.postgres.resume()
    fleet.close()
