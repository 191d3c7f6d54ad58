"""A storm: workers and servers killed, stopped and continued at random for minutes, two services with effects between.
Lives here: the long, seeded variant of this room's tests. Not here: one mishap at a time (the other modules)."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from numpy.random import Generator, Philox

from tests.chaos.counting import Section
from tests.chaos.fleet import Fleet, Member
from worldtick.contracts.errors import Unavailable
from worldtick.local.stack import Stack

pytestmark = [pytest.mark.chaos, pytest.mark.soak, pytest.mark.timeout(1_200)]

ROUNDS = 60
SEAL_TRIES = 9  # each fails within its own bound
SHORT = {"batch_records": 9, "ticks_per_record": 3, "snapshot_kept_every_ticks": 30}
SERVICES = ("tally", "tally", "echo")


@dataclass(slots=True)
class Storm:
    """One run of it."""

    fleet: Fleet
    servers: Stack
    chance: Generator
    members: list[Member] = field(default_factory=list)
    stopped: list[Member] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def strike(self) -> None:
        """One mishap."""
        mishaps: list[tuple[Callable[[], object], float]] = [
            (self.kill, 0.36),
            (self.stop, 0.16),
            (self.go_on, 0.16),
            (self.end, 0.12),
            (lambda: self.server(self.servers.broker.kill, self.servers.start_broker), 0.05),
            (lambda: self.server(self.servers.broker.pause, self.servers.broker.resume), 0.05),
            (lambda: self.server(self.servers.postgres.kill, self.servers.start_postgres), 0.05),
            (lambda: self.server(self.servers.postgres.pause, self.servers.postgres.resume), 0.05),
        ]
        which = int(self.chance.choice(len(mishaps), p=[odds for _, odds in mishaps]))
        self.told.append(str(which))
        mishaps[which][0]()

    def _one(self) -> int:
        return int(self.chance.integers(len(self.members)))

    def _start(self, number: int) -> None:
        self.members[number] = self.fleet.start(SERVICES[number], rules=SHORT)

    def kill(self) -> None:
        """A worker ends at once."""
        number = self._one()
        self.members[number].kill()
        self._start(number)

    def stop(self) -> None:
        """A worker hangs, and another takes its place."""
        number = self._one()
        self.members[number].send(signal.SIGSTOP)
        self.stopped.append(self.members[number])
        self._start(number)

    def go_on(self) -> None:
        """Those that hung go on, as zombies."""
        for member in self.stopped:
            if member.process.poll() is None:
                member.send(signal.SIGCONT)
                member.process.terminate()
        self.stopped.clear()

    def end(self) -> None:
        """A worker drains."""
        number = self._one()
        self.members[number].process.terminate()
        self._start(number)

    def server(self, begin: Callable[[], Any], end: Callable[[], Any]) -> None:
        """A server is away for a while."""
        begin()
        try:
            threading.Event().wait(float(self.chance.uniform(0.5, 12.0)))
        finally:
            end()

    def seal(self) -> None:
        """More ticks. A server that is just back may not answer yet: sealed and not rung, nobody would step them."""
        for hours in (3, *(0 for _ in range(SEAL_TRIES))):
            try:
                self.fleet.seal(hours)
            except Unavailable:
                self.told.append("unsealed")
            else:
                return


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_storm(doomed: Fleet, servers: Stack, seed: int) -> None:
    busy = Section(pause_ms=2.0, state_bytes=50_000, slices=2, effects=True)
    for number in range(3):
        doomed.make_world(f"w{number}", Section(pause_ms=2.0))
    for number in range(3, 6):
        doomed.make_world(f"w{number}", {"tally": busy, "echo": busy})
    storm = Storm(doomed, servers, Generator(Philox(seed)))
    storm.members = [doomed.start(name, rules=SHORT) for name in SERVICES]
    for _ in range(ROUNDS):
        storm.seal()
        doomed.await_more(int(storm.chance.integers(1, 40)), 90)
        storm.strike()
    storm.go_on()
    doomed.seal(1)
    doomed.await_done(180)
    for member in storm.members:
        assert member.terminate() == 0
    checked = doomed.check()
    assert checked.dead == 0, storm.told
    assert checked.effects > 100
