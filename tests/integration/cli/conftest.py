"""The command as people run it: arguments in, exit code and printed lines out, on a broker and database of its own.
Lives here: the fixtures of verbs' tests. Not here: what any verb does."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.small_worlds import CATALOGUE, make_topics
from tests.waiting import running
from worldtick.cli import catalogue
from worldtick.cli.main import run
from worldtick.contracts.wire import EventWriter
from worldtick.control.admitting import Auth
from worldtick.control.desk import Rules
from worldtick.control.hearing import Manners
from worldtick.control.serve import run_control
from worldtick.store.db import Pool


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """What stands on stdout, as JSON, line by line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> Any:
        """The one JSON line."""
        (row,) = self.rows
        return row


Command = Callable[..., Ended]


@pytest.fixture
def topics(kafka: str, topic_prefix: str) -> str:
    """The tick topics, made; their prefix."""
    make_topics(kafka, topic_prefix)
    return topic_prefix


@pytest.fixture
def worldtick(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kafka: str,
    postgres_url: str,
    topic_prefix: str,
) -> Command:
    """Run `worldtick …` in this process with the test's own database and prefix."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("WORLDTICK_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("WORLDTICK_JOB_NAME", "")

    def command(*arguments: object) -> Ended:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return command


@pytest.fixture
def small_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue of this process is that of small worlds."""
    catalogue.catalogue.cache_clear()
    monkeypatch.setattr(catalogue, "load", lambda ours, brought: CATALOGUE)


@pytest.fixture(autouse=True)
def _own_catalogue() -> Iterator[None]:
    yield
    catalogue.catalogue.cache_clear()


@contextmanager
def control_at_work(kafka: str, prefix: str, pool: Pool, auth: Auth = "none") -> Iterator[None]:
    """Control, on all its topics, while a block runs."""

    def work(stop: threading.Event) -> None:
        rules, manners = Rules(prefix=prefix), Manners(auth)
        run_control({"bootstrap.servers": kafka}, pool, CATALOGUE, EventWriter(), rules, stop, manners=manners)

    with running(work):
        yield
