"""Inhabitants on real parts: slices shared by workers, hunger that makes food dearer, a world the same however cut.
Lives here: the whole way, Kafka and SQL. Not here: how anybody decides (unit tests)."""

import json
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from tests.integration.conftest import RunWorker
from tests.small_worlds import T0, read_topic
from tests.waiting import running, until
from worldtick.cli.catalogue import catalogue
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.shipped import shipped
from worldtick.control.asking import ask
from worldtick.control.creation import create_world
from worldtick.control.documents import read_document
from worldtick.control.scenario import read_scenario
from worldtick.npc.codec import columns, decode
from worldtick.npc.scenario import NpcScenario
from worldtick.runtime.splitting import Splitter
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import Place
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of, slice_positions
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

AMPLE = {"npc": {"npc_decisions": 100_000, "npc_events": 10, "npc_intents": 0}}
WIDE = {"npc": {f"{tier}_limit": 10_000 for tier in ("detailed", "active", "ambient", "dormant")}}


def _world(pool: Pool, name: str, *services: str, slice_npcs: int = 10_000, **rules: Any) -> int:
    document = read_document(shipped("scenarios").joinpath("night_city.yaml").read_bytes(), "night_city.yaml").data
    document["services"] = {service: document["services"][service] for service in services}
    if "npc" in services:
        document["services"]["npc"]["slice_npcs"] = slice_npcs
    document["world"] |= rules
    scenario = read_scenario(json.dumps(document).encode(), "test.yaml", catalogue())
    assert create_world(pool, scenario.plan(name, T0, seed=5), catalogue())
    with transaction(pool) as conn:
        return keys_of(conn, [name])[name][0]


def _tick(pool: Pool, publisher: Publisher, hour: int) -> None:
    run_ticker(pool, publisher, catalogue(), Order("hourly", WallTime(T0 + hour * HOUR_US), HOUR_US))


def _at(pool: Pool, key: int, service: str) -> set[int]:
    with transaction(pool) as conn:
        return {row[4] for row in slice_positions(conn, key) if row[0] == service}


def _people(pool: Pool, key: int, section: NpcScenario) -> dict[str, Any]:
    """Every column of a world's stored people, in entity order."""
    with transaction(pool) as conn:
        rows = conn.execute(
            "select slice_no, snapshot from slice where world_key = %s and service = 'npc' order by slice_no", (key,)
        ).fetchall()
    joined: dict[str, list[Any]] = {}
    for number, body in rows:
        for name, values in columns(decode(body, section.plan, number)):
            joined.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in joined.items()}


def test_a_world_cut_in_thirty_seven_is_the_same_world(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str, place: Place, run_worker: RunWorker
) -> None:
    """Two workers share 37 slices of one world, and one slice of another of the same seed; columns agree at the end."""
    rules: dict[str, Any] = {"budgets": AMPLE, "settings": WIDE, "facts": "lag"}
    keys = [_world(pool, "whole", "npc", **rules), _world(pool, "cut", "npc", slice_npcs=55, **rules)]
    service = catalogue()["npc"]
    with ExitStack() as stack:
        stack.enter_context(running(Splitter(service, place, Vitals("test")).run_until))
        for _ in range(2):
            stack.enter_context(run_worker(service, snapshot_ticks_max=1))
        for hour in range(6):
            _tick(pool, publisher, hour)
            until(lambda hour=hour: all(_at(pool, key, "npc") == {hour + 1} for key in keys), 60)  # type: ignore[misc]
    with transaction(pool) as conn:
        sections = [
            NpcScenario.model_validate(json.loads(text)["services"]["npc"])
            for (text,) in conn.execute("select scenario from world order by world_id desc").fetchall()
        ]
        assert [sum(row[0] == "npc" for row in slice_positions(conn, key)) for key in keys] == [1, 37]
    whole, cut = (_people(pool, key, section) for key, section in zip(keys, sections, strict=True))
    for name, values in whole.items():
        assert np.array_equal(values, cut[name]), name
    said = [json.loads(record.value()) for record in read_topic(kafka, topic_prefix + "simulation.event")]
    assert len({event["event_id"] for event in said}) == len(said)
    stats = [event["data"] for event in said if event["event_type"].endswith("aggregated_stats")]
    for world in ("whole", "cut"):
        for seq in range(1, 7):
            assert sum(each["agents"] for each in stats if (each["world"], each["seq"]) == (world, seq)) == 2_000


def test_hunger_makes_food_dearer(
    pool: Pool, publisher: Publisher, kafka: str, topic_prefix: str, place: Place, run_worker: RunWorker
) -> None:
    """Two worlds of one seed; in one the people are made hungry. From then on its food is dearer."""
    rules: dict[str, Any] = {"facts": "lag", "settings": WIDE, "budgets": AMPLE}
    keys = {name: _world(pool, name, "npc", "economy", **rules) for name in ("fed", "hungry")}
    service = catalogue()["npc"]
    with ExitStack() as stack:
        stack.enter_context(running(Splitter(service, place, Vitals("test")).run_until))
        stack.enter_context(run_worker(service))
        stack.enter_context(run_worker(catalogue()["economy"]))
        for hour in range(20):
            if hour >= 6:
                for npc in range(hour * 100 % 2_000, hour * 100 % 2_000 + 100):
                    ask(pool, catalogue(), "hungry", "npc", "edit", {"npc": npc, "levels": {"hunger": 0}})
            _tick(pool, publisher, hour)
            until(lambda hour=hour: all(_at(pool, key, "economy") == {hour + 1} and _at(pool, key, "npc") == {hour + 1}
                                        for key in keys.values()), 60)  # type: ignore[misc]  # fmt: skip
    with transaction(pool) as conn:
        rows = conn.execute(
            "select w.world_id, m.seq, sum(m.price_ticks) from market_state m join world w using (world_key)"
            " where m.commodity = 'Food' group by w.world_id, m.seq"
        ).fetchall()
    price = {(world, seq): int(total) for world, seq, total in rows}
    assert all(price["fed", seq] == price["hungry", seq] for seq in range(1, 7))
    assert sum(price["hungry", seq] > price["fed", seq] for seq in range(10, 21)) >= 8
