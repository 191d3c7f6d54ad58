"""The simulated PostgreSQL answers as the real one does: the same cases on both.
Lives here: one contract for the SQL effects of a worker. Not here: what the protocol makes of them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from typing import Protocol as Structure

import pytest

from tests.simulation.database import Database
from tests.simulation.plan import clock_of, draw
from tests.simulation.store import Slice, Store, World
from tests.small_worlds import MARKET, make_world
from tests.unit.runtime.sealed_ticks import sealed
from worldtick.runtime.effects import (
    APPLIED,
    DEAD,
    DIVERGED,
    WELL,
    Attempt,
    Claim,
    Commit,
    Committed,
    Diverge,
    LedgerRow,
    LoadLedger,
    LoadOutputs,
    LoadSlices,
    LoadTicks,
    Raise,
    Release,
    SliceRow,
    Survived,
    Writes,
)
from worldtick.runtime.postgres import Postgres
from worldtick.store.claims import find_reader, insert_worker
from worldtick.store.db import open_pool, transaction
from worldtick.store.ticks import copy_ticks

DIGEST = bytes(range(16))
TICKS = [sealed(seq, consumers=("market",)) for seq in (1, 2, 3)]


class Performer(Structure):
    """One worker's way to the database."""

    def perform(self, effect: Any) -> Any:
        """Do one effect and answer it."""


class Bench(NamedTuple):
    """A database with one world, whose market has one slice and whose ticks are TICKS."""

    reader: int
    join: Callable[[], tuple[int, Performer]]  # a new worker: its key, its way to the database

    def slice_row(self) -> SliceRow:
        """The slice as it is."""
        _, performer = self.join()
        (row,) = performer.perform(LoadSlices(["w"]))
        return SliceRow(*row)


def _simulated() -> Bench:
    store = Store(lambda writes: None, lambda key, tick: None)
    store.worlds[1] = World(clock_of(draw(0), 1, "w"), "{}")
    store.slices[1] = Slice(1, 1, "market", 0, "hourly")
    for tick in TICKS:
        store.insert_tick(1, tick)

    def join() -> tuple[int, Performer]:
        key = store.new_worker()
        return key, Database(store, MARKET, 1, key)

    return Bench(1, join)


