"""A game day on real parts: hourly and daily ticks of one world, factions and crowd, on Kafka and in SQL.
Lives here: the daily path, by ticker and by paste, and one part failing without the other. Not here: the models."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.control_rooms import console, running_control
from tests.integration.conftest import RunWorker
from tests.small_worlds import T0, history, make_topics, read_topic
from tests.waiting import until
from worldtick.cli.catalogue import catalogue
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.control.creation import create_world
from worldtick.control.scenario import load_scenario
from worldtick.store.db import Pool, transaction
from worldtick.store.relations import relation_history, standing_relations
from worldtick.store.worlds import keys_of, slice_positions
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

SEED = json.loads((Path(__file__).parents[1] / "fixtures/seed/world.tick.daily.json").read_text())
DAY = 24


def _world(pool: Pool, **more: Any) -> int:
    services = catalogue()
    assert create_world(pool, load_scenario("night_city", services).plan("nc", T0, **more), services)
    with transaction(pool) as conn:
        return keys_of(conn, ["nc"])["nc"][0]


def _said(kafka: str, prefix: str, *types: str) -> list[dict[str, Any]]:
    events = [json.loads(record.value()) for record in read_topic(kafka, prefix + "simulation.event")]
    assert max(Counter(event["event_id"] for event in events).values(), default=1) == 1
    wanted = {f"simulation.event.{name}" for name in types}
    return [event for event in events if event["event_type"] in wanted]


def _finished(pool: Pool, key: int, service: str, version: int) -> bool:
    with transaction(pool) as conn:
        return all(row[4] >= version for row in slice_positions(conn, key) if row[0] == service)


def _tick(pool: Pool, publisher: Publisher, day: int) -> None:
    """A day's firings of the hourly CronJob, and of the daily one after each: a day comes after its last hour."""
    for hour in range(day * DAY, (day + 1) * DAY):
        at_us = WallTime(T0 + hour * HOUR_US)
        for run in ("hourly", "daily"):
            run_ticker(pool, publisher, catalogue(), Order(run, at_us, HOUR_US))


def test_days_pass_for_factions_and_crowd(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str, run_worker: RunWorker
) -> None:
    key = _world(pool)
    services = catalogue()
    with run_worker(services["society"]), run_worker(services["economy"]):
        for day in range(3):
            _tick(pool, publisher, day)
            hours = (day + 1) * DAY
            until(lambda hours=hours: _finished(pool, key, "economy", hours), 60)  # type: ignore[misc]
        until(lambda: _finished(pool, key, "society", 3), 60)
        until(lambda: len(_said(kafka, topic_prefix, "diplomacy_summary")) == 3, 30)
    ticks = history(pool, key)
    midnights = [tick for tick in ticks if tick.kind == "daily"]
    assert [ticks[tick.seq - 2].kind for tick in midnights] == ["hourly"] * 3, "midnight's hour, then its day"
    assert [ticks[tick.seq - 2].to_us for tick in midnights] == [tick.to_us for tick in midnights]
    assert midnights[1].facts["prices"]["economy"], "what the markets said reaches the factions"
    summaries = _said(kafka, topic_prefix, "diplomacy_summary")
    assert [event["data"]["evaluated"] for event in summaries] == [21] * 3
    assert [event["data"]["game_day"] for event in summaries] == [1, 2, 3]
    crowd = _said(kafka, topic_prefix, "crowd_summary")
    assert [event["data"]["agents"] for event in crowd] == [100] * 3
    assert all(sum(event["data"]["residents"].values()) == 100 for event in crowd)
    done = [event["data"] for event in _said(kafka, topic_prefix, "step_completed")]
    parts = Counter((data["service"], data["slice"]) for data in done)
    assert parts == {("society", 0): 3, ("society", 1): 3, ("economy", 0): 3 * DAY}
    with transaction(pool) as conn:
        assert len(standing_relations(conn, key)) == 21
        changes = relation_history(conn, key, 1_000)
    assert len(changes) == len(_said(kafka, topic_prefix, "diplomacy_update"))


def test_the_seeds_daily_tick_pasted_into_a_console_moves_the_day(
    pool: Pool, kafka: str, topic_prefix: str, run_worker: RunWorker
) -> None:
    """A day named by its date, in a world that begins a day before: 24 hours are bridged, then its midnight."""
    make_topics(kafka, topic_prefix)
    key = _world(pool)
    line = json.dumps(SEED)
    assert SEED["data"]["game_time"] == "2024-01-15T00:00:00Z"
    with run_worker(catalogue()["society"]), running_control(kafka, topic_prefix, pool, catalogue=catalogue()):
        console(kafka, topic_prefix + "world.tick.daily", line)
        until(lambda: len(_said(kafka, topic_prefix, "diplomacy_summary")) == 1, 60)
        console(kafka, topic_prefix + "world.tick.daily", line)  # again: nothing more
        until(lambda: len(_said(kafka, topic_prefix, "crowd_summary")) == 1, 60)
    assert [tick.kind for tick in history(pool, key)] == ["hourly"] * DAY + ["daily"]
    (summary,) = _said(kafka, topic_prefix, "diplomacy_summary")
    assert summary["timestamp"] == "2024-01-15T00:00:00Z"


def test_a_parked_part_stops_no_other(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str, run_worker: RunWorker
) -> None:
    key = _world(pool)
    with transaction(pool) as conn:
        conn.execute("update slice set status = 1 where service = 'society' and slice_no = 1")
    with run_worker(catalogue()["society"]):
        for day in range(2):
            _tick(pool, publisher, day)
        until(lambda: len(_said(kafka, topic_prefix, "diplomacy_summary")) == 2, 60)
    with transaction(pool) as conn:
        versions = {row[1]: row[4] for row in slice_positions(conn, key) if row[0] == "society"}
    assert versions == {0: 2, 1: 0}
    assert not _said(kafka, topic_prefix, "crowd_summary")
