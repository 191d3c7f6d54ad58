"""One race: a contestant, a backlog that it may not see yet, and a clock outside it.

The clock is the same for everybody and never sees a process or a JVM start. The worlds' first ticks are rung
openly; the backlog is written in a Kafka transaction that stays open. The contestant starts, joins its group
and works off the first ticks. Once all of their outputs are visible to a read_committed reader, the transaction
is committed: that is 0. The clock stops when the reader has the last output. Then the same process is left
idle, and lone ticks are rung one at a time, each after the last one's output was seen: produced (acks=all) to
visible at the reader.

Lives here: topics, backlog, reader, both clocks, the contestant's process. Not here: who races, what it proves."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.rings import prove, ring, rings, world_names

INPUT_PARTITIONS = 3  # as world.tick.hourly
OUTPUT_PARTITIONS = 8  # as simulation.event
START_S_MAX = 120
STALL_S_MAX = 60
STOP_S_MAX = 20
PARTITIONER = "murmur2"  # that of the Java clients, so that a world's rings are on its home partition
QUIET_S = 1.0  # between the warm-up's last output and the start
LONE_GAP_MS_MAX = 150  # lone ticks come at uneven times, so that no commit interval keeps step with them


@dataclass(frozen=True, slots=True)
class Load:
    """How much: ticks are per world."""

    worlds: int
    warm_ticks: int
    ticks: int
    lone_ticks: int  # in all, each of another world

    @property
    def last_ticks(self) -> int:
        """The last tick of each world that the backlog holds."""
        return self.warm_ticks + self.ticks


FULL = Load(worlds=1000, warm_ticks=20, ticks=200, lone_ticks=60)
SMOKE = Load(worlds=20, warm_ticks=2, ticks=10, lone_ticks=3)


@dataclass(frozen=True, slots=True)
class Course:
    """What one contestant is given for one race."""

    bootstrap: str
    database_url: str
    prefix: str  # of its topics and groups
    load: Load
    scratch: Path

    @property
    def input(self) -> str:
        """The topic of its rings."""
        return f"{self.prefix}world.tick.hourly"

    @property
    def output(self) -> str:
        """The topic of what it says."""
        return f"{self.prefix}simulation.event"

    def arguments(self) -> dict[str, Any]:
        """What a peer's process is told."""
        return {
            "bootstrap": self.bootstrap,
            "group": f"{self.prefix}counter",
            "input": self.input,
            "output": self.output,
            "scratch": str(self.scratch),
        }


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who races. `commands` are its processes; `prepare` runs before them and may fill a database."""

    name: str
    commands: Callable[[Course], Sequence[Sequence[str]]]
    prepare: Callable[[Course], None] = lambda course: None
    outputs_per_tick: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one race."""

    records_per_s: float
    lone_ms: tuple[float, ...]
    digest: str


@dataclass(slots=True)
class Reader:
    """A read_committed reader that only counts while the clock runs, and keeps the bytes for the proof."""

    consumer: Consumer
    values: list[bytes] = field(default_factory=list)

    def read_to(self, outputs: int, deadline_s: float, alive: Callable[[], None]) -> float:
        """Read until so many outputs are here in all; returns the time at which the last one was."""
        stalled_at = time.monotonic() + deadline_s
        while len(self.values) < outputs:
            records = self.consumer.consume(10_000 if outputs - len(self.values) > 1 else 1, 0.02)
            self.values += [record.value() for record in records if record.error() is None]
            if records:
                stalled_at = time.monotonic() + deadline_s
            elif time.monotonic() > stalled_at:
                raise TimeoutError(f"{len(self.values)} outputs of {outputs}, and none for {deadline_s} s")
            else:
                alive()
        return time.perf_counter()

    def idle(self, seconds: float) -> None:
        """Wait, reading; what comes is kept."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.values += [record.value() for record in self.consumer.consume(1, left) if record.error() is None]


def race(contestant: Contestant, course: Course) -> Result:
    """Run one race and prove its outputs. Topics and processes are gone afterwards."""
    load, per_tick = course.load, contestant.outputs_per_tick
    with ExitStack() as stack:
        stack.enter_context(_topics(course))
        contestant.prepare(course)
        backlog = _backlog(course)
        reader = Reader(stack.enter_context(_reader(course)))
        alive = stack.enter_context(_processes(contestant, course))
        reader.read_to(load.worlds * load.warm_ticks * per_tick, START_S_MAX, alive)
        reader.idle(QUIET_S)
        began = time.perf_counter()
        backlog.commit_transaction()
        ended = reader.read_to(load.worlds * load.last_ticks * per_tick, STALL_S_MAX, alive)
        reader.idle(QUIET_S)
        lone_ms, last_seq = _lone(course, reader, per_tick, alive)
        reader.idle(QUIET_S)  # a doubled output would come now
    digest = prove(contestant.name, reader.values, last_seq)
    return Result(load.worlds * load.ticks / (ended - began), tuple(lone_ms), digest)


def _lone(
    course: Course, reader: Reader, per_tick: int, alive: Callable[[], None]
) -> tuple[list[float], dict[str, int]]:
    """Ring single ticks; milliseconds from produced to visible, and each world's last tick."""
    producer = Producer(
        {"bootstrap.servers": course.bootstrap, "acks": "all", "linger.ms": 0, "partitioner": PARTITIONER}
    )
    names = world_names(course.load.worlds)
    last_seq = dict.fromkeys(names, course.load.last_ticks)
    lone_ms = []
    for number in range(course.load.lone_ticks):
        world = names[number * 7 % len(names)]
        last_seq[world] += 1
        value = ring(world, last_seq[world])
        reader.idle((number * 37 % LONE_GAP_MS_MAX + 5) / 1000)
        before = time.perf_counter()
        producer.produce(course.input, value, world)
        producer.poll(0)
        after = reader.read_to(len(reader.values) + per_tick, STALL_S_MAX, alive)
        lone_ms.append((after - before) * 1000)
    producer.flush(STALL_S_MAX)
    return lone_ms, last_seq


