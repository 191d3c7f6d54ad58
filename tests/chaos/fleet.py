"""A fleet: worlds, a ticker and worker processes on one broker and database, to be killed, stopped and continued.
Lives here: what all tests of this room do with them. Not here: the servers (conftest), the proof (checker)."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from pydantic import BaseModel

from tests.chaos.checker import Checked, Dead, check
from tests.chaos.counting import SERVICES, Section
from tests.observed import all_topics
from tests.small_worlds import T0
from tests.waiting import until
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.wire import EventWriter
from worldtick.control.creation import Plan, create_world
from worldtick.runtime.service import Service
from worldtick.store.db import Pool, open_pool
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import Report, run_ticker

HOUSE = Path(__file__).parents[2]
BROKEN = 1  # the exit code of a process that an exception ended


@dataclass(slots=True)
class Member:
    """One worker process."""

    service: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event, so far."""
        return [line for line in self.log_lines() if line.get("event") == event]

    def log_lines(self) -> list[dict[str, Any]]:
        """All complete log lines, so far."""
        text = self.log.read_text("utf-8")
        return [
            json.loads(line) for line in text.splitlines(keepends=True) if line.startswith("{") and line[-1] == "\n"
        ]

    def await_line(self, event: str, seconds_max: float = 30.0) -> None:
        """Wait until the process has logged an event."""
        until(lambda: bool(self.lines(event)) or self.process.poll() is not None, seconds_max)
        assert self.lines(event), f"no {event} in the log:\n{self.log.read_text('utf-8')[-4_000:]}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.kill()
        self.process.wait(10)

    def terminate(self, seconds_max: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(seconds_max)

    def health(self) -> tuple[int, dict[str, Any]]:
        """(status, report) of /health."""
        return self._get("/health")

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port()}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port()}{path}", timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as unfit:
            with unfit:
                return unfit.code, json.loads(unfit.read())

    def _port(self) -> int:
        self.await_line("vitals_served")
        return int(self.lines("vitals_served")[0]["port"])


