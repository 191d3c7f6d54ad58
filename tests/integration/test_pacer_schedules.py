"""Hundreds of seeded schedules of tickers that race and die, commands, services that dawdle, and a wall that drifts.
Lives here: interleavings of real transactions on one row. Not here: threads and processes (test_pacer), Kafka."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise

import psycopg
import pytest

from tests.small_worlds import CATALOGUE, T0, history, make_world
from worldtick.clock.course import Course, Pace, advance, pause, resume, set_scale
from worldtick.clock.scale import PPB
from worldtick.clock.worldtime import HOUR_US, SECOND_US, WallTime
from worldtick.sealing.steering import course_of, steer
from worldtick.store.clocks import claim_due, claim_these, lock_clocks, save_course, unfinished
from worldtick.store.db import Connection, Pool, transaction
from worldtick.ticker.turns import Pacing, take_turn

pytestmark = pytest.mark.postgres

SCHEDULES, ACTIONS = 40, 30
TICKS_MAX = 5_000  # of a schedule
TICKERS = 3


class Schedule:
    """One world, and whoever touches it; each action is drawn from the seed."""

    def __init__(self, pool: Pool, conns: list[Connection], seed: int) -> None:
        self.rng = random.Random(seed)
        self.pool, self.conns = pool, conns
        self.driver = self.rng.choice(("auto", "manual"))
        self.in_flight_max = self.rng.choice((1, 2, 7))
        self.skewed = self.rng.random() < 0.3
        self.wall_us = int(T0)
        pace = Pace(self.driver, 3_600 * PPB, SECOND_US, in_flight_max=self.in_flight_max)  # type: ignore[arg-type]
        facts = self.rng.choice(("lag", "latest"))
        self.in_flight_max = 1 if facts == "lag" else self.in_flight_max
        self.key = make_world(pool, f"s{seed}", pace=pace, facts=facts)
        self.open: Connection | None = None  # a ticker between its seal and its commit
        self.model = Fraction(0)  # what the world has earned, or was told to go
        self.told = 0
        self.scale, self.paused = Fraction(3_600), False

    def run(self) -> None:
        """All of it, then until nothing is left to do."""
        for _ in range(ACTIONS):
            self.rng.choice((self.wait, self.ticker, self.ticker, self.ticker, self.services, self.command))()
            self.check()
        self.end_turn(commit=True)
        self.order("resume")
        self.wait()
        self.order("pause")  # earns to the microsecond
        course = self.order("resume")
        if self.driver == "auto" and not self.skewed:
            assert course.pace_us + Fraction(course.owed_ppb, PPB) == self.model
        self.drain()
        assert self.course().now_us == (self.told if self.driver == "manual" else self.course().pace_us)

    def drain(self) -> None:
        """Services keep up, and a ticker looks until the world is where it was to go."""
        for _ in range(TICKS_MAX):
            self.services(everything=True)
            with transaction(self.pool) as conn:
                clocks = claim_these(conn, [self.key])
                turn = take_turn(conn, Pacing(CATALOGUE), clocks, WallTime(self.wall_us))
            if not turn.ticks:
                self.check()
                return
        raise AssertionError(f"it is not where it was to go after {TICKS_MAX} turns")

    def wait(self) -> None:
        """Wall time goes by."""
        span_us = self.rng.randrange(0, 8 * SECOND_US)
        self.wall_us += span_us
        if self.driver == "auto" and not self.paused:
            self.model += span_us * self.scale

    def ticker(self) -> None:
        """One ticker claims and seals; another finds the row locked; the one that holds it commits or dies."""
        if self.open is not None and self.rng.random() < 0.6:
            self.end_turn(commit=self.rng.random() < 0.7)
            return
        conn = self.rng.choice(self.conns)
        if conn is self.open:
            return
        skew_us = self.rng.randrange(-2 * SECOND_US, 2 * SECOND_US) if self.skewed else 0
        at_us = WallTime(self.wall_us + skew_us)
        clocks = claim_due(conn, at_us, [self.key], 10)
        assert not (clocks and self.open)
        if clocks:
            take_turn(conn, Pacing(CATALOGUE), clocks, at_us)
            self.open = conn
        else:
            conn.rollback()

    def end_turn(self, *, commit: bool) -> None:
        """The ticker that holds the row commits, or dies."""
        if self.open is not None:
            if commit:
                self.open.commit()
            else:
                self.open.rollback()
            self.open = None

    def services(self, *, everything: bool = False) -> None:
        """Some slices finish some of what is committed."""
        done = 1.0 if everything else self.rng.random()
        with transaction(self.pool) as conn:
            conn.execute(
                "update slice s set version = s.version + ceil(%s * (case s.stream when 'all' then c.seq"
                " when 'hourly' then c.hourly_seq else c.daily_seq end - s.version))"
                " from clock c where c.world_key = s.world_key and s.world_key = %s",
                (done, self.key),
            )

    def command(self) -> None:
        """An admin's command waits for the row, so it never falls into a ticker's turn."""
        if self.open is None:
            self.order(self.rng.choice(("advance", "advance", "pause", "resume", "scale")))

    def order(self, name: str) -> Course:
        """One command, as control does it."""
        with transaction(self.pool) as conn:
            (clock,) = lock_clocks(conn, [self.key])
            course = course_of(clock)
            if name == "advance" and not course.paused:
                span_us = self.rng.randrange(1, 6 * HOUR_US)
                course = advance(course, span_us, self.wall_us)
                self.model, self.told = self.model + span_us, self.told + span_us
            elif name == "scale":
                ppb = self.rng.randrange(1, 3_600 * PPB)
                course, self.scale = set_scale(course, ppb, self.wall_us), Fraction(ppb, PPB)
            elif name in ("pause", "resume"):
                course = (pause if name == "pause" else resume)(course, self.wall_us)
                self.paused = course.paused
            if steer(clock, course):
                save_course(conn, clock)
            return course

    def course(self) -> Course:
        """As it is committed."""
        with transaction(self.pool) as conn:
            (clock,) = lock_clocks(conn, [self.key])
            return course_of(clock)

    def check(self) -> None:
        """No tick twice, none missing, world time monotonic, never more in flight than is allowed."""
        ticks = history(self.pool, self.key)
        assert [tick.seq for tick in ticks] == list(range(1, len(ticks) + 1))
        assert all(before.to_us == after.from_us <= after.to_us for before, after in pairwise(ticks))
        assert len({(tick.kind, tick.to_us) for tick in ticks}) == len(ticks)
        with transaction(self.pool) as conn:
            flying = [len(ticks) - first + 1 for _, _, first in unfinished(conn, [self.key])]
        assert max(flying, default=0) <= self.in_flight_max


@pytest.fixture
def conns(postgres_url: str) -> Iterator[list[Connection]]:
    """A ticker's connection each."""
    with ExitStack() as stack:
        yield [stack.enter_context(psycopg.connect(postgres_url)) for _ in range(TICKERS)]


def _run(pool: Pool, conns: list[Connection], first: int, count: int) -> None:
    for seed in range(first, first + count):
        try:
            Schedule(pool, conns, seed).run()
        except BaseException as failed:
            failed.add_note(f"schedule {seed}")
            raise


def test_schedules(pool: Pool, conns: list[Connection]) -> None:
    _run(pool, conns, 0, SCHEDULES)


@pytest.mark.soak
def test_many_schedules(pool: Pool, conns: list[Connection]) -> None:
    _run(pool, conns, 1_000, 20 * SCHEDULES)
