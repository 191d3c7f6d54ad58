"""Metrics of a process, by their one list: every name, label and meaning that a worker, ticker or control exports.
Lives here: the metric objects and their registry. Not here: what the observer counts (observer), serving (vitals).

What the tick table and the topics tell for all processes at once is the observer's: events and their bytes, ticks in
flight, operations carried.

Labels are bounded: services, kinds of ticks, event types that we declare, fates. None holds a world, slice or id."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from worldtick.contracts.registry import MODELS

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_STEP_S = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CALL_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LATE_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
BYTES: Final = (128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(f"worldtick_{name}", meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(f"worldtick_{name}", meaning, labels, registry=REGISTRY)


def _histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"worldtick_{name}", meaning, labels, registry=REGISTRY, buckets=buckets)


# A worker, per service.
STEPS = _counter("worker_ticks_total", "Ticks that slices finished; outcome: applied, dead", "service", "outcome")
RECORDS = _counter("worker_records_total", "Records read; fate: rang, duplicate, passed, dead", "service", "fate")
STEP_SECONDS = _histogram(
    "worker_step_seconds", "Step of one slice in one tick, its share of a batch", _STEP_S, "service"
)
SQL_SECONDS = _histogram("worker_sql_seconds", "One SQL transaction of a batch", _CALL_S, "service")
KAFKA_SECONDS = _histogram("worker_kafka_seconds", "One Kafka transaction of a batch", _CALL_S, "service")
BATCH_RECORDS = _histogram("worker_batch_records", "Records in one batch", _SIZES, "service")
BATCH_TICKS = _histogram("worker_batch_ticks", "Ticks stepped in one batch, all slices", _SIZES, "service")
SNAPSHOT_BYTES = _counter("worker_snapshot_bytes_total", "Bytes of snapshots written", "service")
SLICES = _gauge("worker_slices", "Slices whose state this process holds", "service")
PARTITIONS = _gauge("worker_partitions", "Partitions assigned to this process", "service")
REWINDS = _counter("worker_rewinds_total", "Batches dropped and read again; reason: a fixed word", "service", "reason")
REBALANCES = _counter("worker_rebalances_total", "Times that partitions came or went", "service")

# A ticker's loop; a one-shot's counts are in the tick table, where the observer reads them.
RUNS = _counter("ticker_runs_total", "Runs; outcome: done, waiting, failed", "outcome")
SEALED = _counter("ticker_sealed_total", "Ticks sealed, by kind: step, hourly, daily", "kind")
LATENESS_SECONDS = _histogram("ticker_lateness_seconds", "From the scheduled firing to the seal", _LATE_S, "kind")
PACE_LAG_SECONDS = _gauge(
    "ticker_pace_lag_seconds", "Wall time that the slowest world of the last turn is behind its pace"
)
RUN_SECONDS = _histogram("ticker_run_seconds", "One run, from its start to all published", _STEP_S)
RUNG = _counter("ticker_rung_total", "Rings published; why: sealed, overdue", "why")

# Control.
PASTES = _counter(
    "control_records_total", "Records that control read; fate: passed, sealed, again, dead, answered", "fate"
)
COMMANDS = _counter(
    "commands_total", "Commands; fate: accepted, refused, duplicate, again (read again), completed", "fate"
)

# Any process.
DEPENDENCY_ERRORS = _counter(
    "dependency_errors_total",
    "Failed calls; part: kafka, database; operation: a fixed word",
    "part",
    "operation",
)
BUILD = _gauge("build_info", "1; which process and release this is", "process", "release")

OTHER: Final = "other"
_TYPES: Final = {
    name.rpartition(".")[2]: name.rpartition(".")[2] for name in MODELS if name.startswith("simulation.event.")
}


def event_label(event_type: str) -> str:
    """An event type's last word if it is one that we declare, else OTHER: labels are bounded."""
    return _TYPES.get(event_type.rpartition(".")[2], OTHER)
