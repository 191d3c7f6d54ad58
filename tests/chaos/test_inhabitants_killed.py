"""Workers of inhabitants killed in the middle of ticks, on real servers: the people live as if nobody had died.
Lives here: a world of many slices shared by two workers. Not here: services of one slice (test_killed)."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml
from confluent_kafka.admin import AdminClient

from tests.chaos.fleet import Fleet
from tests.small_worlds import read_topic
from worldtick.cli.catalogue import catalogue
from worldtick.contracts.outputs import decode_outputs
from worldtick.contracts.shipped import shipped
from worldtick.contracts.topics import SIMULATION_EVENT, topic_specs
from worldtick.npc.codec import columns
from worldtick.npc.scenario import NpcScenario
from worldtick.observer.present import present_state
from worldtick.runtime.topics import apply, for_brokers
from worldtick.store.db import transaction
from worldtick.store.worlds import find_world

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.postgres]

HOURS = 4
KILLS = (1, 2)  # hours; the last one is quiet, so that heirs note on every partition how far all is published
SLICES = 20
PEOPLE = 2_000
PAUSE_MS = 25.0  # of each step: a tick lasts long enough to die in
BUDGETS = {"npc": {"npc_decisions": 30, "npc_events": 200, "npc_intents": 64}}  # binds: slices share it by facts
SETTINGS = {"npc": {"detailed_limit": 50, "active_limit": 400, "ambient_limit": 600, "dormant_limit": 800}}


def _section() -> NpcScenario:
    text = shipped("scenarios").joinpath("night_city.yaml").read_text("utf-8")
    section: dict[str, Any] = yaml.safe_load(text)["services"]["npc"] | {"slice_npcs": PEOPLE // SLICES}
    return NpcScenario.model_validate(section)


def test_people_live_on_as_if_no_worker_had_been_killed(fleet: Fleet) -> None:
    """Facts lag, so what slices share is told by the log alone: two worlds of one seed have one history."""
    fleet.catalogue = catalogue()
    wanted = [spec for spec in topic_specs(fleet.prefix) if spec.base == "npc.slice"]
    apply(AdminClient({"bootstrap.servers": fleet.bootstrap}), for_brokers(wanted, 1))
    section, rules = _section(), {"daily": False, "facts": "lag", "budgets": BUDGETS, "settings": SETTINGS, "seed": 5}
    members = [fleet.start("npc", pause_ms=PAUSE_MS), fleet.start("npc", pause_ms=PAUSE_MS)]
    for member in members:
        member.await_line("partitions_moved", 90.0)  # where kernels are compiled first
    fleet.make_world("w0", {"npc": section}, **rules)
    killed_within = 0
    for hour in range(HOURS):
        fleet.seal(1, wait_s=30)
        if hour in KILLS:
            fleet.await_more(4 * hour)
            members[hour % 2].kill()
            killed_within += 0 < fleet.behind() < SLICES
            members[hour % 2] = fleet.start("npc", pause_ms=PAUSE_MS)
        fleet.until(lambda: fleet.behind() == 0)
    fleet.make_world("w1", {"npc": section}, **rules)
    fleet.seal(0, wait_s=30)
    fleet.await_done()
    assert [member.terminate() for member in members] == [0, 0]
    assert killed_within, "nobody died in the middle of a tick"
    assert fleet.query("select sum(carried) from ledger")[0][0] > 0, "the budget must bind"
    _check_events(fleet)
    assert _digests(fleet, "w0") == _digests(fleet, "w1")
    torn, whole = (_people(fleet, world) for world in ("w0", "w1"))
    for name, values in whole.items():
        assert np.array_equal(torn[name], values), name


def _digests(fleet: Fleet, world: str) -> list[tuple[Any, ...]]:
    """(slice, version, outcome, digest) of every step, each slice's versions without a gap."""
    rows = fleet.query(
        "select s.slice_no, l.version, l.outcome, l.digest from ledger l join slice s using (slice_key)"
        " join world w using (world_key) where w.world_id = %s order by 1, 2",
        world,
    )
    assert [row[:3] for row in rows] == [(number, at, 1) for number in range(SLICES) for at in range(1, HOURS + 1)]
    return rows


def _check_events(fleet: Fleet) -> None:
    """Every event that the ledger holds was said once, byte for byte, and no other; all people stand in each tick."""
    stored = fleet.query("select outputs from ledger")
    messages = [message for (body,) in stored for message in decode_outputs(bytes(body)).messages]
    wanted = Counter(message.value for message in messages if message.topic == SIMULATION_EVENT)
    said = Counter(record.value() for record in read_topic(fleet.bootstrap, fleet.prefix + SIMULATION_EVENT))
    assert max(wanted.values()) == 1
    assert said == wanted, f"lost {(wanted - said).total()}, beyond {(said - wanted).total()}"
    people: Counter[tuple[str, int]] = Counter()
    for event in map(msgspec.json.decode, said):
        if event["event_type"].endswith("aggregated_stats"):
            people[event["data"]["world"], event["data"]["seq"]] += event["data"]["agents"]
    assert people == {(world, seq): PEOPLE for world in ("w0", "w1") for seq in range(1, HOURS + 1)}


def _people(fleet: Fleet, name: str) -> dict[str, Any]:
    """Every column of a world's people as they stand, in entity order."""
    with transaction(fleet.pool) as conn:
        world = find_world(conn, name)
    assert world is not None
    joined: dict[str, list[Any]] = {}
    for number in range(SLICES):
        place, state = present_state(fleet.pool, world, fleet.catalogue, "npc", number)
        assert place == HOURS
        for column, values in columns(state):
            joined.setdefault(column, []).append(values)
    return {column: np.concatenate(parts) for column, parts in joined.items()}
