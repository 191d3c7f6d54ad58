"""The worker: runs one service on real Kafka and PostgreSQL until it is told to stop.
Lives here: the loop, rebalances, back-off, draining. Not here: the protocol, its effects, which services there are."""

import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaException

from worldtick.contracts.errors import Unavailable
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.wire import EventWriter
from worldtick.runtime import metrics
from worldtick.runtime.backoff import backoff_s
from worldtick.runtime.batches import Prepared
from worldtick.runtime.effects import Commit, LoadOutputs, Transact
from worldtick.runtime.errors import Fenced, TopicReplaced
from worldtick.runtime.kafka import Feed, Press, topic_identity
from worldtick.runtime.pipeline import Pipeline, drive
from worldtick.runtime.postgres import Postgres
from worldtick.runtime.protocol import Protocol
from worldtick.runtime.rules import Rules
from worldtick.runtime.service import Service
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.watchdog import Watchdog
from worldtick.store.claims import find_reader, insert_worker
from worldtick.store.db import connect, translated

log = logging.getLogger(__name__)

GC_OBJECTS: Final = 100_000  # net new ones between two looks
POLL_S: Final = 0.5
LONE_RECORDS_MAX: Final = 8  # so few are not worth handing to threads
IDLE_S_MAX: Final = 15.0  # how long batches under way may take to end, in a rewind
DRAIN_S_MAX: Final = 20.0
STALE_S: Final = 90.0  # a loop that has not come round for so long is stuck
HANGS_S_MAX: Final = 5.0  # how long records of rows to be published may take to come
PUBLISHED_S: Final = 1.0  # between two notes of how far we have published
SEEN_S: Final = 10.0
PROBE_S: Final = 5.0  # between two signs of life that Kafka is asked for
CLOSE_S_MAX: Final = 1.0
BACKOFF_S: Final = (0.05, 0.25, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker works."""

    kafka: Mapping[str, Any]
    database_url: str
    prefix: str = ""
    writer: EventWriter = field(default_factory=EventWriter)
    registry: SchemaRegistry | None = None
    rules: Rules = field(default_factory=Rules)
    session_timeout_ms: int = 6_000
    step_timeout_s: float = 60.0

    def group(self, service: str) -> str:
        """The consumer group of a service."""
        return f"{self.prefix}worldtick.{service}"


def tame_collector() -> None:
    """Make Python's cycle collector look at new objects only, and seldom: a batch has ten thousands, and no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, 20, 100)


class Worker:
    """One member of a service's group. `run_until` does everything."""

    def __init__(self, service: Service[Any], place: Place, vitals: Vitals) -> None:
        self._service = service
        self._place = place
        self._vitals = vitals
        self._topic = place.prefix + service.topic
        self._group = place.group(service.name)
        self._settled = False  # whether positions are those of the committed offsets
        self._releases: set[int] = set()  # revoked and not yet let go
        self._published: dict[int, int] = {}
        self._published_at = self._seen_at = self._probed_at = self._settled_at = time.monotonic()
        self._slot: int | None = None
        self._slot_taken_over = 0  # which connection of the keeper's holds it

    def run_until(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then drain and leave the group. Parts that are away are waited for."""
        failures = 0
        self._warm_up()
        if not self._open(stop):
            return
        try:
            while not stop.is_set():
                self._vitals.beat(self._service.name, STALE_S)
                try:
                    if self._turn():
                        failures = 0
                except (Unavailable, Fenced, KafkaException) as failed:
                    self._note_failure(failed, failures)
                    self._settled = False
                    stop.wait(backoff_s(failures, BACKOFF_S))
                    failures += 1
            self._drain()
        finally:
            self._close()

    # ---- opening and closing

    def _warm_up(self) -> None:
        """Compile before the first step: within it, on a slow machine, compiling would look like a step that hangs."""
        if self._service.warm_up is not None:
            began = time.monotonic()
            self._service.warm_up()
            took_s = round(time.monotonic() - began, 3)
            log.info("service_warmed_up", extra={"service": self._service.name, "took_s": took_s})

    def _open(self, stop: threading.Event) -> bool:
        """Connect, waiting for what is away; False if told to stop meanwhile."""
        failures = 0
        while not stop.is_set():
            try:
                self._connect()
                return True
            except (Unavailable, KafkaException) as away:
                self._note_failure(away, failures)
                stop.wait(backoff_s(failures, BACKOFF_S))
                failures += 1
        return False

    def _connect(self) -> None:
        place, service = self._place, self._service
        self._identity = identity, partitions = topic_identity(place.kafka, self._topic)
        with translated(), closing(connect(place.database_url, self._group, autocommit=True)) as conn:
            reader_key = find_reader(conn, self._group, self._topic, identity)
            self._worker_key = insert_worker(conn, self._group, socket.gethostname(), os.getpid())
        self._keeper = Postgres(place.database_url, service, reader_key, self._worker_key)
        self._hold_slot()
        self._sql = Postgres(place.database_url, service, reader_key, self._worker_key)
        self._commit_sql = Postgres(place.database_url, service, reader_key, self._worker_key)
        self._output_sql = Postgres(place.database_url, service, reader_key, self._worker_key)
        self._protocol = Protocol(
            service,
            reader_key,
            self._worker_key,
            partitions,
            place.rules,
            place.writer,
            lambda: time.perf_counter_ns() // 1_000,
            place.registry,
            place.prefix,
        )
        self._pipeline = Pipeline(self._commit, self._publish, self._protocol.fail)
        self._feed = Feed(place.kafka, self._group, self._topic, place.session_timeout_ms)
        callers = (self._keeper, self._sql, self._commit_sql, self._output_sql)
        silent_s = partial(self._vitals.silent_s, service.name)
        self._watchdog = Watchdog(self._protocol, place.step_timeout_s, callers, silent_s)
        log.info("worker_started", extra={"service": service.name, "worker": self._worker_key, "group": self._group})

    def _hold_slot(self) -> None:
        """Hold a slot, which names the producer. A session that broke has lost it, and another worker may have it."""
        if self._slot_taken_over and self._keeper.opened == self._slot_taken_over:
            return
        slot = self._keeper.take_slot(self._group, self._slot)
        if slot != self._slot or not self._slot_taken_over:
            name = f"{self._group}.{slot if slot is not None else f'w{self._worker_key}'}"
            self._press = Press(self._place.kafka, name, self._place.prefix, self._topic)
        self._slot, self._slot_taken_over = slot, self._keeper.opened

    def _drain(self) -> None:
        if not self._pipeline.wait_idle(DRAIN_S_MAX) or self._pipeline.failed:
            log.warning("worker_stops_undrained", extra={"service": self._service.name})
            return
        try:
            if self._settled:
                drive(self._protocol.drain(), self._sql.perform)
            self._note_published(time.monotonic(), at_once=True)
            self._keeper.see_worker(ended=True)
            log.info("worker_drained", extra={"service": self._service.name, "worker": self._worker_key})
        except Unavailable as away:
            log.warning("worker_stops_undrained", extra={"service": self._service.name, "error": str(away)})

    def _close(self) -> None:
        self._watchdog.close()
        self._feed.close()
        if self._pipeline.close(CLOSE_S_MAX):
            for sql in (self._sql, self._commit_sql, self._output_sql):
                sql.close()
        self._keeper.close()
        self._vitals.ended(self._service.name)

    # ---- the loop

    def _turn(self) -> bool:
        """One time round; whether something was done well."""
        now = time.monotonic()
        self._keep(now)
        if self._settled and self._pipeline.failed:
            raise self._pipeline_failure()
        if not self._settled:
            self._feed.serve()
            if self._feed.moved:
                self._moved()
            self._settle()
        polled = self._feed.poll(self._place.rules.batch_records, POLL_S)
        if self._feed.moved:
            self._moved()
            return True
        if not polled.records:
            if self._protocol.hangs and now - self._settled_at > HANGS_S_MAX:
                self._settled = False
            return True
        batch = drive(self._protocol.prepare(polled.records, polled.group), self._sql.perform)
        if not self._pipeline.pass_on(batch, lone=len(polled.records) <= LONE_RECORDS_MAX):
            raise self._stuck()
        return True

    def _stuck(self) -> Unavailable:
        return Unavailable(f"{'Kafka' if self._press.busy else 'PostgreSQL'} does not end what is under way")

    def _pipeline_failure(self) -> Exception:
        error = self._pipeline.error
        if error is None or isinstance(error, Fenced):
            return Fenced("a batch was dropped: another owner, or an unknown outcome")
        if isinstance(error, Exception):
            return error
        return Fenced(f"a stage broke: {error}")

    def _moved(self) -> None:
        """Partitions came or went: nothing under way may go on."""
        self._protocol.fail()
        self._settled = False
        (revoked, lost), held = self._feed.take_moves(), self._feed.held
        drive(self._protocol.let_go(lost, lost=True), self._sql.perform)
        self._releases = (self._releases | revoked) - lost - held
        metrics.REBALANCES.labels(self._service.name).inc()
        metrics.PARTITIONS.labels(self._service.name).set(len(held))
        log.info("partitions_moved", extra={"service": self._service.name, "partitions": sorted(held)})

    def _settle(self) -> None:
        """Stand at the committed offsets, with nothing under way and every partition claimed."""
        self._protocol.fail()
        if not self._pipeline.wait_idle(IDLE_S_MAX):
            self._abandon()
        if topic_identity(self._place.kafka, self._topic) != self._identity:
            raise TopicReplaced(
                f"topic {self._topic} was made anew, or has more partitions now: start the worker again"
            )
        self._keeper.see_worker()
        self._hold_slot()
        self._press.renew()
        if self._releases:
            drive(self._protocol.let_go(self._releases), self._sql.perform)
            self._releases = set()
        held = set(self._feed.held)
        drive(self._protocol.claim(held), self._sql.perform)
        if held:
            self._press.sweep(self._feed.group())
        committed = self._feed.committed(held)
        self._feed.prove_membership(committed)
        placed, holes = self._in_log(committed)
        self._protocol.place(placed)
        # A predecessor that was killed may have published and not noted it; without a note its rows are never pruned.
        self._published |= {partition: offset for partition, (offset, _) in placed.items()}
        self._feed.seek({partition: offset for partition, (offset, _) in placed.items()} | holes)
        # Before what hangs is read: rows in a hole are the hole's own, and would be published twice.
        gaps = [self._protocol.hole(partition, begins, self._feed.group()) for partition, begins in holes.items()]
        drive(self._protocol.recall(), self._sql.perform)
        self._pipeline.clear()
        self._settled, self._settled_at = True, time.monotonic()
        self._vitals.part("kafka", True)
        self._vitals.part("database", True)
        for gap in gaps:
            self._pipeline.pass_on(gap, lone=False)

    def _abandon(self) -> None:
        """Go on without a call to Kafka that does not come back, though it was given a bound. Raises Unavailable.

        A producer of the same name ends its transaction; its thread may end when it can, what it was to publish is
        read again. PostgreSQL's calls are cut by the watchdog, so they come back.
        """
        if not self._press.busy:
            raise self._stuck()
        self._press = Press(self._place.kafka, self._press.name, self._place.prefix, self._topic)
        self._pipeline = Pipeline(self._commit, self._publish, self._protocol.fail)
        log.warning("transaction_abandoned", extra={"service": self._service.name})

    def _in_log(self, committed: Mapping[int, tuple[int, str]]) -> tuple[dict[int, tuple[int, str]], dict[int, int]]:
        """Committed offsets, none beyond the end of a log that was cut short; and where the log begins after them."""
        placed: dict[int, tuple[int, str]] = {}
        holes: dict[int, int] = {}
        spans = self._feed.spans(committed) if committed else {}
        for partition, (offset, account) in committed.items():
            begins, end = spans[partition]
            where = {"service": self._service.name, "partition": partition, "committed": offset}
            if offset > end:
                log.error("offset_beyond_log", extra={**where, "end": end})
            elif offset < begins:
                log.warning("offsets_deleted", extra={**where, "begins": begins})
                holes[partition] = begins
            placed[partition] = min(offset, end), account
        return placed, holes

    # ---- the two stages behind

    def _commit(self, batch: Prepared) -> bool:
        began = time.perf_counter()
        well = bool(drive(self._protocol.commit(batch), self._commit_sql.perform))
        if well:
            metrics.SQL_SECONDS.labels(self._service.name).observe(time.perf_counter() - began)
            if batch.writes.ledger:
                self._vitals.mark("last_tick")
            self._tell(batch)
        return well

    def _publish(self, batch: Prepared) -> bool:
        began = time.perf_counter()
        well = bool(drive(self._protocol.publish(batch), self._perform_publish))
        if well:
            metrics.KAFKA_SECONDS.labels(self._service.name).observe(time.perf_counter() - began)
            self._count(batch)
            self._published.update({partition: end for partition, _, end in batch.ranges})
            self._note_published(time.monotonic())
        return well

    def _perform_publish(self, effect: Transact | LoadOutputs | Commit) -> Any:
        if isinstance(effect, Transact):
            return self._press.transact(effect)
        return self._output_sql.perform(effect)

    def _note_published(self, now: float, at_once: bool = False) -> None:
        if self._published and (at_once or now - self._published_at >= PUBLISHED_S):
            self._output_sql.note_published(self._published)
            self._published, self._published_at = {}, now

    # ---- telling

    def _keep(self, now: float) -> None:
        """What has to be done from time to time while nothing else happens."""
        metrics.SLICES.labels(self._service.name).set(self._protocol.memory.slices)
        if self._pipeline.idle:
            self._note_published(now)
        if now - self._seen_at >= SEEN_S:
            self._seen_at = now
            self._keeper.see_worker()
            self._settled = self._settled and self._keeper.opened == self._slot_taken_over
        if now - self._probed_at >= PROBE_S:
            self._feed.probe()
            self._probed_at = time.monotonic()

    def _tell(self, batch: Prepared) -> None:
        service = self._service.name
        for note in batch.notes:
            log.log(note.level, note.event, extra={"service": service, **note.fields})
        steps = len(batch.writes.ledger)
        if steps and batch.records > 1:
            fields = {"service": service, "records": batch.records, "steps": steps, "slices": len(batch.writes.raises)}
            log.info("batch_committed", extra=fields)

    def _count(self, batch: Prepared) -> None:
        service, rows = self._service.name, batch.writes.ledger
        dead = sum(row.outcome == 2 for row in rows)
        metrics.STEPS.labels(service, "applied").inc(len(rows) - dead)
        metrics.STEPS.labels(service, "dead").inc(dead)
        for fate in ("rang", "duplicate", "passed", "dead"):
            metrics.RECORDS.labels(service, fate).inc(getattr(batch.fates, fate))
        metrics.BATCH_RECORDS.labels(service).observe(batch.records)
        metrics.BATCH_TICKS.labels(service).observe(len(rows))
        if rows:
            metrics.STEP_SECONDS.labels(service).observe(sum(row.step_us for row in rows) / len(rows) / 1e6)
        metrics.SNAPSHOT_BYTES.labels(service).inc(sum(len(row.snapshot or b"") for row in batch.writes.raises))

    def _note_failure(self, failed: Exception, failures: int) -> None:
        part = "kafka" if isinstance(failed, KafkaException) or "Kafka" in str(failed) else "database"
        if isinstance(failed, Fenced):
            part = "group"
        else:
            self._vitals.part(part, False, str(failed))
            metrics.DEPENDENCY_ERRORS.labels(part, "worker").inc()
        metrics.REWINDS.labels(self._service.name, part).inc()
        again_in_s = backoff_s(failures, BACKOFF_S)
        log.warning(
            "worker_rewinds", extra={"service": self._service.name, "error": str(failed), "again_in_s": again_in_s}
        )
