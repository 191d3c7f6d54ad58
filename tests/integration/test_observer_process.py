"""The observer as a process: killed in the middle of its work it loses and doubles nothing; its log is JSON.
Lives here: `worldtick run observer`. Not here: what it counts (test_observer)."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Producer

from tests.integration.test_observer import cleared
from tests.observed import all_topics
from tests.small_worlds import read_topic
from tests.waiting import until
from worldtick.store.accounts import read_tallies
from worldtick.store.db import Pool, transaction

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

RECORDS = 6_000
POISON_EVERY = 100
EVENTS = "simulation.event"


class _Observer:
    """A process whose log goes to a file."""

    def __init__(self, log: Path) -> None:
        command = [sys.executable, "-m", "worldtick.cli.main", "run", "observer", "--port", "0"]
        with log.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def start(
    monkeypatch: pytest.MonkeyPatch, kafka: str, topic_prefix: str, postgres_url: str, tmp_path: Path
) -> Iterator[Callable[[], _Observer]]:
    """A function that starts an observer; none of them outlives the test."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("WORLDTICK_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("LOG_FORMAT", "json")
    started: list[_Observer] = []

    def begin() -> _Observer:
        started.append(_Observer(tmp_path / "observer.log"))
        return started[-1]

    yield begin
    for observer in started:
        observer.process.kill()
        observer.process.wait(30)


def _counted(pool: Pool, fate: str) -> float:
    with transaction(pool) as conn:
        rows = read_tallies(conn).get("records", [])
    return sum(value for labels, value in rows if labels == {"topic": EVENTS, "fate": fate})


def test_killed_in_the_middle(
    start: Callable[[], _Observer], pool: Pool, kafka: str, topic_prefix: str, postgres_url: str, tmp_path: Path
) -> None:
    all_topics(kafka, topic_prefix)
    producer = Producer({"bootstrap.servers": kafka, "batch.size": 65_536})  # a topic's limit is a batch's
    event = cleared()
    for number in range(RECORDS):
        poison = number % POISON_EVERY == 0
        value = b"{broken %d" % number if poison else event
        producer.produce(topic_prefix + EVENTS, value, key=str(number % 50).encode())
    assert producer.flush(10) == 0
    assert len(read_topic(kafka, topic_prefix + EVENTS)) == RECORDS
    log = tmp_path / "observer.log"
    dead = RECORDS // POISON_EVERY
    for _ in range(2):
        observer = start()
        before = _counted(pool, "read")
        until(partial(_moved, pool, before), what="it has begun")
        observer.end(signal.SIGKILL)
    observer = start()
    until(lambda: _done(pool), what="all is counted")
    assert observer.end(signal.SIGTERM) == 0
    assert (_counted(pool, "read"), _counted(pool, "dead")) == (RECORDS - dead, dead)
    letters = read_topic(kafka, f"{topic_prefix}{EVENTS}.dlq")
    assert sorted(letter.value() for letter in letters) == sorted(
        b"{broken %d" % number for number in range(0, RECORDS, POISON_EVERY)
    )
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert {"observer_started", "observer_stopped", "vitals_served"} <= {line["event"] for line in lines}
    password = str(urlsplit(postgres_url).password)
    assert password not in log.read_text("utf-8")


def _moved(pool: Pool, before: float) -> bool:
    return _counted(pool, "read") > before or _done(pool)


def _done(pool: Pool) -> bool:
    return _counted(pool, "read") + _counted(pool, "dead") >= RECORDS
