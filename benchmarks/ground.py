"""The ground that figures are taken on: broker and database, and what kind of machine this is.

Lives here: finding the services, facts of the machine that a reader needs. Not here: names of hosts, paths,
settings."""

import platform
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
from psycopg import sql

from worldtick.cli.settings import load
from worldtick.local.stack import Stack
from worldtick.store.db import migrate

PACKAGES = ("confluent-kafka", "msgspec", "numba", "numpy", "psycopg", "quixstreams")
PINNED = {
    "kafka broker": ("deploy/local/pom.xml", "kafka_2.13"),
    "kafka streams": ("benchmarks/kafka_streams/pom.xml", "kafka-streams"),
}
ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def servers(say: Callable[[str], None]) -> Iterator[Callable[[], tuple[str, str]]]:
    """What gives (bootstrap servers, URL of a migrated database of this run): started when first asked for.

    They are those that the environment names, else a local stack in a directory of its own, gone at the end.
    """
    with ExitStack() as open_until_the_end:
        found: list[tuple[str, str]] = []

        def connect() -> tuple[str, str]:
            if not found:
                kafka, server = _named_or_started(open_until_the_end, say)
                found.append((kafka, _own_database(open_until_the_end, server)))
            return found[0]

        yield connect


def _named_or_started(open_until_the_end: ExitStack, say: Callable[[str], None]) -> tuple[str, str]:
    settings = load()
    kafka, database = settings.kafka_given, settings.database_given.reveal()
    if kafka and database:
        return kafka, database
    home = Path(tempfile.mkdtemp(prefix="worldtick-bench-stack-"))
    home.chmod(0o755)  # PostgreSQL runs as another account when we are root
    stack = Stack(home, cache_dir=settings.cache_dir, java_home=settings.java_home, say=say)
    open_until_the_end.callback(shutil.rmtree, home, ignore_errors=True)
    open_until_the_end.callback(stack.down, wipe=True)
    status = stack.up(kafka=not kafka, postgres=not database)
    return kafka or str(status.bootstrap_servers), database or str(status.database_url)


def _own_database(open_until_the_end: ExitStack, server: str) -> str:
    name = f"bench_{secrets.token_hex(6)}"
    _statement(server, sql.SQL("create database {}").format(sql.Identifier(name)))
    drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
    open_until_the_end.callback(_statement, server, drop)
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    migrate(url)
    return url


def _statement(url: str, statement: sql.Composed) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as conn:
        conn.execute(statement)


def machine_facts() -> dict[str, object]:
    """What machine.json holds: enough to judge a figure, nothing that names the machine."""
    versions: dict[str, str] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "taken": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": psutil.cpu_count(logical=True),
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "java": _java(),
        **{what: _pinned(*where) for what, where in PINNED.items()},
        **versions,
    }


def _processor() -> str:
    """The processor's model, on Linux; else what Python knows."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", info.read_text("utf-8"), re.MULTILINE) if info.exists() else None
    return model[1] if model else platform.processor() or "unknown"


def _java() -> str:
    if shutil.which("java") is None:
        return "none"
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False, timeout=30).stderr
    found = re.search(r'version "([^"]+)"', said)
    return found[1] if found else "unknown"


def _pinned(pom: str, artifact: str) -> str:
    """The version of an artifact in one of our poms."""
    path = ROOT / pom
    text = path.read_text("utf-8") if path.exists() else ""
    properties: dict[str, str] = dict(re.findall(r"<([\w.]+)>([^<]+)</\1>", text))
    found: re.Match[str] | None = re.search(
        rf"<artifactId>{re.escape(artifact)}</artifactId>\s*<version>([^<]+)</version>", text
    )
    name = str(found[1]) if found else "unknown"
    return properties.get(name[2:-1], name) if name.startswith("${") else name
