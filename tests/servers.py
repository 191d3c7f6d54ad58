"""Where a test run's Kafka and PostgreSQL come from: the environment, Docker, or the local stack, in this order.
Lives here: the choice, starting and ending them once per run. Not here: what a test gets of them (conftest)."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path

import psutil

from worldtick.cli.settings import Settings
from worldtick.local.daemon import wait_until
from worldtick.local.ports import is_open
from worldtick.local.stack import Stack

KAFKA_IMAGE = "apache/kafka:4.3.1"
POSTGRES_IMAGE = "postgres:18"
CONTAINER_SECONDS_MAX = 90.0
STATE_PREFIX = "worldtick-tests-"
TRANSACTIONS_OF_ONE_BROKER = {
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
}


class Servers:
    """The broker and the database of one test run; each is started when a test first asks for it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open = ExitStack()

    @cached_property
    def docker(self) -> bool:
        """Whether a Docker daemon answers; asked in a process of its own, because a failing client leaks its socket."""
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import docker; docker.from_env(timeout=5).ping()",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def source(self, given: str) -> str:
        """Where a server comes from, for the report's header."""
        return "the environment" if given else "testcontainers" if self.docker else "the local stack"

    def header(self) -> str:
        """One line for the report."""
        kafka, database = self.source(self.settings.kafka_given), self.source(self.settings.database_given.reveal())
        return f"worldtick: Kafka from {kafka}, PostgreSQL from {database}; each started only if a test needs it"

    @cached_property
    def kafka(self) -> str:
        """The broker's address. Raises Unavailable."""
        if self.settings.kafka_given:
            return self.settings.kafka_given
        return self._kafka_container() if self.docker else str(self._stack.status().bootstrap_servers)

    @cached_property
    def database_url(self) -> str:
        """A database on a server where others may be created. Raises Unavailable."""
        given = self.settings.database_given.reveal()
        if given:
            return given
        return self._postgres_container() if self.docker else str(self._stack.status().database_url)

    def close(self) -> None:
        """End what this run has started."""
        self._open.close()

    @cached_property
    def _stack(self) -> Stack:
        _end_orphans()
        home = Path(tempfile.mkdtemp(prefix=f"{STATE_PREFIX}{os.getpid()}-"))
        home.chmod(0o755)
        stack = Stack(home, cache_dir=self.settings.cache_dir, java_home=self.settings.java_home, durable=False)
        self._open.callback(shutil.rmtree, home, ignore_errors=True)
        self._open.callback(stack.down, wipe=True)
        stack.up()
        return stack

    def _kafka_container(self) -> str:
        from testcontainers.core.container import DockerContainer

        port = _free_port()  # the broker advertises it, so it must be known before the start
        container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
        environment = {
            **TRANSACTIONS_OF_ONE_BROKER,
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:9093",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        }
        for name, value in environment.items():
            container = container.with_env(name, value)
        container.start()
        self._open.callback(container.stop)
        _await(lambda: b"Kafka Server started" in container.get_logs()[0], "Kafka's container")
        return f"127.0.0.1:{port}"

    def _postgres_container(self) -> str:
        from testcontainers.postgres import PostgresContainer

        container = PostgresContainer(POSTGRES_IMAGE, driver=None).with_command(
            "postgres -c max_connections=200 -c fsync=off"
        )
        container.start()
        self._open.callback(container.stop)
        port = int(container.get_exposed_port(5432))
        _await(lambda: is_open(port), "PostgreSQL's container")
        return str(container.get_connection_url())


def _await(done: Callable[[], bool], what: str) -> None:
    assert wait_until(done, CONTAINER_SECONDS_MAX), f"{what} is not up within {CONTAINER_SECONDS_MAX:.0f} s"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_orphans() -> None:
    """A run that was killed leaves its servers behind; the next one ends them."""
    for home in Path(tempfile.gettempdir()).glob(f"{STATE_PREFIX}*"):
        pid = home.name.removeprefix(STATE_PREFIX).split("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            with suppress(Exception):
                Stack(home).down(wipe=True)
            shutil.rmtree(home, ignore_errors=True)
