"""The pacer on a real broker and database: worlds at their own paces, targets, bounds, sharing, and death by SIGKILL.
Lives here: turns and the loop. Not here: schedules (test_ticker), the pure courses (tests/unit/clock)."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from tests.integration.conftest import RunWorker
from tests.small_worlds import CATALOGUE, T0, history, make_world, read_topic
from tests.waiting import running, until
from worldtick.clock.course import Course, Pace, advance, begun, pause, resume, set_mode, set_scale
from worldtick.clock.scale import PPB
from worldtick.clock.worldtime import DAY_US, HOUR_US, MINUTE_US, SECOND_US, WallTime
from worldtick.contracts.errors import Unavailable
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.wire import EventWriter
from worldtick.control.creation import archive_world
from worldtick.sealing.steering import course_of, steer
from worldtick.store.clocks import lock_clocks, save_course
from worldtick.store.db import Pool, open_pool, transaction
from worldtick.ticker.pacer import Pacer, SteadyWall
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.turns import Pacing, Turn

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

AUTO = Pace("auto", scale_ppb=60 * PPB)


class Wall(SteadyWall):
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.at_us = int(T0)

    def now_us(self) -> WallTime:
        return WallTime(self.at_us)


def _pacer(pool: Pool, publisher: Publisher, turns: list[Turn] | None = None) -> tuple[Pacer, Wall]:
    wall = Wall()
    seen = turns if turns is not None else []
    return Pacer(pool, publisher, Pacing(CATALOGUE), on_turn=seen.append, wall=wall), wall


def _go(pacer: Pacer, wall: Wall, seconds: float, step_s: float = 0.01) -> None:
    """The loop's looks over a span of wall time."""
    for _ in range(round(seconds / step_s)):
        wall.at_us += round(step_s * SECOND_US)
        pacer.look()


def _command(pool: Pool, key: int, change: Callable[[Course], Course]) -> Course:
    """What control does."""
    with transaction(pool) as conn:
        (clock,) = lock_clocks(conn, [key])
        steer(clock, change(course_of(clock)))
        save_course(conn, clock)
        return course_of(clock)


def _finish_all(pool: Pool) -> None:
    """Play the services: all have finished what there is."""
    with transaction(pool) as conn:
        conn.execute(
            "update slice s set version = case s.stream when 'all' then c.seq when 'hourly' then c.hourly_seq"
            " else c.daily_seq end from clock c where c.world_key = s.world_key"
        )
        conn.execute("notify worldtick_slices")


def _chain(ticks: list[SealedTick]) -> None:
    """No tick twice, none missing, world time monotonic."""
    assert [tick.seq for tick in ticks] == list(range(1, len(ticks) + 1))
    for before, after in pairwise(ticks):
        assert after.from_us == before.to_us <= after.to_us
    assert len({(tick.kind, tick.to_us) for tick in ticks}) == len(ticks)


def test_three_worlds_at_their_own_intervals(pool: Pool, publisher: Publisher) -> None:
    keys = {
        every: make_world(pool, f"w{every}", pace=Pace("auto", 60 * PPB, every * SECOND_US, in_flight_max=1_000))
        for every in (1, 2, 5)
    }
    pacer, wall = _pacer(pool, publisher)
    _go(pacer, wall, 30, 0.1)
    ticks = {every: history(pool, key) for every, key in keys.items()}
    assert {every: len(found) for every, found in ticks.items()} == {1: 30, 2: 15, 5: 6}
    assert {found[-1].to_us for found in ticks.values()} == {30 * MINUTE_US}
    archive_world(pool, "w5")
    _go(pacer, wall, 30, 0.5)
    ends = {every: history(pool, key)[-1].to_us for every, key in keys.items()}
    assert ends == {1: HOUR_US, 2: HOUR_US, 5: 30 * MINUTE_US}
    assert history(pool, keys[1])[-1].kind == "hourly"
    for key in keys.values():
        _chain(history(pool, key))