def _real(url: str) -> Iterator[Bench]:
    pool = open_pool(url, 2, "test-sim-store")
    opened: list[Postgres] = []
    try:
        world_key = make_world(pool, "w", ("market",))
        with transaction(pool) as conn:
            copy_ticks(conn, [(world_key, tick) for tick in TICKS])
            reader = find_reader(conn, "market", "world.tick.hourly", "uuid")

        def join() -> tuple[int, Performer]:
            with transaction(pool) as conn:
                key = insert_worker(conn, "market", "here", 1)
            opened.append(Postgres(url, MARKET, reader, key))
            return key, opened[-1]

        yield Bench(reader, join)
    finally:
        for performer in opened:
            performer.close()
        pool.close()


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.postgres)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The same bench twice."""
    if request.param == "simulated":
        yield _simulated()
    else:
        yield from _real(request.getfixturevalue("postgres_url"))


def _writes(bench: Bench, worker: int, version: int, from_version: int, **more: Any) -> Writes:
    """A commit that moves the slice to a version, one ledger row each, all under the record 0/10 + version."""
    key = bench.slice_row().slice_key
    moved = Raise(
        slice_key=key,
        from_version=from_version,
        version=version,
        digest=DIGEST,
        step_version=1,
        status=WELL,
        dead_in_row=0,
        carried=0,
        reason=None,
        origin_partition=0,
        origin_offset=10 + version,
        snapshot=None,
    )._replace(**more)
    rows = [
        LedgerRow(bench.reader, 0, 10 + at, key, at, APPLIED, worker, 1, 5, 0, 0, DIGEST, b"said %d" % at)
        for at in range(from_version + 1, version + 1)
    ]
    return Writes(bench.reader, worker, (0,), [moved], rows)


def _outputs(bench: Bench, first: int, end: int) -> list[bytes]:
    _, performer = bench.join()
    return [bytes(row[2]) for row in performer.perform(LoadOutputs(bench.reader, [(0, first, end)]))]


def test_a_claim_tells_whether_the_last_one_let_go_cleanly(bench: Bench) -> None:
    _, one = bench.join()
    _, other = bench.join()
    assert one.perform(Claim([0, 1])) == {0: True, 1: True}
    assert one.perform(Claim([0])) == {0: True}
    assert other.perform(Claim([0])) == {0: False}
    other.perform(Release([0]))
    assert one.perform(Claim([0, 1])) == {0: True, 1: True}


def test_a_former_owner_releases_nothing(bench: Bench) -> None:
    _, one = bench.join()
    _, other = bench.join()
    third = bench.join()[1]
    one.perform(Claim([0]))
    other.perform(Claim([0]))
    one.perform(Release([0]))
    assert third.perform(Claim([0])) == {0: False}


def test_a_commit_is_seen_whole(bench: Bench) -> None:
    key, one = bench.join()
    one.perform(Claim([0]))
    assert one.perform(Commit(_writes(bench, key, 2, 0, snapshot=b"state"))) is Committed.YES
    row = bench.slice_row()
    assert (row.version, row.digest, row.snapshot_version, row.snapshot) == (2, DIGEST, 2, b"state")
    assert (row.reader_key, row.origin_partition, row.origin_offset) == (bench.reader, 0, 12)
    assert _outputs(bench, 0, 100) == [b"said 1", b"said 2"]


def test_only_the_last_claimer_commits(bench: Bench) -> None:
    key, one = bench.join()
    assert one.perform(Commit(_writes(bench, key, 1, 0))) is Committed.STALE
    one.perform(Claim([0]))
    bench.join()[1].perform(Claim([0]))
    assert one.perform(Commit(_writes(bench, key, 1, 0))) is Committed.STALE
    assert bench.slice_row().version == 0
    assert _outputs(bench, 0, 100) == []


def test_only_from_the_version_that_is_there(bench: Bench) -> None:
    key, one = bench.join()
    one.perform(Claim([0]))
    assert one.perform(Commit(_writes(bench, key, 1, 0))) is Committed.YES
    again = _writes(bench, key, 3, 2)
    again.effects.append((bench.slice_row().world_key, "market", "nudge", "{}", "effect", 3, 0))
    assert one.perform(Commit(again)) is Committed.STALE
    assert bench.slice_row().version == 1
    assert _outputs(bench, 0, 100) == [b"said 1"]


def test_a_diverged_slice_moves_no_more(bench: Bench) -> None:
    key, one = bench.join()
    one.perform(Claim([0]))
    one.perform(Diverge(bench.slice_row().slice_key, "other bytes"))
    assert one.perform(Commit(_writes(bench, key, 1, 0))) is Committed.STALE
    assert bench.slice_row().status == DIVERGED


def test_what_a_move_leaves_open_stays(bench: Bench) -> None:
    key, one = bench.join()
    one.perform(Claim([0]))
    one.perform(Commit(_writes(bench, key, 1, 0, snapshot=b"first")))
    drained = _writes(bench, key, 1, 1, origin_partition=None, origin_offset=None)
    assert one.perform(Commit(drained)) is Committed.YES
    one.perform(Commit(_writes(bench, key, 2, 1)))
    row = bench.slice_row()
    assert (row.version, row.snapshot_version, row.snapshot, row.origin_offset) == (2, 1, b"first", 12)


def test_outputs_are_read_by_origin_in_the_order_of_versions(bench: Bench) -> None:
    key, one = bench.join()
    one.perform(Claim([0]))
    one.perform(Commit(_writes(bench, key, 1, 0)))
    one.perform(Commit(_writes(bench, key, 3, 1)))
    assert _outputs(bench, 11, 13) == [b"said 1", b"said 2"]
    assert _outputs(bench, 13, 14) == [b"said 3"]
    assert _outputs(bench, 14, 100) == []


def test_the_ledger_tells_outcomes(bench: Bench) -> None:
    key, one = bench.join()
    one.perform(Claim([0]))
    writes = _writes(bench, key, 2, 0)
    writes.ledger[1] = writes.ledger[1]._replace(outcome=DEAD)
    one.perform(Commit(writes))
    slice_key = bench.slice_row().slice_key
    found = [tuple(row) for row in one.perform(LoadLedger([(slice_key, 1, 9)]))]
    assert found == [(slice_key, 1, APPLIED, DIGEST), (slice_key, 2, DEAD, DIGEST)]


def test_ticks_are_read_by_their_place(bench: Bench) -> None:
    _, one = bench.join()
    world_key = bench.slice_row().world_key
    found = [(key, place) for key, place, _ in one.perform(LoadTicks([(world_key, 2, 9)]))]
    assert found == [(world_key, 2), (world_key, 3)]


def test_attempts_are_counted_until_one_is_survived(bench: Bench) -> None:
    _, one = bench.join()
    _, other = bench.join()
    assert [one.perform(Attempt(1, 1)), other.perform(Attempt(1, 1)), one.perform(Attempt(1, 2))] == [1, 2, 1]
    one.perform(Survived(1, 1))
    assert [other.perform(Attempt(1, 1)), other.perform(Attempt(1, 2))] == [1, 2]
