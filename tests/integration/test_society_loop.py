"""The loop on real parts: Food is cut in one of two equal worlds, and what comes of it reaches its factions.
Lives here: directive, prices, unrest, seals, in SQL and on Kafka. Not here: how large anything is (tests/unit/society).
"""

from typing import Any

import pytest

from tests.integration.conftest import RunWorker
from tests.small_worlds import T0, history
from tests.waiting import until
from worldtick.cli.catalogue import catalogue
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.sealed import SealedTick
from worldtick.control.asking import ask
from worldtick.control.creation import create_world
from worldtick.control.scenario import load_scenario
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of, slice_positions
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

WORLDS = ("calm", "hungry")
HOURS, DAYS, CUT_AFTER = 24, 5, 2


def _live(pool: Pool, publisher: Publisher, keys: dict[str, int], day: int) -> None:
    """A day of both worlds; over when markets, factions and crowd have done it."""
    services = catalogue()
    for hour in range(day * HOURS, (day + 1) * HOURS):
        for run in ("hourly", "daily"):
            run_ticker(pool, publisher, services, Order(run, WallTime(T0 + hour * HOUR_US), HOUR_US))
    due = {"economy": (day + 1) * HOURS, "society": day + 1}

    def done() -> bool:
        with transaction(pool) as conn:
            return all(row[4] >= due.get(row[0], 0) for key in keys.values() for row in slice_positions(conn, key))

    until(done, 60)


def _fact(tick: SealedTick, name: str) -> float:
    """The mean of a fact's values, of Food alone where it is about commodities."""
    values: list[Any] = [
        value
        for slices in tick.facts[name].values()
        for told in slices.values()
        for key, value in told.items()
        if "/" not in key or "/Food" in key
    ]
    return float(sum(values) / len(values))


def test_a_cut_of_food_reaches_the_factions_through_the_seal(
    pool: Pool, publisher: Publisher, run_worker: RunWorker
) -> None:
    services = catalogue()
    for name in WORLDS:
        assert create_world(pool, load_scenario("night_city", services).plan(name, T0, seed=5), services)
    with transaction(pool) as conn:
        keys = {name: keys_of(conn, [name])[name][0] for name in WORLDS}
    with run_worker(services["society"]), run_worker(services["economy"]):
        for day in range(DAYS):
            if day == CUT_AFTER:
                cut = {"commodity": "Food", "ppm": 400_000, "hours": 96}
                ask(pool, services, "hungry", "economy", "supply_shock", cut)
            _live(pool, publisher, keys, day)
    calm, hungry = ([tick for tick in history(pool, keys[name]) if tick.kind == "daily"] for name in WORLDS)
    assert len(calm) == len(hungry) == DAYS
    assert _fact(hungry[-1], "prices") > 1.5 * _fact(calm[-1], "prices")
    assert _fact(hungry[-1], "unrest_ppm") > 2 * _fact(calm[-1], "unrest_ppm"), "of the day before"
    assert set(hungry[-1].facts["unrest_ppm"]) == {"society"}
    last_hours = [[tick for tick in history(pool, keys[name]) if tick.kind == "hourly"][-1] for name in WORLDS]
    assert all(set(tick.facts["demand_ppm"]) == {"society"} for tick in last_hours), "markets hear the crowd"
