"""Steps that raise, kill their process or hang, and records that are no ticks: each is passed, nobody else waits.
Lives here: what is wrong with ticks and records. Not here: what is wrong with processes (test_killed)."""

import signal

import pytest
from confluent_kafka import Producer

from tests.chaos.counting import Fault, Section
from tests.chaos.fleet import Fleet, Member
from tests.small_worlds import history, read_topic
from worldtick.contracts.deadletter import read_dead_letter
from worldtick.contracts.ids import home_partition
from worldtick.runtime.watchdog import EXIT_HUNG
from worldtick.store.db import transaction
from worldtick.store.standing import resume_slice

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.postgres]

DEATHS_MAX = 4  # of one poisonous tick: the one that makes the next owner careful, then three attempts


def _raising(*seqs: int) -> Section:
    return Section(faults=[Fault(seq=seq, what="raise") for seq in seqs])


def test_a_step_that_raises_is_dead_and_three_in_a_row_park_its_slice(fleet: Fleet) -> None:
    fleet.make_worlds(2, daily=False)
    fleet.make_world("w2", _raising(3, 6), daily=False)
    fleet.make_world("w3", _raising(4, 5, 6), daily=False)
    worker = fleet.start()
    fleet.seal(10)
    fleet.until(lambda: fleet.behind() == 4)
    assert fleet.query("select status, version, dead_in_row from slice where status <> 0") == [(1, 6, 3)]
    fleet.until(lambda: [line["world"] for line in worker.lines("slice_parked")] == ["w3"])  # said after the commit
    dead = {("w2", "tally", 0, 3), ("w2", "tally", 0, 6)} | {("w3", "tally", 0, seq) for seq in (4, 5, 6)}
    fleet.await_published()
    assert fleet.check(dead).dead == 5
    _check_letters(fleet)
    fleet.until(lambda: worker.metric("worldtick_worker_ticks_total") == 36)  # counted after publishing

    with transaction(fleet.pool) as conn:
        (key,) = fleet.query("select slice_key from slice where status <> 0")[0]
        assert resume_slice(conn, key)
    fleet.seal(1)
    fleet.await_done()
    assert worker.terminate() == 0
    assert fleet.check(dead).steps == 44


def _check_letters(fleet: Fleet) -> None:
    """The letters of dead steps say why, and under which record."""
    letters = read_topic(fleet.bootstrap, fleet.prefix + "world.tick.dlq")
    origins = fleet.query("select origin_partition, origin_offset from ledger where outcome = 2")
    found = [read_dead_letter(letter.key(), letter.value(), letter.headers()) for letter in letters]
    assert sorted((letter.partition, letter.offset) for letter in found) == sorted(origins)
    assert {(letter.reason, letter.topic) for letter in found} == {("step_failed", fleet.prefix + "world.tick")}
    assert all("is poison" in letter.error for letter in found)


def _lives_or_ends(fleet: Fleet, worker: Member) -> bool:
    """Wait until all is done or the worker has ended; whether it has."""
    fleet.until(lambda: worker.process.poll() is not None or fleet.behind() == 0)
    return worker.process.poll() is not None


def test_a_step_that_kills_or_hangs_its_process_is_dead_after_three_attempts(fleet: Fleet) -> None:
    fleet.make_worlds(4, daily=False)
    fleet.make_world("w4", Section(faults=[Fault(seq=3, what="kill")]), daily=False)
    fleet.make_world("w5", Section(faults=[Fault(seq=4, what="hang")]), daily=False)
    fleet.seal(6)
    codes: list[int] = []
    worker = fleet.start(step_timeout_s=1.0)
    while _lives_or_ends(fleet, worker):
        codes.append(worker.process.wait())
        assert len(codes) <= 2 * DEATHS_MAX, f"it does not end: {codes}"
        worker = fleet.start(step_timeout_s=1.0)
    fleet.await_done()
    assert {-signal.SIGKILL, EXIT_HUNG} == set(codes)
    assert worker.terminate() == 0
    assert fleet.check({("w4", "tally", 0, 3), ("w5", "tally", 0, 4)}).dead == 2


def test_records_that_are_no_ticks_hold_nobody_up(fleet: Fleet) -> None:
    """Random bytes, other schemas, torn Avro, huge, bad UTF-8, null, unknown world, wrong place: between good rings."""
    names = fleet.make_worlds(3, daily=False)
    worker = fleet.start()
    topic = fleet.prefix + "world.tick"
    sent = 0
    for _ in range(3):
        fleet.seal(3)
        fleet.await_done()
        ring = read_topic(fleet.bootstrap, topic)[0].value()
        producer = Producer({"bootstrap.servers": fleet.bootstrap, "message.max.bytes": 400_000})
        garbage = [
            bytes(range(256)),
            b'{"event_type":"world.tick"',
            b'{"data":{"world":"w0","seq":"nine","kind_seq":1}}',
            b"\xc3\x01" + bytes(8) + b"torn",
            b"\x00\x00\x00\x00\x07torn",
            b'{"data":' + b"[" * 100_000,
            b'{"data":{"world":"\xff\xfe"}}',
            None,
            ring.replace(b'"w0"', b'"w9"').replace(b'"w1"', b'"w9"').replace(b'"w2"', b'"w9"'),
        ]
        for partition in range(3):
            for value in garbage:
                producer.produce(topic, value, b"w0", partition)
            sent += len(garbage)
            if partition != home_partition(names[0], 3):
                producer.produce(topic, ring, b"w0", partition)
                sent += 1
        assert producer.flush(10) == 0
    fleet.seal(1)
    fleet.await_done()
    assert worker.terminate() == 0
    checked = fleet.check()
    assert checked.steps == 3 * 10
    assert checked.records["passed"] >= sent - 9  # a ring of w1 or w2 counts at its own home, where it is a duplicate


def test_no_record_is_too_large_whatever_is_asked_of_a_world(fleet: Fleet) -> None:
    """10,000 directives arrive over the next ticks, in order; an event that no record holds makes its step dead."""
    fleet.make_world("w0", Section(faults=[Fault(seq=5, what="shout")]), daily=False)
    queued = "insert into directive (world_key, service, name, args, source) select world_key, 'tally', 'add',"
    queued += " jsonb_build_object('by', n), 'admin' from world, generate_series(1, 10000) n order by n"
    assert fleet.run_sql(queued) == 10_000
    worker = fleet.start()
    fleet.seal(45)
    fleet.await_done()
    assert worker.terminate() == 0
    dead = {("w0", "tally", 0, 5)}
    assert fleet.check(dead).steps == 45
    rings = read_topic(fleet.bootstrap, fleet.prefix + "world.tick")
    assert max(len(ring.value()) for ring in rings) < 131_072
    asked = [directive.args["by"] for tick in history(fleet.pool, 1) for directive in tick.directives]
    assert asked == list(range(1, 10_001))
    (letter,) = read_topic(fleet.bootstrap, fleet.prefix + "world.tick.dlq")
    assert b"a record holds" in dict(letter.headers())["dlq.error"]
    assert "MSG_SIZE_TOO_LARGE" not in worker.log.read_text("utf-8")