def test_scale_and_pause_while_it_runs(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w", pace=Pace("auto", 100 * PPB, in_flight_max=1_000))
    pacer, wall = _pacer(pool, publisher)
    _go(pacer, wall, 30, 0.5)
    assert history(pool, key)[-1].to_us == 3_000 * SECOND_US
    _command(pool, key, lambda course: set_scale(course, PPB // 2, wall.at_us))
    _go(pacer, wall, 30, 0.5)
    assert history(pool, key)[-1].to_us == 3_015 * SECOND_US
    _command(pool, key, lambda course: pause(course, wall.at_us))
    _go(pacer, wall, 600, 60)
    course = _command(pool, key, lambda course: resume(course, wall.at_us))
    assert (course.now_us, course.scale_ppb) == (3_015 * SECOND_US, PPB // 2)
    _go(pacer, wall, 2, 0.5)
    assert history(pool, key)[-1].to_us == 3_016 * SECOND_US
    _chain(history(pool, key))


def test_an_advance_is_driven_by_any_ticker_and_two_callers_both_count(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str
) -> None:
    key = make_world(pool, "w", pace=Pace("manual", in_flight_max=1_000))
    pacer, wall = _pacer(pool, publisher)
    _go(pacer, wall, 1, 0.5)
    assert history(pool, key) == []
    threads = [
        threading.Thread(target=_command, args=(pool, key, partial(advance, delta_us=span_us, wall_us=int(T0))))
        for span_us in (DAY_US, 90 * MINUTE_US)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    _go(pacer, wall, 0.05)
    ticks = history(pool, key)
    _chain(ticks)
    assert [tick.kind for tick in ticks] == [*["hourly"] * 24, "daily", "hourly", "step"]
    assert (ticks[-1].to_us, ticks[-1].hours) == (DAY_US + 90 * MINUTE_US, 0)
    assert {tick.triggered_by for tick in ticks} == {"manual"}
    assert ticks[-1].consumers == ("count",)  # a step is for those who read every tick
    assert ticks[-1].budgets == {"count": {}}
    assert len(read_topic(kafka, topic_prefix + "world.tick")) == 27
    assert len(read_topic(kafka, topic_prefix + "world.tick.hourly")) == 25
    course = _command(pool, key, lambda course: course)
    assert (course.target_us, course.due_us) == (None, None)
    _command(pool, key, lambda course: advance(course, 30 * MINUTE_US, wall.at_us))
    _go(pacer, wall, 0.02)
    last = history(pool, key)[-1]
    assert (last.kind, last.from_us, last.to_us, last.hours) == ("hourly", DAY_US + 90 * MINUTE_US, 26 * HOUR_US, 1)


def test_the_clock_halts_at_its_ticks_in_flight_and_goes_on_when_services_finish(
    pool: Pool, publisher: Publisher
) -> None:
    latest = make_world(pool, "latest", pace=Pace("auto", 1_000 * PPB, in_flight_max=5))
    lag = make_world(pool, "lag", facts="lag", pace=Pace("auto", 1_000 * PPB, in_flight_max=5))
    turns: list[Turn] = []
    pacer, wall = _pacer(pool, publisher, turns)
    _go(pacer, wall, 60, 1)
    assert (len(history(pool, latest)), len(history(pool, lag))) == (5, 1)
    assert turns[-1].lag_us_max >= 55 * SECOND_US
    for _ in range(40):
        _finish_all(pool)
        wall.at_us += 1
        pacer.look()
    _go(pacer, wall, 1, 0.25)
    for key in (latest, lag):
        ticks = history(pool, key)
        _chain(ticks)
        assert ticks[-1].to_us >= 60_000 * SECOND_US
    assert turns[-1].lag_us_max == 0


def _lagged(pool: Pool, publisher: Publisher, policy: Any, **more: Any) -> list[SealedTick]:
    """A world at a game hour a second whose services stand still for 100 s, and then catch up."""
    pace = Pace("auto", 3_600 * PPB, SECOND_US, in_flight_max=1, lag_policy=policy, lag_us_max=10 * SECOND_US)
    key = make_world(pool, policy, services=("market", "council"), pace=pace, **more)
    pacer, wall = _pacer(pool, publisher)
    _go(pacer, wall, 100, 1)
    for _ in range(150):
        _finish_all(pool)
        wall.at_us += 1
        pacer.look()
    return history(pool, key)


def test_what_a_world_does_that_lags_too_far(pool: Pool, publisher: Publisher) -> None:
    waits = _lagged(pool, publisher, "wait")
    assert (len(waits), waits[-1].to_us) == (104, 100 * HOUR_US)
    slows = _lagged(pool, publisher, "slow_down")
    assert slows[-1].to_us <= 12 * HOUR_US
    skipping = _lagged(pool, publisher, "skip")
    assert skipping[-1].to_us == 100 * HOUR_US
    assert [tick.hours for tick in skipping if tick.kind == "hourly"][:4] == [1, 23, 24, 24]
    assert sum(tick.hours for tick in skipping if tick.kind == "hourly") == 100
    for ticks in (waits, slows, skipping):
        _chain(ticks)


def test_an_advance_is_cut_at_every_boundary_whatever_the_policies(pool: Pool, publisher: Publisher) -> None:
    pace = Pace("auto", PPB, in_flight_max=1_000, lag_policy="skip", lag_us_max=1)
    key = make_world(pool, "w", pace=pace, catch_up="coalesce")
    pacer, wall = _pacer(pool, publisher)
    _command(pool, key, lambda course: advance(course, 2 * DAY_US, wall.at_us))
    _go(pacer, wall, 0.1)
    ticks = history(pool, key)
    assert [tick.kind for tick in ticks] == [*["hourly"] * 24, "daily"] * 2
    assert {tick.hours for tick in ticks if tick.kind == "hourly"} == {1}
    _go(pacer, wall, 3 * 3_600, 3 * 3_600)  # what was missed while no ticker looked
    assert [(tick.kind, tick.hours) for tick in history(pool, key)[50:]] == [("hourly", 3)]


def test_a_large_target_starves_nobody(pool: Pool, publisher: Publisher) -> None:
    busy = make_world(pool, "busy", pace=Pace("manual", in_flight_max=10**6))
    others = [make_world(pool, f"w{number}", pace=AUTO) for number in range(20)]
    _command(pool, busy, lambda course: advance(course, 365 * DAY_US, int(T0)))
    pacer, wall = _pacer(pool, publisher)
    _go(pacer, wall, 3, 0.1)
    assert len(history(pool, busy)) == 16 * 30
    assert {len(history(pool, key)) for key in others} == {3}


def test_a_world_whose_service_is_not_here_is_not_moved(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w", pace=AUTO)
    turns: list[Turn] = []
    wall = Wall()
    catalogue = {"count": CATALOGUE["count"]}
    pacer = Pacer(pool, publisher, Pacing(catalogue), on_turn=turns.append, wall=wall)
    _go(pacer, wall, 20, 0.5)
    assert history(pool, key) == []
    assert turns[0].missing == {"w": ["council", "market"]}
    assert len(turns) <= 5  # looked at now and then


def test_nothing_moves_beyond_until(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w", pace=Pace("manual", in_flight_max=100))
    _command(pool, key, lambda course: advance(course, 30 * HOUR_US, int(T0)))
    wall = Wall()
    epoch_us = history_epoch_us(pool, key)
    pacing = Pacing(CATALOGUE, until_unix_us=epoch_us + 3 * HOUR_US + MINUTE_US)
    _go(Pacer(pool, publisher, pacing, wall=wall), wall, 0.05)
    assert history(pool, key)[-1].to_us == 3 * HOUR_US + MINUTE_US


def history_epoch_us(pool: Pool, key: int) -> int:
    """A world's epoch in Unix us."""
    with transaction(pool) as conn:
        (clock,) = lock_clocks(conn, [key])
        return clock.epoch_s * SECOND_US


def _serve(url: str, kafka: str, prefix: str) -> None:
    pool = open_pool(url, 4, "test-pacer")
    Pacer(pool, Publisher(kafka, EventWriter(), prefix), Pacing(CATALOGUE)).run_until(threading.Event())


def test_two_tickers_share_worlds_and_survive_each_others_death(
    pool: Pool, publisher: Publisher, postgres_url: str, kafka: str, topic_prefix: str
) -> None:
    now_us = time.time_ns() // 1_000
    pace = Pace("auto", 3_600 * PPB, 100_000, in_flight_max=10**6)
    keys = [make_world(pool, f"w{number}", pace=pace, first_us=now_us) for number in range(40)]
    spawn = multiprocessing.get_context("spawn")
    tickers = [spawn.Process(target=_serve, args=(postgres_url, kafka, topic_prefix)) for _ in range(2)]
    for ticker in tickers:
        ticker.start()
    try:
        for victim in (0, 1):
            seen = {key: len(history(pool, key)) for key in keys}
            until(lambda seen=seen: all(len(history(pool, key)) > seen[key] + 2 for key in keys))  # type: ignore[misc]
            tickers[victim].kill()
            tickers[victim].join(30)
            tickers[victim] = spawn.Process(target=_serve, args=(postgres_url, kafka, topic_prefix))
            tickers[victim].start()
        seen = {key: len(history(pool, key)) for key in keys}
        until(lambda: all(len(history(pool, key)) > seen[key] + 2 for key in keys))
    finally:
        for ticker in tickers:
            ticker.kill()
            ticker.join(30)
    publisher.publish(pool, None)
    rung = len({(record.key(), record.value()) for record in read_topic(kafka, topic_prefix + "world.tick")})
    assert rung == sum(len(history(pool, key)) for key in keys)
    for key in keys:
        _chain(history(pool, key))


def test_what_was_sealed_while_kafka_was_away_is_rung_later(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str
) -> None:
    key = make_world(pool, "w", pace=Pace("manual"))
    _command(pool, key, lambda course: advance(course, 20 * HOUR_US, int(T0)))
    quick = {"delivery.timeout.ms": "300", "request.timeout.ms": "200", "log_level": "0"}
    nowhere = Publisher("127.0.0.1:1", EventWriter(), topic_prefix, quick)
    failures: list[Unavailable] = []
    with running(Pacer(pool, nowhere, Pacing(CATALOGUE), on_failure=failures.append).run_until):
        until(lambda: len(failures) >= 2)
    assert "KafkaAway" in {type(failure).__name__ for failure in failures}
    assert len(history(pool, key)) == 16  # as many as may be in flight; they are safe, and nobody heard of them
    assert read_topic(kafka, topic_prefix + "world.tick") == []
    with running(Pacer(pool, publisher, Pacing(CATALOGUE)).run_until):
        until(lambda: len(read_topic(kafka, topic_prefix + "world.tick")) == 16)
        _finish_all(pool)
        until(lambda: len(history(pool, key)) == 20)
    _chain(history(pool, key))


def test_the_pacer_outlives_its_sessions(pool: Pool, publisher: Publisher, postgres_url: str) -> None:
    pace = Pace("auto", 3_600 * PPB, 20_000, in_flight_max=10**6)
    key = make_world(pool, "w", pace=pace, first_us=time.time_ns() // 1_000)
    own = open_pool(postgres_url, 4, "test-cut")
    try:
        with running(Pacer(own, publisher, Pacing(CATALOGUE)).run_until):
            for _ in range(3):
                seen = len(history(pool, key))
                until(lambda seen=seen: len(history(pool, key)) > seen + 5)  # type: ignore[misc]
                with transaction(pool) as conn:
                    conn.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where application_name like '%test-cut%' and datname = current_database()"
                    )
            seen = len(history(pool, key))
            until(lambda: len(history(pool, key)) > seen + 5)
    finally:
        own.close()
    _chain(history(pool, key))


def test_a_command_is_driven_at_once_and_a_notice_lets_a_world_go_on(
    pool: Pool, publisher: Publisher, postgres_url: str
) -> None:
    key = make_world(pool, "w", services=("count",), facts="lag", pace=Pace("manual"))
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE))

    def serve(stop: threading.Event) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as conn:
            while not stop.wait(0.005):
                conn.execute("update slice s set version = c.seq from clock c where c.world_key = s.world_key")
                conn.execute("notify worldtick_slices")

    with running(pacer.run_until), running(serve):
        _command(pool, key, lambda course: advance(course, DAY_US, time.time_ns() // 1_000))
        until(lambda: len(history(pool, key)) == 25)
    _chain(history(pool, key))
    assert [tick.facts_as_of for tick in history(pool, key)] == list(range(25))


def test_a_mode_may_be_changed_at_run_time(pool: Pool, publisher: Publisher) -> None:
    key = make_world(pool, "w")
    pacer, wall = _pacer(pool, publisher)
    _go(pacer, wall, 10, 1)
    assert history(pool, key) == []
    _command(pool, key, lambda course: set_mode(course, "auto", wall.at_us))
    _go(pacer, wall, 10, 1)
    assert history(pool, key)[-1].to_us == 10 * SECOND_US
    _command(pool, key, lambda course: set_mode(course, "manual", wall.at_us))
    _go(pacer, wall, 10, 1)
    assert history(pool, key)[-1].to_us == 10 * SECOND_US


def test_a_steady_wall_goes_on_from_where_it_began() -> None:
    wall = SteadyWall(int(T0))
    first = wall.now_us()
    assert T0 <= first <= wall.now_us() < T0 + 60 * SECOND_US


def test_a_new_worlds_pace_begins_at_its_first_firing() -> None:
    assert begun(Course("auto"), int(T0)).due_us == T0 + SECOND_US


def test_workers_step_every_kind_and_the_next_tick_waits_for_them(
    pool: Pool, publisher: Publisher, run_worker: RunWorker
) -> None:
    key = make_world(pool, "w", services=("count", "market"), facts="lag", pace=Pace("manual"))
    pacer = Pacer(pool, publisher, Pacing(CATALOGUE))
    with run_worker(CATALOGUE["count"]), run_worker(CATALOGUE["market"]), running(pacer.run_until):
        for span_us, count in ((5 * MINUTE_US, 1), (DAY_US, 27)):
            _command(pool, key, partial(advance, delta_us=span_us, wall_us=time.time_ns() // 1_000))
            until(lambda count=count: _versions(pool)["count"] == count)  # type: ignore[misc]
        until(lambda: _versions(pool) == {"count": 27, "market": 24})
    ticks = history(pool, key)
    _chain(ticks)
    assert ticks[-1].to_us == DAY_US + 5 * MINUTE_US
    assert {tick.kind for tick in ticks} == {"step", "hourly", "daily"}


def _versions(pool: Pool) -> dict[str, int]:
    with transaction(pool) as conn:
        return dict(conn.execute("select service, version from slice").fetchall())
