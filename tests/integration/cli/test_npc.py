"""`worldtick npc`: what people see of inhabitants, before and after a worker.
Lives here: the verbs on a real world. Not here: what inhabitants do (unit tests)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.cli.conftest import Command
from tests.integration.conftest import RunWorker
from tests.small_worlds import T0
from tests.waiting import running, until
from worldtick.cli.catalogue import catalogue
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.shipped import shipped
from worldtick.runtime.splitting import Splitter
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import Place
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of, slice_positions
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def _slices(pool: Pool, key: int) -> list[tuple[object, ...]]:
    with transaction(pool) as conn:
        return [row for row in slice_positions(conn, key) if row[0] == "npc"]


def test_inhabitants_are_shown_as_they_are(
    worldtick: Command, pool: Pool, publisher: Publisher, place: Place, run_worker: RunWorker
) -> None:
    assert (
        worldtick("world", "create", "nc", "--scenario", "night_city", "--first-at", "2023-11-14T22:00:00Z").code == 0
    )
    with transaction(pool) as conn:
        key = keys_of(conn, ["nc"])["nc"][0]
    (before,) = (each["inhabitants"]["tiers"] for each in worldtick("status", "--json").row["worlds"])
    assert before == {"detailed": 0, "active": 0, "ambient": 0, "dormant": 0, "asleep": 2_000}
    (first, *_) = worldtick("npc", "list", "nc", "--limit", 3, "--json").rows
    assert (first["npc"], first["tier"], first["next_decision_at"]) == (0, "asleep", None)
    service = catalogue()["npc"]
    with running(Splitter(service, place, Vitals("test")).run_until), run_worker(service):
        for hour in range(3):
            run_ticker(pool, publisher, catalogue(), Order("hourly", WallTime(T0 + hour * HOUR_US), HOUR_US))
        until(lambda: {row[4] for row in _slices(pool, key)} == {3}, 60)
        during = worldtick("npc", "show", "nc", 5, "--json").row
    after = worldtick("npc", "show", "nc", 5, "--json").row
    assert during == after, "exact, whether it is in a snapshot or in the ticks since"
    assert after["tier"] == "active"
    assert after["last_simulated_at"] > "2024-01-14T02:00:00Z"
    assert set(after["levels"]) == {"energy", "hunger", "social", "fun", "comfort", "safety", "valence", "arousal"}
    assert worldtick("npc", "watch", "nc", 5, "--times", 1).row == after
    assert "bakers" in worldtick("npc", "list", "nc", "--tier", "active").out
    assert worldtick("npc", "show", "nc", 9_999).code == 1
    tiers = {row["tier"]: row for row in worldtick("npc", "tiers", "nc", "--json").rows}
    assert sum(row["people"] for row in tiers.values()) == 2_000
    assert tiers["active"]["people"] <= 100
    assert "dormant" in worldtick("npc", "tiers", "nc").out
    (told,) = (each["inhabitants"] for each in worldtick("status", "--world", "nc", "--json").row["worlds"])
    assert told["tiers"] == {tier: row["people"] for tier, row in tiers.items()}
    assert (told["carried"], told["oldest_wait_s"]) == (
        sum(row["due"] for row in tiers.values()),
        max(row["oldest_wait_s"] for row in tiers.values()),
    )
    lines = worldtick("status", "--world", "nc").out.splitlines()
    row = next(lines[at + 1] for at, line in enumerate(lines) if "DETAILED" in line)
    assert row.split() == ["nc", *(str(held) for held in told["tiers"].values()), "0", "0"]


def _city(slice_npcs: int) -> str:
    """The shipped city's inhabitants alone, cut anew; neither budget nor limits bind."""
    document: dict[str, Any] = yaml.safe_load(shipped("scenarios").joinpath("night_city.yaml").read_text("utf-8"))
    document["services"] = {"npc": document["services"]["npc"] | {"slice_npcs": slice_npcs}}
    wide = {f"{tier}_limit": 10_000 for tier in ("detailed", "active", "ambient", "dormant")}
    budgets = {"npc_decisions": 100_000, "npc_events": 10, "npc_intents": 0}
    document["world"] |= {"facts": "lag", "grids": ["hourly"], "settings": {"npc": wide}, "budgets": {"npc": budgets}}
    return yaml.safe_dump(document)


def test_verify_hashes_alike_from_one_slice_and_from_thirty_seven(
    worldtick: Command, pool: Pool, publisher: Publisher, place: Place, run_worker: RunWorker, tmp_path: Path
) -> None:
    for name, slice_npcs in (("whole", 10_000), ("cut", 55)):
        file = tmp_path / f"{name}.yaml"
        file.write_text(_city(slice_npcs), "utf-8")
        made = worldtick("world", "create", name, "--scenario", file, "--seed", 5, "--first-at", "2023-11-14T22:00:00Z")
        assert made.code == 0, made.err
    with transaction(pool) as conn:
        keys = {name: key for name, (key, _) in keys_of(conn, ["whole", "cut"]).items()}
    assert [len(_slices(pool, keys[name])) for name in ("whole", "cut")] == [1, 37]
    service = catalogue()["npc"]
    with running(Splitter(service, place, Vitals("test")).run_until), run_worker(service):
        for hour in range(3):
            run_ticker(pool, publisher, catalogue(), Order("hourly", WallTime(T0 + hour * HOUR_US), HOUR_US), wait_s=60)
        until(lambda: {row[4] for key in keys.values() for row in _slices(pool, key)} == {3}, 60)
    (_, whole), (*slices, cut) = (worldtick("verify", name, "--json").rows for name in ("whole", "cut"))
    assert (len(slices), whole["ok"], cut["ok"]) == (37, True, True)
    told = whole["columns"]["npc"]
    assert (told["place"], told["why"], len(told["digest"])) == (3, None, 32)
    assert {"level/0", "due_s/0", "tier/0", "claim/0"} <= told["columns"].keys()
    assert cut["columns"] == whole["columns"]
    line = f"npc: {len(told['columns'])} columns in entity order at place 3: {told['digest']}\n"
    assert all(line in worldtick("verify", name).out for name in ("whole", "cut"))
