"""The flow that people know, on real parts: a tick pasted into Kafka's console becomes cleared markets, once.
Lives here: scenario, control, economy and their records and rows together. Not here: each of them alone."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.control_rooms import console, paste, running_control
from tests.integration.conftest import RunWorker
from tests.small_worlds import T0, history, make_topics, read_topic
from tests.waiting import until
from worldtick.cli.catalogue import catalogue
from worldtick.control.creation import create_world
from worldtick.control.scenario import load_scenario
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

HOURLY = "world.tick.hourly"
SEED = json.loads((Path(__file__).parents[1] / "fixtures/seed/world.tick.hourly.json").read_text())
SLOT = SEED["data"]["game_time"]


def _cleared(kafka: str, prefix: str) -> list[dict[str, Any]]:
    events = [json.loads(record.value()) for record in read_topic(kafka, prefix + "simulation.event")]
    assert max(Counter(event["event_id"] for event in events).values(), default=1) == 1
    return [event for event in events if event["event_type"] == "simulation.event.market_cleared"]


def test_a_pasted_tick_clears_markets_once(pool: Pool, kafka: str, topic_prefix: str, run_worker: RunWorker) -> None:
    make_topics(kafka, topic_prefix)
    services = catalogue()
    assert create_world(pool, load_scenario("tiny", services).plan("w", T0), services)
    with transaction(pool) as conn:
        key = keys_of(conn, ["w"])["w"][0]
    line = json.dumps(SEED)
    with run_worker(services["economy"]), running_control(kafka, topic_prefix, pool, catalogue=services):
        console(kafka, topic_prefix + HOURLY, line)
        until(lambda: any(event["timestamp"] == SLOT for event in _cleared(kafka, topic_prefix)), 60)
        console(kafka, topic_prefix + HOURLY, line)  # again: nothing more
        paste(kafka, topic_prefix + HOURLY, {"data": {"tick_type": "hourly"}})
        until(lambda: len(history(pool, key)) == 40)
        until(lambda: any(event["data"]["seq"] == 40 for event in _cleared(kafka, topic_prefix)), 60)
    cleared = _cleared(kafka, topic_prefix)
    hours = Counter(event["data"]["seq"] for event in cleared)
    assert hours == dict.fromkeys([seq for seq in range(1, 41) if seq != 25], 2)  # two markets; 25 is midnight's daily
    with transaction(pool) as conn:
        rows = conn.execute(
            "select market_id, price_ticks, volume from market_state where world_key = %s and seq = 39 order by 1",
            (key,),
        ).fetchall()
    said = [event["data"] for event in cleared if event["data"]["seq"] == 39]
    assert {data["timestamp"] for data in said} == {SLOT}
    assert rows == sorted((data["market_id"], data["price_ticks"], data["volume"]) for data in said)
