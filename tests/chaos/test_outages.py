"""The broker and the database die, hang and come back under load: no worker ends, all is told, the backlog drains.
Lives here: what befalls servers. Not here: what befalls workers (test_killed)."""

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.chaos.counting import Section
from tests.chaos.fleet import Fleet, Member
from worldtick.local.stack import Stack

pytestmark = [pytest.mark.chaos]

BUSY = Section(pause_ms=2.0, state_bytes=50_000)
SHORT = {"batch_records": 20, "ticks_per_record": 5}
UNFIT_S_MAX = 40.0
END_S_MAX = 30.0
RECOVERY_S_MAX = 200.0  # a killed broker may hold offsets of a transaction that it had committed for a minute


def _started(fleet: Fleet, **order: Any) -> list[Member]:
    members = [fleet.start(rules=SHORT, **order), fleet.start(rules=SHORT, **order)]
    for member in members:
        member.await_line("partitions_moved")
    return members


def _unfit(member: Member, part: str) -> bool:
    status, report = member.health()
    return status == 503 and not report["parts"].get(part, {"ok": True})["ok"]


def _outage(
    fleet: Fleet, members: list[Member], part: str, begin: Callable[[], None], end: Callable[[], object]
) -> float:
    """One outage in the middle of work, until each worker has told; seconds that the first to tell took."""
    fleet.seal(30)
    fleet.await_more(25)
    errors = [member.metric("worldtick_dependency_errors_total") for member in members]
    begin()
    began = time.monotonic()
    first: list[float] = []

    def told() -> bool:
        unfit = [_unfit(member, part) for member in members]
        if any(unfit) and not first:
            first.append(time.monotonic() - began)
        return all(unfit)

    try:
        fleet.until(told, UNFIT_S_MAX)
    finally:
        end()
    fleet.await_done(RECOVERY_S_MAX)
    fleet.until(lambda: all(member.health()[0] == 200 for member in members))
    for member, before in zip(members, errors, strict=True):
        assert member.metric("worldtick_dependency_errors_total") > before
        assert member.process.poll() is None, "a worker ended"
    return first[0]


@pytest.mark.timeout(600)
def test_broker_restarted_and_database_killed(doomed: Fleet, servers: Stack) -> None:
    doomed.make_worlds(6, BUSY, daily=False)
    members = _started(doomed)
    _outage(doomed, members, "kafka", servers.broker.stop, servers.start_broker)
    _outage(doomed, members, "database", servers.postgres.kill, servers.start_postgres)
    _newcomer_fences_nobody(doomed, members)
    assert doomed.check().steps == 6 * 80


@pytest.mark.timeout(600)
def test_broker_killed_and_started(doomed: Fleet, servers: Stack) -> None:
    doomed.make_worlds(6, BUSY, daily=False)
    members = _started(doomed)
    _outage(doomed, members, "kafka", servers.broker.kill, servers.start_broker)
    assert [member.terminate() for member in members] == [0, 0]
    assert doomed.check().steps == 6 * 30


def _newcomer_fences_nobody(fleet: Fleet, members: list[Member]) -> None:
    """PostgreSQL forgot who held which producer's name: those who live have theirs again before a newcomer asks."""
    members = [*members, fleet.start(rules=SHORT)]
    members[-1].await_line("partitions_moved")
    fleet.until(lambda: any(line["partitions"] for line in members[-1].lines("partitions_moved")))
    fleet.seal(20)
    fleet.await_done()
    assert [member.terminate() for member in members] == [0, 0, 0]
    assert not members[-1].lines("transaction_failed")


@pytest.mark.timeout(600)
def test_servers_that_hang(doomed: Fleet, servers: Stack) -> None:
    """Stopped, their connections open: what is asked fails after about 10 s of Kafka and 8 s of PostgreSQL."""
    doomed.make_worlds(6, BUSY, daily=False)
    members = _started(doomed)
    assert _outage(doomed, members, "kafka", servers.broker.pause, servers.broker.resume) < 30
    assert _outage(doomed, members, "database", servers.postgres.pause, servers.postgres.resume) < 30
    assert [member.terminate() for member in members] == [0, 0]
    assert doomed.check().steps == 6 * 60


def test_sigterm_while_kafka_hangs_ends_in_time(doomed: Fleet, servers: Stack) -> None:
    """What is under way cannot end: the process ends without it, and its successor loses nothing."""
    doomed.make_worlds(6, BUSY, daily=False)
    worker = doomed.start(rules=SHORT)
    worker.await_line("partitions_moved")
    doomed.seal(30)
    doomed.await_more(25)
    servers.broker.pause()
    assert worker.terminate(END_S_MAX) == 0
    servers.broker.resume()
    heir = doomed.start(rules=SHORT)
    doomed.await_done()
    assert heir.terminate() == 0
    assert doomed.check().steps == 6 * 30


def test_what_was_committed_and_not_published_is_published_out_of_a_hole(doomed: Fleet, servers: Stack) -> None:
    """Killed between its SQL and its Kafka commit; then the record that it worked under is deleted."""
    doomed.make_world("w0", Section(pause_ms=1_500.0), daily=False)
    worker = doomed.start()
    worker.await_line("partitions_moved")
    doomed.seal(1)
    worker.await_line("step_pauses")
    servers.broker.pause()
    doomed.until(lambda: doomed.done() == 1)
    worker.kill()
    servers.broker.resume()
    assert doomed.delete_records() >= 1
    heir = doomed.start()
    doomed.await_published()
    assert doomed.check(accounts=False).events == 2
    doomed.seal(1)
    doomed.await_done()
    assert heir.terminate() == 0
    assert doomed.check(accounts=False).steps == 2


@pytest.mark.kafka
@pytest.mark.postgres
def test_a_locked_table_costs_five_seconds_a_try(fleet: Fleet) -> None:
    fleet.make_worlds(2, daily=False)
    worker = fleet.start()
    worker.await_line("partitions_moved")
    with psycopg.connect(fleet.database_url) as conn:
        conn.execute("lock table ledger in access exclusive mode")
        fleet.seal(5)
        began = time.monotonic()
        worker.await_line("part_unfit", 20)
        took_s = time.monotonic() - began
    assert 3.0 < took_s < 12.0
    assert "timeout" in worker.lines("part_unfit")[0]["detail"]
    fleet.await_done()
    assert worker.terminate() == 0
    assert fleet.check().steps == 10
