"""Verbs that look at an installation: status, ticks, explain, slice, verify, diff, retention, doctor.
Lives here: what they print and how they end. Not here: what is true below them (tests/integration)."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.integration.cli.conftest import Command
from tests.observed import all_topics, finished, tick_hours, worker
from tests.small_worlds import COUNT, MARKET, make_world
from tests.waiting import until
from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.service import Step
from worldtick.store.accounts import raise_tallies
from worldtick.store.db import Pool, transaction

pytestmark = [pytest.mark.postgres, pytest.mark.kafka, pytest.mark.usefixtures("small_catalogue")]


@pytest.fixture
def prefix(kafka: str, topic_prefix: str) -> str:
    """All topics, made; their prefix."""
    all_topics(kafka, topic_prefix)
    return topic_prefix


@pytest.fixture
def workers(kafka: str, postgres_url: str, prefix: str) -> Iterator[ExitStack]:
    """Workers of both services, until the stack is closed."""
    with ExitStack() as running:
        running.enter_context(worker(COUNT, kafka, postgres_url, prefix))
        running.enter_context(worker(MARKET, kafka, postgres_url, prefix))
        yield running


def _live(pool: Pool, kafka: str, prefix: str, hours: int) -> None:
    tick_hours(pool, kafka, prefix, hours)
    until(finished(pool, "count"), what="count is done")
    until(finished(pool, "market"), what="market is done")


def test_a_day_as_people_see_it(worldtick: Command, pool: Pool, kafka: str, prefix: str, workers: ExitStack) -> None:
    for name in ("a", "b"):
        make_world(pool, name, services=("count", "market"))
    _live(pool, kafka, prefix, 24)
    found = worldtick("status", "--json")
    assert (found.code, found.row["state"], found.row["why"]) == (0, "well", [])
    assert found.row["sealed"] == {"step": 0, "hourly": 48, "daily": 2}
    count = next(row for row in found.row["services"] if row["service"] == "count")
    assert (count["sealed"], count["applied"], count["dead"], count["in_flight"]) == (50, 50, 0, 0)
    assert (count["balances"], count["workers"]) == (True, 1)
    world = found.row["worlds"][0]
    assert (world["world"], world["world_time"], world["day"], world["behind"]) == ("a", "2020-01-02T00:00:00Z", 2, 0)
    text = worldtick("status").out
    assert text.startswith("WELL: 2 active worlds, ticks sealed: 48 hourly, 2 daily")
    assert "worldtick.market" in text

    ticks = worldtick("ticks", "list", "a", "--last", "3", "--json").rows
    assert [(row["seq"], row["kind"], row["slot"]) for row in ticks] == [
        (23, "hourly", "2020-01-01T23:00:00Z"),
        (24, "hourly", "2020-01-02T00:00:00Z"),
        (25, "daily", "2020-01-02T00:00:00Z"),
    ]
    hourly, daily = ticks[1], ticks[2]
    assert (hourly["finished"], hourly["missing"], hourly["triggered_by"]) == (True, [], "scheduler")
    assert [(each["service"], each["state"], each["events"]) for each in hourly["services"]] == [
        ("count", "finished", 1),
        ("market", "finished", 1),
    ]
    assert [each["service"] for each in daily["services"]] == ["count"]
    assert all(len(each["digest"]) == 32 and each["finish_ms"] >= 0 for each in hourly["services"])
    assert "2020-01-02T00:00:00Z" in worldtick("ticks", "list", "a").out

    life = worldtick("tick", "explain", "a", "24", "--json").row
    assert (life["sealed"]["slot"], life["sealed"]["consumers"]) == ("2020-01-02T00:00:00Z", ["count", "market"])
    assert {ring["topic"] for ring in life["rung"]} == {prefix + "world.tick", prefix + "world.tick.hourly"}
    assert [(step["service"], step["state"], step["place"]) for step in life["steps"]] == [
        ("count", "applied", 24),
        ("market", "applied", 24),
    ]
    said = worldtick("tick", "explain", "a", "24").out
    assert all(word in said for word in ("sealed ", "rung ", "stepped ", "committed ", "published ", " pid "))
    unknown = worldtick("tick", "explain", "a", "99")
    assert (unknown.code, "has no tick 99: the newest is 25" in unknown.err) == (1, True)

    assert worldtick("verify", "a").out.endswith("a: 49 ticks of 2 slices stepped again, 0 slices differ\n")
    assert worldtick("diff", "a", "b").out.endswith("one history, as far as both go\n")
    workers.close()
    assert worldtick("topics", "apply", "--drained").code == 0
    assert worldtick("doctor").code == 0, worldtick("doctor").out


def test_a_service_that_is_held_back_is_the_one_missing(
    worldtick: Command, pool: Pool, kafka: str, prefix: str, postgres_url: str
) -> None:
    make_world(pool, "w", services=("count", "market"))
    with worker(COUNT, kafka, postgres_url, prefix):
        tick_hours(pool, kafka, prefix, 3)
        until(finished(pool, "count"), what="count is done")
    found = worldtick("status", "--json")
    assert (found.code, found.row["state"]) == (0, "behind")
    market = next(row for row in found.row["services"] if row["service"] == "market")
    assert (market["in_flight"], market["behind_hours"], market["balances"]) == (3, 3.0, True)
    newest = worldtick("ticks", "list", "w", "--last", "1", "--json").row
    assert (newest["finished"], newest["missing"]) == (False, ["market"])
    assert "stepped    market/0: in flight: it stands at 0, this is 3" in worldtick("tick", "explain", "w", "3").out
    assert worldtick("topics", "apply", "--drained").code == 0
    doctor = worldtick("doctor", "--json")
    assert doctor.code == 1
    (bad,) = [row for row in doctor.rows if row["level"] == "BAD"]
    assert bad["what"].startswith("market is 3 ticks behind in 1 worlds, 3.0 h of world time")
    assert bad["remedy"] == "start one: `worldtick run market`"


def test_a_damaged_snapshot_stops_one_world_and_no_other(
    worldtick: Command, pool: Pool, kafka: str, prefix: str, postgres_url: str
) -> None:
    """M12: its slice is reported stopped, the next tick of nine other worlds completes in all services."""
    for number in range(10):
        make_world(pool, f"w{number}", services=("count", "market"))
    with worker(COUNT, kafka, postgres_url, prefix), worker(MARKET, kafka, postgres_url, prefix):
        _live(pool, kafka, prefix, 2)
    with transaction(pool) as conn:
        conn.execute(
            "update slice set snapshot = '\\x0102' where service = 'count'"
            " and world_key = (select world_key from world where world_id = 'w3')"
        )
    with worker(COUNT, kafka, postgres_url, prefix), worker(MARKET, kafka, postgres_url, prefix):
        _live(pool, kafka, prefix, 3)
        red = lambda: worldtick("status", "--json").row["state"] == "red"  # noqa: E731
        until(red, what="the damage is found")
    found = worldtick("status", "--json")
    assert (found.code, found.row["why"]) == (1, ["diverged: count/0 of w3"])
    assert [row["world"] for row in found.row["worlds"] if row["behind"]] == ["w3"]
    (stopped,) = worldtick("slice", "list", "--stopped", "--json").rows
    assert (stopped["world"], stopped["state"], stopped["version"]) == ("w3", "diverged", 2)
    assert worldtick("ticks", "list", "w3", "--last", "1", "--json").row["missing"] == ["count"]
    doctor = worldtick("doctor")
    assert (doctor.code, "worldtick verify" in doctor.out) == (1, True)
    # mended: the state that verify makes of the past is the state that it had
    with transaction(pool) as conn:
        conn.execute("update slice set snapshot = null, snapshot_version = null where service = 'count' and status = 2")
    assert worldtick("slice", "resume", "w3", "count", "0").code == 0
    with worker(COUNT, kafka, postgres_url, prefix):
        tick_hours(pool, kafka, prefix, 4)
        until(finished(pool, "count"), what="w3 goes on")
    assert worldtick("verify", "w3").code == 0


def test_a_parked_slice_is_seen_and_resumed(
    worldtick: Command, pool: Pool, kafka: str, prefix: str, postgres_url: str
) -> None:
    def dies(state: int, tick: SealedTick) -> Step[int]:
        raise ValueError("not today")

    make_world(pool, "w", services=("count",))
    with worker(replace(COUNT, step=dies), kafka, postgres_url, prefix):
        tick_hours(pool, kafka, prefix, 5)
        until(lambda: worldtick("status", "--json").row["state"] == "red", what="it is parked")
    (parked,) = worldtick("slice", "list", "w", "--json").rows
    assert (parked["state"], parked["version"], parked["of"], parked["dead_in_row"]) == ("parked", 3, 5, 3)
    (count,) = worldtick("status", "--json").row["services"]
    assert (count["sealed"], count["dead"], count["in_flight"], count["balances"]) == (5, 3, 2, True)
    resumed = worldtick("slice", "resume", "w", "count", "0")
    assert (resumed.code, resumed.out) == (0, "count/0 of w was parked; it goes on when its world is next rung\n")
    with worker(COUNT, kafka, postgres_url, prefix):
        tick_hours(pool, kafka, prefix, 6)
        until(finished(pool, "count"), what="it goes on")
    (count,) = worldtick("status", "--json").row["services"]
    assert (count["applied"], count["dead"], count["in_flight"], count["balances"]) == (3, 3, 0, True)
    assert worldtick("verify", "w").out.startswith("count/0: ok, 6 ticks from genesis to 6, 3 of them dead")
    again = worldtick("slice", "resume", "w", "count", "0")
    assert (again.code, again.out) == (0, "count/0 of w is not stopped: nothing to do\n")
    assert worldtick("slice", "resume", "w", "count", "7").code == 1


def test_a_database_behind_kafka_is_red(worldtick: Command, pool: Pool, prefix: str) -> None:
    make_world(pool, "w", services=("count",))
    with transaction(pool) as conn:
        raise_tallies(conn, {("rung_beyond", json.dumps({"world": "w"})): 7})
    found = worldtick("status", "--json")
    assert (found.code, found.row["state"]) == (1, "red")
    assert found.row["why"] == ["world w: tick 7 was rung, but the table ends at 0: it is behind Kafka"]
    assert "restore a newer backup" in worldtick("doctor").out


def test_diff_names_the_tick_and_the_field(
    worldtick: Command, pool: Pool, kafka: str, prefix: str, workers: ExitStack
) -> None:
    make_world(pool, "a", services=("count", "market"))
    make_world(pool, "b", services=("count", "market"), seed=5)
    _live(pool, kafka, prefix, 2)
    found = worldtick("diff", "a", "b")
    assert found.code == 1
    assert "tick 1 carries something else: tick.seed" in found.out
    assert "count/0 parts at tick 1: state" in found.out


def test_retention_shows_every_table(
    worldtick: Command, pool: Pool, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_world(pool, "w", services=("count",))
    shown = worldtick("retention", "status", "--json")
    assert shown.code == 0
    bounds = {row["table"]: row["bound"] for row in shown.rows}
    assert bounds["ledger"].startswith("720 to 1800 ticks of each slice")
    assert [table for table, bound in bounds.items() if bound is None] == []
    assert worldtick("retention", "prune", "--json").row["complete"]
    monkeypatch.setenv("WORLDTICK_KEEP_TICKS", "24")
    assert "\nledger " in worldtick("retention", "status").out
    assert "24 to 60 ticks of each slice" in worldtick("retention", "status").out


def test_without_servers_the_doctor_still_looks(
    worldtick: Command, monkeypatch: pytest.MonkeyPatch, pool: Pool, prefix: str
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://worldtick:none-of-it@127.0.0.1:1/worldtick")
    found = worldtick("doctor", "--json")
    assert found.code == 1
    bad = [row["what"] for row in found.rows if row["level"] == "BAD"]
    assert any("Kafka" in what for what in bad)
    assert any("PostgreSQL is away" in what for what in bad)
    assert "none-of-it" not in found.out + found.err


def test_watching_goes_on_until_interrupted(
    worldtick: Command, pool: Pool, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter((None, None, KeyboardInterrupt()))

    def rest(_seconds: float) -> None:
        after = next(looks)
        if after is not None:
            raise after

    make_world(pool, "w", services=("count",))
    monkeypatch.setattr("time.sleep", rest)
    found = worldtick("status", "--watch", "--json")
    assert (found.code, [row["state"] for row in found.rows]) == (130, ["well"] * 3)


def test_topics_that_differ_are_found(worldtick: Command, kafka: str, prefix: str, pool: Pool) -> None:
    from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

    admin = AdminClient({"bootstrap.servers": kafka})
    name = prefix + "simulation.event"
    entry = ConfigEntry("retention.ms", "60000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(10)
    found = worldtick("doctor").out
    assert "topics are not as declared" in found
    assert "worldtick topics apply" in found


def test_a_garbled_account_does_not_hide_a_group(worldtick: Command, kafka: str, prefix: str, pool: Pool) -> None:
    from confluent_kafka import Consumer, TopicPartition

    Producer({"bootstrap.servers": kafka}).flush(1)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"{prefix}worldtick.someone"})
    place: Any = TopicPartition(prefix + "world.tick", 0, 0, "no json")
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()
    (row,) = worldtick("status", "--json").row["records"]
    assert (row["group"], row["topic"], row["fates"], row["lag"]) == ("worldtick.someone", "world.tick", {}, 0)
