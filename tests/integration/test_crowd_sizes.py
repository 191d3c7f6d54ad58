"""A crowd off and a crowd a hundred times as large, on real parts.
Lives here: what the deployment's settings make of a world, and that its worker stays. Not here: what people do."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.integration.conftest import RunWorker
from tests.small_worlds import T0, read_topic
from tests.waiting import until
from worldtick.cli.catalogue import catalogue
from worldtick.cli.settings import Settings
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.control.creation import create_world
from worldtick.control.scenario import load_scenario
from worldtick.runtime.metrics import REGISTRY
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of, slice_positions
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

DAYS = 3
SIZES: dict[str, dict[str, str]] = {
    "quiet": {"CROWD_SIMULATION_ENABLED": "false"},
    "large": {"CROWD_NUM_AGENTS": "10000", "CROWD_GRID_WIDTH": "200", "CROWD_GRID_HEIGHT": "200"},
}


def _events(kafka: str, prefix: str) -> list[dict[str, Any]]:
    return [json.loads(record.value()) for record in read_topic(kafka, prefix + "simulation.event")]


def _rebalances() -> float:
    """How often partitions came or went so far in this process."""
    return float(REGISTRY.get_sample_value("worldtick_worker_rebalances_total", {"service": "society"}) or 0)


def test_a_world_without_a_crowd_and_one_of_ten_thousand_live_side_by_side(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str, run_worker: RunWorker
) -> None:
    services = catalogue()
    for name, environ in SIZES.items():
        scenario = load_scenario("night_city", services, Settings.from_env(environ).scenario_defaults)
        assert create_world(pool, scenario.plan(name, T0), services)
    with transaction(pool) as conn:
        keys = {name: keys_of(conn, [name])[name][0] for name in SIZES}

    def done(day: int) -> bool:
        with transaction(pool) as conn:
            rows = [(name, *row) for name, key in keys.items() for row in slice_positions(conn, key)]
        versions = {
            (name, slice_no): version for name, service, slice_no, _, _, version, *_ in rows if service == "society"
        }
        assert set(versions) == {("quiet", 0), ("large", 0), ("large", 1)}
        return min(versions.values()) >= day

    joined: list[float] = []
    with run_worker(services["society"]):
        for day in range(1, DAYS + 1):
            for run in ("hourly", "daily"):
                run_ticker(pool, publisher, services, Order(run, WallTime(T0 + (24 * day - 1) * HOUR_US), HOUR_US))
            until(lambda day=day: done(day), 60)  # type: ignore[misc]
            joined.append(_rebalances())
        assert len(set(joined)) == 1, "the worker stays in its group while it steps ten thousand people"
        until(lambda: sum(e["event_type"].endswith("_summary") for e in _events(kafka, topic_prefix)) == 3 * DAYS, 30)
    said = Counter(
        (event["data"]["world"], event["event_type"].split(".")[-1]) for event in _events(kafka, topic_prefix)
    )
    assert said["quiet", "diplomacy_summary"] == said["large", "diplomacy_summary"] == DAYS
    assert said["large", "crowd_summary"] == DAYS
    assert not any(kind.startswith("crowd") for world, kind in said if world == "quiet")
    sizes = {e["data"]["agents"] for e in _events(kafka, topic_prefix) if e["event_type"].endswith("crowd_summary")}
    assert sizes == {10_000}