def _backlog(course: Course) -> Producer:
    """Ring the warm-up openly and the rest in a transaction, whose producer is returned uncommitted."""
    load, names = course.load, world_names(course.load.worlds)
    shared = {"bootstrap.servers": course.bootstrap, "compression.type": "snappy", "partitioner": PARTITIONER}
    warm = Producer(shared)
    _produce(warm, course.input, rings(names, 1, load.warm_ticks))
    backlog = Producer(
        shared
        | {
            "transactional.id": f"{course.prefix}backlog",
            "log_level": 4,
            "transaction.timeout.ms": 600_000,
            "retry.backoff.ms": 2,
        }
    )
    backlog.init_transactions()
    backlog.begin_transaction()
    _produce(backlog, course.input, rings(names, load.warm_ticks + 1, load.last_ticks))
    return backlog


def _produce(producer: Producer, topic: str, records: Iterator[tuple[str, bytes]]) -> None:
    """Produce and flush; every failed delivery raises."""
    failed: list[str] = []

    def told(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    for number, (key, value) in enumerate(records):
        producer.produce(topic, value, key, on_delivery=told)
        if number % 5000 == 4999:
            producer.flush(STALL_S_MAX)
    if producer.flush(STALL_S_MAX) or failed:
        raise TimeoutError(f"the backlog was not written: {failed[:1]}")


@contextmanager
def _topics(course: Course) -> Iterator[None]:
    """The contestant's own topics; afterwards all topics with its prefix go, changelogs too."""
    admin = AdminClient({"bootstrap.servers": course.bootstrap})
    wanted = [NewTopic(course.input, INPUT_PARTITIONS, 1), NewTopic(course.output, OUTPUT_PARTITIONS, 1)]
    for future in admin.create_topics(wanted, operation_timeout=30).values():
        future.result(60)
    try:
        yield
    finally:
        ours = [name for name in admin.list_topics(timeout=30).topics if course.prefix in name]
        for future in admin.delete_topics(ours, operation_timeout=30).values():
            future.result(60)


@contextmanager
def _reader(course: Course) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": course.bootstrap,
            "group.id": f"{course.prefix}reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([TopicPartition(course.output, number, 0) for number in range(OUTPUT_PARTITIONS)])
    try:
        yield consumer
    finally:
        consumer.close()


@contextmanager
def _processes(contestant: Contestant, course: Course) -> Iterator[Callable[[], None]]:
    """Its processes, output to a log in scratch; yields a function that raises if one has ended."""
    log_path = course.scratch / "contestant.log"
    with log_path.open("wb") as log:
        running = [subprocess.Popen(command, stdout=log, stderr=log) for command in contestant.commands(course)]

        def alive() -> None:
            for process in running:
                if process.poll() is not None:
                    tail = log_path.read_text("utf-8", "replace")[-2000:]
                    raise ChildProcessError(f"{contestant.name} ended with {process.returncode}:\n{tail}")

        try:
            yield alive
        finally:
            for process in running:
                process.send_signal(signal.SIGTERM)
            for process in running:
                try:
                    process.wait(STOP_S_MAX)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
