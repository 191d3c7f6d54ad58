"""An installation as its people see it: a prefix and a database of its own, and the `worldtick` command, nothing else.
Lives here: running the command, processes beside it. Not here: servers (tests/servers), what is accepted."""

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.waiting import until
from worldtick.cli.catalogue import catalogue
from worldtick.cli.settings import child_environment

COMMAND = [sys.executable, "-m", "worldtick.cli.main"]
COMMAND_S_MAX = 100.0
READY_S_MAX = 40.0


@dataclass(frozen=True)
class Process:
    """One that runs beside the test."""

    popen: "subprocess.Popen[bytes]"
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged, whole lines only."""
        whole = self.log.read_text("utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def port(self) -> int:
        """Where it answers for its health; waits until it says so."""
        until(lambda: any(line["event"] == "vitals_served" for line in self.lines()), READY_S_MAX)
        return next(int(line["port"]) for line in self.lines() if line["event"] == "vitals_served")


@dataclass(frozen=True)
class Installation:
    """One deployment; its state directory is empty, so every server is the test run's."""

    kafka: str
    database_url: str
    prefix: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables of every command."""
        return child_environment(
            KAFKA_BOOTSTRAP_SERVERS=self.kafka,
            DATABASE_URL=self.database_url,
            WORLDTICK_TOPIC_PREFIX=self.prefix,
            WORLDTICK_STATE_DIR=str(self.home / "state"),
            WORLDTICK_SESSION_TIMEOUT_S="2",
            WORLDTICK_JOB_NAME="",
            LOG_FORMAT="json",
            PORT="0",
        )

    def run(self, *arguments: object, said: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run `worldtick ARGUMENTS` to its end. said: what stands on its standard input."""
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(
            command,
            env=self.environment,
            input=said,
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )

    def do(self, *arguments: object, said: str | None = None) -> str:
        """What it printed; it must have ended with 0."""
        done = self.run(*arguments, said=said)
        assert done.returncode == 0, f"worldtick {' '.join(map(str, arguments))}: {done.stderr or done.stdout}"
        return done.stdout

    @contextmanager
    def running(self, *arguments: object) -> Iterator[Process]:
        """`worldtick ARGUMENTS` beside the test, ended by SIGTERM, which it must obey with exit code 0."""
        log = self.home / f"{'-'.join(map(str, arguments)).strip('-')}-{secrets.token_hex(3)}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen([*COMMAND, *map(str, arguments)], env=self.environment, stdout=out, stderr=out)
        try:
            yield Process(popen, log)
        finally:
            popen.send_signal(signal.SIGTERM)
            try:
                code = popen.wait(READY_S_MAX)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()
                raise
        assert code == 0, log.read_text("utf-8")[-2_000:]

    def applied(self) -> int:
        """How far the slowest market of any world is in its stream."""
        with closing(psycopg.connect(self.database_url)) as conn:
            row = conn.execute("select min(version) from slice where service = 'economy'").fetchone()
        return int(row[0]) if row else 0


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Kernels are compiled once, before any process is waited for; it finds them on disk."""
    for service in catalogue().values():
        if service.warm_up is not None:
            service.warm_up()


@pytest.fixture
def bare_installation(kafka: str, postgres_url: str, topic_prefix: str, tmp_path: Path) -> Installation:
    """A deployment whose tables are made, and no topics."""
    return Installation(kafka, postgres_url, topic_prefix, tmp_path)


@pytest.fixture
def installation(bare_installation: Installation) -> Installation:
    """A deployment after `worldtick up`."""
    bare_installation.do("up")
    return bare_installation
