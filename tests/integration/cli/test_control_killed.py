"""Control in processes of its own, killed and stopped under load: each paste sealed once, each dead letter there once.
Lives here: real deaths and zombies of control. Not here: those of workers (tests/chaos), verdicts (test_control)."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.control_rooms import paste
from tests.integration.cli.conftest import Command
from tests.small_worlds import history, read_topic
from tests.waiting import until
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of

pytestmark = [pytest.mark.postgres, pytest.mark.kafka, pytest.mark.chaos]

HOURLY = "world.tick.hourly"
NEXT = {"data": {"tick_type": "hourly"}}
TAKEN_OVER_S = 60.0  # a member that says nothing is out after its session's time

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(worldtick: Command, topics: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start `worldtick run control` in a process, with this one's environment and short sessions."""
    monkeypatch.setenv("WORLDTICK_SESSION_TIMEOUT_S", "2")
    started: list[subprocess.Popen[bytes]] = []

    def one() -> "subprocess.Popen[bytes]":
        argv = [sys.executable, "-m", "worldtick.cli.main", "run", "control", "--port", "0"]
        started.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def world(worldtick: Command, pool: Pool) -> int:
    """The key of the only world."""
    assert worldtick("world", "create", "w", "--scenario", "night_city").code == 0
    with transaction(pool) as conn:
        return keys_of(conn, ["w"])["w"][0]


class _Load:
    """Pastes and garbage, and the account of them."""

    def __init__(self, kafka: str, prefix: str, pool: Pool, world: int) -> None:
        self._kafka, self._prefix, self._pool, self._world = kafka, prefix, pool, world
        self.sent = 0

    def send(self, count: int) -> None:
        """`count` nameless pastes, garbage between them."""
        for number in range(self.sent, self.sent + count):
            paste(self._kafka, self._prefix + HOURLY, NEXT, b"garbage %d" % number)
        self.sent += count

    def hours(self) -> int:
        """Hourly ticks sealed."""
        return sum(tick.kind == "hourly" for tick in history(self._pool, self._world))

    def check(self) -> None:
        """All of it once."""
        until(lambda: self.hours() >= self.sent, TAKEN_OVER_S)
        until(lambda: sum(self._letters().values()) >= self.sent, TAKEN_OVER_S)
        assert self.hours() == self.sent
        assert self._letters() == {b"garbage %d" % number: 1 for number in range(self.sent)}
        with transaction(self._pool) as conn:
            assert conn.execute("select count(*) from paste").fetchone() == (self.sent,)

    def _letters(self) -> Counter[bytes]:
        return Counter(letter.value() for letter in read_topic(self._kafka, f"{self._prefix}{HOURLY}.dlq"))


def test_killed_and_followed(kafka: str, topics: str, pool: Pool, world: int, start: Start) -> None:
    load = _Load(kafka, topics, pool, world)
    member = start()
    for kill in range(2):
        load.send(20)
        until(lambda done=20 * kill + 1: load.hours() >= done, TAKEN_OVER_S)  # type: ignore[misc]
        member.kill()
        member.wait()
        member = start()
    load.check()
    member.send_signal(signal.SIGTERM)
    assert member.wait(30) == 0


def test_a_zombie_comes_back(kafka: str, topics: str, pool: Pool, world: int, start: Start) -> None:
    """Stopped until another has its partitions, then continued while both have work."""
    load = _Load(kafka, topics, pool, world)
    zombie = start()
    load.send(10)
    until(lambda: load.hours() >= 1, TAKEN_OVER_S)
    zombie.send_signal(signal.SIGSTOP)
    load.send(20)
    heir = start()
    until(lambda: load.hours() >= load.sent, TAKEN_OVER_S)
    zombie.send_signal(signal.SIGCONT)
    load.send(20)
    load.check()
    for member in (zombie, heir):
        member.send_signal(signal.SIGTERM)
        assert member.wait(30) == 0
