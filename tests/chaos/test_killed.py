"""Workers that are killed, hang and come back, or come and go: every effect happens once all the same.
Lives here: what befalls processes. Not here: servers that die (test_outages), steps that do (test_poison)."""

import signal

import pytest

from tests.chaos.counting import Section
from tests.chaos.fleet import Fleet

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.postgres]

BUSY = Section(pause_ms=2.0, state_bytes=50_000)  # a snapshot every fourth tick, so that recovery steps again
SHORT = {"batch_records": 9, "ticks_per_record": 3, "snapshot_kept_every_ticks": 50}
KILLS = 20
ROUNDS = 1  # of zombies; a storm has more of them
MOVES = 4


def test_killed_twenty_times_in_two_hundred_ticks(fleet: Fleet) -> None:
    worlds = fleet.make_worlds(5, BUSY, daily=False)
    members = [fleet.start(rules=SHORT), fleet.start(rules=SHORT)]
    for number in range(KILLS):
        fleet.seal(10)
        fleet.await_more(7 + 11 * (number % 4))  # of the 50 that were just sealed
        members[number % 2].kill()
        members[number % 2] = fleet.start(rules=SHORT)
    fleet.await_done()
    for member in members:
        assert member.terminate() == 0
    checked = fleet.check()
    assert (checked.slices, checked.steps, checked.dead) == (len(worlds), 1_000, 0)


def test_a_zombies_late_commit_is_refused(fleet: Fleet) -> None:
    """Stopped within a step until another has its partition, and then continued: what it stepped changes nothing."""
    fleet.make_world("w0", Section(pause_ms=1_500.0), daily=False)
    zombie = fleet.start()
    zombie.await_line("partitions_moved")
    fleet.seal(2)
    zombie.await_line("step_pauses")
    zombie.send(signal.SIGSTOP)
    heir = fleet.start()
    fleet.await_done()
    zombie.send(signal.SIGCONT)
    fleet.until(lambda: bool(zombie.lines("worker_rewinds")))
    assert not zombie.lines("transaction_failed"), "PostgreSQL lets the late commit pass; Kafka had to refuse it"
    fleet.seal(1)
    fleet.await_done()
    assert (zombie.terminate(), heir.terminate()) == (0, 0)
    assert fleet.check().steps == 3
    workers = fleet.query("select version, worker_key from ledger order by version")
    assert [worker for _, worker in workers[:2]] == [2, 2]


def test_zombies_come_back_under_load(fleet: Fleet) -> None:
    fleet.make_worlds(6, BUSY, daily=False)
    zombie = fleet.start(rules=SHORT)
    zombie.await_line("partitions_moved")
    for _ in range(ROUNDS):
        fleet.seal(15)
        fleet.await_more(20)
        zombie.send(signal.SIGSTOP)
        heir = fleet.start(rules=SHORT)
        fleet.until(lambda: fleet.behind() == 0)
        fleet.seal(10)
        fleet.await_more(10)
        zombie.send(signal.SIGCONT)
        fleet.await_done()
        zombie, _ = heir, zombie.terminate()
    checked = fleet.check()
    assert (checked.steps, checked.dead) == (6 * 25 * ROUNDS, 0)


def test_partitions_go_to_and_fro_under_load(fleet: Fleet) -> None:
    fleet.make_worlds(8, BUSY)
    members = [fleet.start(rules=SHORT)]
    for number in range(MOVES):
        fleet.seal(12)
        members.append(fleet.start(rules=SHORT))
        members[-1].await_line("partitions_moved")
        fleet.seal(12)
        fleet.await_more(20)
        assert members.pop(number % 2).terminate() == 0
    fleet.await_done()
    checked = fleet.check()
    assert checked.steps == 8 * (MOVES * 24 + MOVES)
    assert len(fleet.query("select from worker where ended_at is not null")) == MOVES