@dataclass(slots=True)
class Fleet:
    """Everything on one broker and one database, below one prefix."""

    bootstrap: str
    database_url: str
    prefix: str
    folder: Path
    catalogue: Mapping[str, Service[Any]] = field(default_factory=lambda: SERVICES)
    members: list[Member] = field(default_factory=list)
    _pool: Pool | None = None
    _publisher: Publisher | None = None
    _asking: "psycopg.Connection[tuple[Any, ...]] | None" = None
    hours: int = 0

    def open(self) -> None:
        """Make the topics, connect."""
        all_topics(self.bootstrap, self.prefix)
        self._pool = open_pool(self.database_url, 3, "chaos")
        self._publisher = Publisher(self.bootstrap, EventWriter(), self.prefix)

    def close(self) -> None:
        """End every process and connection."""
        for member in self.members:
            if member.process.poll() is None:
                member.process.kill()
            member.process.wait(10)
        if self._publisher is not None:
            self._publisher.close()
        if self._pool is not None:
            self._pool.close()
        if self._asking is not None:
            self._asking.close()

    @property
    def pool(self) -> Pool:
        """Connections of the test itself."""
        assert self._pool is not None
        return self._pool

    def start(self, service: str = "tally", **order: Any) -> Member:
        """Start a worker process; its log is a file of its own."""
        log = self.folder / f"{len(self.members)}.{service}.log"
        order = {"kafka": self.bootstrap, "database_url": self.database_url, "prefix": self.prefix, **order}
        argv = [sys.executable, "-m", "tests.chaos.worker", json.dumps({"service": service, **order})]
        with log.open("wb") as out:
            process = subprocess.Popen(argv, cwd=HOUSE, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        member = Member(service, process, log)
        self.members.append(member)
        return member

    def make_worlds(
        self, count: int, services: Mapping[str, Section] | Section | None = None, **plan: Any
    ) -> list[str]:
        """Create worlds w0, w1, .. with the same sections: tally's alone, or each service's."""
        names = [f"w{number}" for number in range(count)]
        for name in names:
            self.make_world(name, services, **plan)
        return names

    def make_world(self, name: str, services: Mapping[str, BaseModel] | Section | None = None, **plan: Any) -> None:
        """Create one world; its first firing is T0."""
        if not isinstance(services, Mapping):
            services = {"tally": services or Section()}
        scenario = {"services": {service: section.model_dump() for service, section in services.items()}}
        text = msgspec.json.encode(scenario).decode()
        more = {"first_us": T0, "catch_up_max": 10_000, "seed": len(name) * 1_000 + int(name[1:] or 0), **plan}
        create_world(self.pool, Plan(world_id=name, scenario=text, sections=services, **more), self.catalogue)

    def seal(self, hours: int, wait_s: float = 0.0) -> Report:
        """Seal and ring `hours` more game hours of every world."""
        assert self._publisher is not None
        self.hours += hours
        order = Order("hourly", WallTime(T0 + (self.hours - 1) * HOUR_US), HOUR_US)
        return run_ticker(self.pool, self._publisher, self.catalogue, order, wait_s=wait_s)

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database. Raises psycopg.OperationalError while it is away."""
        try:
            return self._conn().execute(statement.encode(), values or None).fetchall()
        except psycopg.OperationalError:  # the connection may be one of before a restart
            return self._conn().execute(statement.encode(), values or None).fetchall()

    def run_sql(self, statement: str, *values: Any) -> int:
        """Change the database; rows changed."""
        return self._conn().execute(statement.encode(), values or None).rowcount

    def _conn(self) -> "psycopg.Connection[tuple[Any, ...]]":
        if self._asking is None or self._asking.closed:
            self._asking = psycopg.connect(self.database_url, autocommit=True, connect_timeout=5)
        return self._asking

    def done(self) -> int:
        """Steps done by all slices."""
        return int(self.query("select coalesce(sum(version), 0) from slice")[0][0])

    def behind(self) -> int:
        """Ticks that slices have not finished."""
        return int(
            self.query(
                "select coalesce(sum(case s.stream when 'all' then c.seq when 'hourly' then c.hourly_seq"
                " else c.daily_seq end - s.version), 0) from slice s join clock c using (world_key)"
            )[0][0]
        )

    def until(self, done: Callable[[], bool], seconds_max: float = 40.0) -> None:
        """Wait until a condition holds; AssertionError once the time is up, or at once if a worker has broken."""

        def holds() -> bool:
            for member in self.members:
                code = member.process.poll()
                assert code != BROKEN, f"a worker broke:\n{member.log.read_text('utf-8')[-4_000:]}"
            return done()

        until(holds, seconds_max)

    def await_more(self, steps: int, seconds_max: float = 40.0) -> None:
        """Wait until so many more steps are done, or all that there are."""
        goal = self.done() + steps
        self.until(lambda: self.done() >= goal or self.behind() == 0, seconds_max)

    def await_steps(self, steps: int, seconds_max: float = 40.0) -> None:
        """Wait until so many steps are done in all."""
        self.until(lambda: self.done() >= steps, seconds_max)

    def await_done(self, seconds_max: float = 60.0) -> None:
        """Wait until every slice has finished every tick, and all of it is published."""
        self.until(lambda: self.behind() == 0, seconds_max)
        self.await_published(seconds_max)

    def await_published(self, seconds_max: float = 60.0) -> None:
        """Wait until the readers have noted offsets beyond every ledger row's origin."""
        self.until(
            lambda: (
                not self.query(
                    "select from ledger l left join published p on p.reader_key = l.reader_key"
                    " and p.partition = l.origin_partition where coalesce(p.next_offset, 0) <= l.origin_offset limit 1"
                )
            ),
            seconds_max,
        )

    def delete_records(self, topic: str = "world.tick") -> int:
        """Delete all that a topic holds, as retention does; how many offsets are gone."""
        argv = [sys.executable, "-m", "tests.chaos.deleting", self.bootstrap, self.prefix + topic]
        return int(subprocess.run(argv, cwd=HOUSE, stdout=subprocess.PIPE, check=True, timeout=60).stdout)

    def check(self, dead: Dead = (), accounts: bool = True, repeats: bool = False) -> Checked:
        """Prove it all; see checker.check."""
        return check(self.database_url, self.bootstrap, self.prefix, dead, accounts, repeats)
