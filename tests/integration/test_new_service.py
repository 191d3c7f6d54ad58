"""A service out of `worldtick services new` on a real broker and database: bounded work, oldest first, each once.
Lives here: the skeleton's whole way, from its scenario to its events. Not here: its files and own tests (unit/cli)."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import RunWorker
from tests.small_worlds import T0, read_topic
from tests.waiting import until
from worldtick.cli import main
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.control.creation import create_world
from worldtick.control.scenario import load_scenario
from worldtick.runtime.service import Service
from worldtick.runtime.worker import Place
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of, slice_positions
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

TICKS = 10


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Service[Any]]:
    """A catalogue of one generated service, imported from where it was written."""
    assert main.run(["services", "new", "lamp_lighters", "--into", str(tmp_path)]) == main.OK
    monkeypatch.syspath_prepend(tmp_path)
    return {"lamp_lighters": import_module("lamp_lighters.service").SERVICE}


def test_demand_over_the_budget_is_done_in_time_oldest_first(
    tmp_path: Path,
    made: Mapping[str, Service[Any]],
    pool: Pool,
    publisher: Publisher,
    place: Place,
    run_worker: RunWorker,
) -> None:
    """500 things wait, 50 visits fit in a tick: 450 are carried over; ten ticks later each was visited once."""
    scenario = load_scenario(str(tmp_path / "lamp_lighters" / "scenario.yaml"), made)
    assert create_world(pool, scenario.plan("town", T0), made)
    with transaction(pool) as conn:
        key = keys_of(conn, ["town"])["town"][0]
    run_ticker(pool, publisher, made, Order("hourly", WallTime(T0 + (TICKS - 1) * HOUR_US), HOUR_US))
    with run_worker(made["lamp_lighters"]):
        until(lambda: _place(pool, key) == TICKS)
    said = [
        json.loads(message.value())["data"]
        for message in read_topic(place.kafka["bootstrap.servers"], place.prefix + "simulation.event")
    ]
    assert [data["used"] for data in said] == [{"visits": 50}] * TICKS
    assert [data["carried"]["visits"] for data in said] == list(range(450, -1, -50))
    with transaction(pool) as conn:
        row = conn.execute("select snapshot from slice where world_key = %s", (key,)).fetchone()
    assert row is not None
    rounds = made["lamp_lighters"].decode(row[0], scenario.sections["lamp_lighters"], 0)
    assert rounds.visits.tolist() == [1] * 500


def _place(pool: Pool, key: int) -> int:
    with transaction(pool) as conn:
        return slice_positions(conn, key)[0][4]
