"""Workers that end in order, start late, or find what they must not go on from.
Lives here: draining, retention holes, changed steps, spoiled snapshots. Not here: crashes under load (test_killed)."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.chaos.checker import check_lagging_facts
from tests.chaos.counting import Section
from tests.chaos.fleet import Fleet

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.postgres]

HEAVY = Section(state_bytes=100_000)  # a snapshot every seventh tick
DRAIN_S_MAX = 30.0
TAKEOVER_S_MAX = 5.0


def test_sigterm_under_load_drains_and_another_takes_over(fleet: Fleet) -> None:
    fleet.make_worlds(6, Section(pause_ms=2.0, state_bytes=50_000), daily=False)
    leaving, staying = fleet.start(), fleet.start()
    staying.await_line("partitions_moved")
    leaving.await_line("partitions_moved")
    fleet.until(lambda: any(line["partitions"] for line in leaving.lines("partitions_moved")))
    fleet.seal(100)
    fleet.await_more(40)
    began = time.monotonic()
    leaving.send(signal.SIGTERM)
    moves = len(staying.lines("partitions_moved"))
    fleet.until(lambda: [line["partitions"] for line in staying.lines("partitions_moved")[moves:]][-1:] == [[0, 1, 2]])
    ended = leaving.process.wait(DRAIN_S_MAX)
    took_s = time.monotonic() - began
    assert ended == 0
    assert took_s < DRAIN_S_MAX
    assert leaving.lines("worker_drained")
    drained = fleet.query("select ended_at from worker where ended_at is not null")[0][0]
    claimed = fleet.query("select max(claimed_at) from claim")[0][0]
    assert (claimed - drained).total_seconds() < TAKEOVER_S_MAX
    fleet.await_done()
    assert staying.terminate() == 0
    assert fleet.check().steps == 600


def test_what_retention_deleted_is_applied_all_the_same(fleet: Fleet) -> None:
    """48 hours are rung and deleted before any worker starts, and again in its absence: nothing is skipped."""
    fleet.make_worlds(3)
    fleet.seal(48)
    assert fleet.delete_records() >= 150
    fleet.seal(1)
    first = fleet.start()
    fleet.await_done()
    assert first.terminate() == 0
    fleet.seal(48)
    fleet.delete_records()
    second = fleet.start()
    second.await_line("partitions_moved")
    fleet.seal(1)
    fleet.await_done()
    assert second.terminate() == 0
    assert fleet.check(accounts=False).steps == 3 * (98 + 4)


def test_offsets_that_were_reset_lose_and_change_nothing(fleet: Fleet) -> None:
    """What may come of it is the same event again, under the same id and with the same bytes."""
    fleet.make_worlds(3)
    first = fleet.start()
    fleet.seal(30)
    fleet.await_done()
    assert first.terminate() == 0
    consumer = Consumer({"bootstrap.servers": fleet.bootstrap, "group.id": f"{fleet.prefix}worldtick.tally"})
    begin = [TopicPartition(fleet.prefix + "world.tick", number, 0) for number in range(3)]
    consumer.commit(offsets=begin, asynchronous=False)
    consumer.close()
    second = fleet.start()
    fleet.seal(5)
    fleet.await_done()
    assert second.terminate() == 0
    assert fleet.check(accounts=False, repeats=True).steps == 3 * 36


def test_a_changed_step_starts_only_where_a_snapshot_is(fleet: Fleet) -> None:
    fleet.make_worlds(2, HEAVY, daily=False)
    old = fleet.start()
    fleet.seal(10)
    fleet.await_done()
    fleet.seal(4)  # to 14, at which it is neither slice's turn to be stored
    fleet.await_done()
    old.kill()
    fleet.seal(2)
    new = fleet.start(step_version=2)
    fleet.until(lambda: len(new.lines("slice_blocked")) == 2)
    assert all("step version 1" in line["reason"] for line in new.lines("slice_blocked"))
    assert new.terminate() == 0
    assert fleet.behind() == 4
    old = fleet.start()
    fleet.seal(1)
    fleet.await_done()
    assert old.terminate() == 0
    new = fleet.start(step_version=2)
    fleet.seal(3)
    fleet.await_done()
    assert new.terminate() == 0
    assert fleet.check().steps == 2 * 20
    assert set(fleet.query("select step_version from ledger where version > 17")) == {(2,)}


def test_a_corrupted_snapshot_stops_its_slice_alone(fleet: Fleet) -> None:
    fleet.make_worlds(10, daily=False)
    worker = fleet.start()
    fleet.seal(5)
    fleet.await_done()
    assert worker.terminate() == 0
    spoiled = (
        "update slice set snapshot = set_byte(snapshot, 7, 99) where world_key = (select min(world_key) from world)"
    )
    assert fleet.run_sql(spoiled) == 1
    worker = fleet.start()
    fleet.seal(5)
    fleet.until(lambda: fleet.behind() == 5)
    assert fleet.query("select status, version from slice where status <> 0") == [(2, 5)]
    fleet.until(lambda: [(line["world"], line["level"]) for line in worker.lines("slice_blocked")] == [("w0", "ERROR")])
    fleet.await_published()
    assert worker.terminate() == 0
    assert fleet.check().steps == 9 * 10 + 5


def test_effects_and_facts_cross_once_though_workers_die(fleet: Fleet) -> None:
    """Two services, facts that lag one tick: what tally says enters echo by the very next tick, once."""
    section = Section(slices=2, effects=True, pause_ms=1.0)
    for number in range(3):
        fleet.make_world(f"w{number}", {"tally": section, "echo": section}, facts="lag")
    members = [fleet.start("tally"), fleet.start("echo")]
    with ThreadPoolExecutor(1) as ticker:
        sealing = ticker.submit(fleet.seal, 40, wait_s=100.0)
        for number in range(5):
            fleet.await_steps(60 + 80 * number)  # of 486
            members[number % 2].kill()
            members[number % 2] = fleet.start(("tally", "echo")[number % 2])
        assert not sealing.result().progress.waiting
    fleet.await_done()
    for member in members:
        assert member.terminate() == 0
    checked = fleet.check()
    assert checked.slices == 12
    assert checked.effects >= 6 * (41 // 4)
    assert check_lagging_facts(fleet.database_url) == 3 * 40


def test_a_backlog_is_committed_in_batches_over_few_connections(fleet: Fleet) -> None:
    """10,000 ticks: commits far fewer than ticks, connections no more than a worker has."""
    fleet.make_worlds(20, daily=False)
    fleet.seal(500)
    fleet.run_sql("select pg_stat_force_next_flush()")
    worker = fleet.start()
    connections = 0

    def done() -> bool:
        nonlocal connections
        mine = "select count(*) from pg_stat_activity where datname = current_database() and application_name like %s"
        connections = max(connections, int(fleet.query(mine, "%worldtick.tally%")[0][0]))
        return fleet.behind() == 0

    fleet.until(done, 90)
    fleet.await_published()
    assert 1 <= connections <= 5
    (commits,) = fleet.query("select count(distinct xmin::text) from ledger")[0]
    assert commits <= 200
    assert worker.terminate() == 0
    assert fleet.check().steps == 10_000
