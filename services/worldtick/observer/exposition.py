"""The observer's /metrics: what the database and the broker have counted, made into series at each scrape.
Lives here: every series of the observer by name. Not here: those of workers and tickers (runtime/metrics), counting.

The counts live in PostgreSQL, so a restart loses nothing and two observers say the same. No label holds a tick; worlds
stand only in the series of single markets and of lost rings, whose number is bounded (observer/counting)."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from worldtick.contracts.errors import Unavailable
from worldtick.observer.groups import Sum, read_groups, summed
from worldtick.observer.ticks import Tallies, TickAccount, tick_accounts
from worldtick.runtime.metrics import BYTES
from worldtick.runtime.topics import admin_client
from worldtick.store.accounts import FINISH_BOUNDS_MS, LATE_BOUNDS_MS, RUN_BOUNDS_MS, STEP_BOUNDS_US
from worldtick.store.db import Pool
from worldtick.store.standing import ServiceStanding, one_moment, pace_totals, sealed_totals, seqs_of

log = logging.getLogger(__name__)

FRESH_S: Final = 1.0  # scrapes within it share one answer
LabelsT = TypeVar("LabelsT", bound=tuple[str, ...])

# tally -> (series, meaning, labels, divisor)
COUNTERS: Final = {
    "records": ("topic_records", "Records of a topic that the observer read, by fate", ("topic", "fate"), 1),
    "rings": ("rings", "Tick records on a topic, those rung again included", ("topic", "kind"), 1),
    "events": ("events", "Events on simulation.event", ("type",), 1),
    "used": ("operations", "Operations that steps used of their budgets", ("service",), 1),
    "output_bytes": ("output_bytes", "Bytes of steps' stored outputs", ("service",), 1),
    "markets_cleared": ("markets_cleared", "Markets cleared", ("commodity",), 1),
    "market_volume": ("market_volume", "Units traded", ("commodity",), 1),
    "market_efficiency_sum": ("market_efficiency_sum", "Sum of efficiencies, 0..1 each", ("commodity",), 1),
    "market_efficiency_count": ("market_efficiency_count", "Clearings in that sum", ("commodity",), 1),
    "npc_decisions": ("npc_decisions", "Decisions of inhabitants", ("tier",), 1),
    "npc_unsaid": ("npc_actions_unsaid", "Actions of inhabitants beyond the event budget", (), 1),
    "ticker_runs": (
        "all_ticker_runs",
        "Runs of tickers, one-shots too; outcome: done, waiting, failed",
        ("type", "outcome"),
        1,
    ),
}
GAUGES: Final = {
    "market_price": ("market_price", "Last price", ("world", "market")),
    "market_last_volume": ("market_last_volume", "Units traded in the last clearing", ("world", "market")),
    "market_efficiency": ("market_efficiency", "Of the last clearing, 0..1", ("world", "market")),
    "npc_carried": ("npc_carried_decisions", "Due and undecided, of the slice that said last", ("world",)),
    "npc_oldest_wait": ("npc_oldest_wait_seconds", "World seconds that its oldest one waits", ("world",)),
}
# tally -> (series, meaning, labels, units of the tally in one of the series, the tally's bounds)
HISTOGRAMS: Final = {
    "step_us": ("step_seconds", "Step of one slice in one tick", ("service",), 1e6, STEP_BOUNDS_US),
    "finish_ms": ("finish_seconds", "From a tick's seal to a slice's commit", ("service",), 1e3, FINISH_BOUNDS_MS),
    "event_bytes": ("event_bytes", "Bytes of an event's value", ("type",), 1, BYTES),
    "ticker_run_ms": ("all_ticker_run_seconds", "One run of a ticker, one-shots too", ("type",), 1e3, RUN_BOUNDS_MS),
    "ticker_late_ms": ("tick_lateness_seconds", "From the firing to a tick's seal", ("kind",), 1e3, LATE_BOUNDS_MS),
}


class Exposition(Collector):
    """Makes all series; a part that is away leaves out its own and says so."""

    def __init__(self, pool: Pool, kafka: Mapping[str, Any], prefix: str) -> None:
        self._pool = pool
        self._admin = admin_client(kafka)
        self._prefix = prefix
        self._lock = threading.Lock()
        self._made: list[Metric] = []
        self._made_at = float("-inf")

    def collect(self) -> Iterator[Metric]:
        """All series, at most FRESH_S old."""
        with self._lock:
            if time.monotonic() - self._made_at > FRESH_S:
                self._made = list(self._make())
                self._made_at = time.monotonic()
            yield from self._made

    def _make(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("worldtick_observed", "1: this part answered at this scrape", labels=["part"])
        for part, make in (("database", self._database), ("kafka", self._kafka)):
            made = self._guarded(part, make)
            up.add_metric([part], float(made is not None))
            yield from made or ()
        yield up

    def _guarded(self, part: str, make: Callable[[], Iterable[Metric]]) -> list[Metric] | None:
        try:
            made = list(make())
        except Unavailable as away:
            log.warning("scrape_incomplete", extra={"part": part, "error": str(away)})
            return None
        return made

    def _database(self) -> Iterator[Metric]:
        with one_moment(self._pool) as conn:
            services, accounts, tallies = tick_accounts(conn)
            totals, paced = sealed_totals(conn), pace_totals(conn)
            rung = {labels["world"]: int(value) for labels, value in tallies.get("rung_beyond", ())}
            sealed = seqs_of(conn, list(rung))
        yield _gauge("worlds", "Worlds", {("all",): totals[0], ("active",): totals[1]}, ("which",))
        kinds = dict(zip((("step",), ("hourly",), ("daily",)), totals[2:], strict=True))
        yield _counter("ticks_sealed", "Ticks ever sealed, by whatever process", kinds, ("kind",))
        yield from _pace_series(*paced)
        yield from _service_series(services)
        yield from _account_series(accounts)
        lost = {(world,): seq - sealed.get(world, 0) for world, seq in rung.items() if seq > sealed.get(world, 0)}
        yield _gauge(
            "rung_beyond_table", "Ticks rung that the tick table does not have: it lost them", lost, ("world",)
        )
        yield from tally_series(tallies)

    def _kafka(self) -> Iterator[Metric]:
        yield from _group_series(summed(read_groups(self._admin, self._prefix)))


def _pace_series(lag_us: int, overdue_us: int) -> Iterator[Metric]:
    meaning = "Wall time that the slowest automatic world is behind its pace, whether or not a ticker runs"
    yield _gauge("pace_lag_seconds", meaning, {(): lag_us / 1e6}, ())
    meaning = "Since when a paced world waits for any ticker to look at it"
    yield _gauge("overdue_seconds", meaning, {(): overdue_us / 1e6}, ())


def _service_series(services: Iterable[ServiceStanding]) -> Iterator[Metric]:
    rows = list(services)
    states = {(row.service, "parked"): row.parked for row in rows}
    states |= {(row.service, "diverged"): row.diverged for row in rows}
    states |= {(row.service, "well"): row.slices - row.parked - row.diverged for row in rows}
    yield _gauge("slices", "Slices, by state", states, ("service", "state"))
    behind = {(row.service,): row.behind_us / 1e6 for row in rows}
    yield _gauge("lag_world_seconds", "World time from the slowest slice to its newest tick", behind, ("service",))
    worlds = {(row.service,): row.worlds_behind for row in rows}
    yield _gauge("worlds_behind", "Worlds in which the service has not finished the newest tick", worlds, ("service",))
    carried = {(row.service,): row.carried for row in rows}
    yield _gauge("carried_operations", "Operations left for later ticks", carried, ("service",))
    stored = {(row.service,): row.snapshot_bytes for row in rows}
    yield _gauge("snapshot_bytes", "Bytes of the slices' newest snapshots", stored, ("service",))


def _account_series(accounts: Iterable[TickAccount]) -> Iterator[Metric]:
    rows = list(accounts)
    ends = {(row.service, "applied"): row.applied for row in rows} | {(row.service, "dead"): row.dead for row in rows}
    yield _counter("ticks_finished", "Ticks that slices finished", ends, ("service", "outcome"))
    sealed = {(row.service,): row.sealed for row in rows}
    yield _counter("ticks_for_service", "Ticks sealed for slices: finished and in flight", sealed, ("service",))
    flying = {(row.service,): row.in_flight for row in rows}
    yield _gauge("ticks_in_flight", "Sealed and not finished, per slice", flying, ("service",))
    balance = {(row.service,): float(row.balances) for row in rows}
    yield _gauge("ticks_balance", "1: sealed = applied + dead + in flight", balance, ("service",))


def _group_series(sums: Iterable[Sum]) -> Iterator[Metric]:
    rows = list(sums)
    lag = {(row.group, row.topic): row.lag for row in rows}
    yield _gauge("group_lag_records", "Offsets from the committed one to the log's end", lag, ("group", "topic"))
    fates = {(row.group, row.topic, fate): number for row in rows for fate, number in row.account.items()}
    yield _counter("group_records", "Records that a group read, by fate", fates, ("group", "topic", "fate"))


def tally_series(tallies: Tallies) -> Iterator[Metric]:
    """The series that are tallies."""
    for name, (series, meaning, labels, divisor) in COUNTERS.items():
        values = {tuple(row[label] for label in labels): value / divisor for row, value in tallies.get(name, ())}
        yield _counter(series, meaning, values, labels)
    for name, (series, meaning, labels) in GAUGES.items():
        values = {tuple(row[label] for label in labels): value for row, value in tallies.get(name, ())}
        yield _gauge(series, meaning, values, labels)
    for name in HISTOGRAMS:
        yield _histogram(tallies, name)


def _histogram(tallies: Tallies, name: str) -> Metric:
    series, meaning, labels, unit, bounds = HISTOGRAMS[name]
    family = HistogramMetricFamily(f"worldtick_{series}", meaning, labels=labels)
    buckets: dict[tuple[str, ...], dict[float, float]] = {}
    for row, value in tallies.get(f"{name}_bucket", ()):
        buckets.setdefault(tuple(row[label] for label in labels), {})[float(row["le"])] = value
    sums = {tuple(row[label] for label in labels): value for row, value in tallies.get(f"{name}_sum", ())}
    for key, found in sorted(buckets.items()):
        total, cumulated = 0.0, []
        for bound in (*bounds, float("inf")):
            total += found.get(bound, 0.0)
            cumulated.append((_text(bound / unit), total))
        family.add_metric(key, cumulated, sums.get(key, 0.0) / unit)
    return family


def _text(bound: float) -> str:
    return "+Inf" if bound == float("inf") else f"{bound:.12g}"


def _gauge(name: str, meaning: str, values: Mapping[LabelsT, float], labels: tuple[str, ...]) -> Metric:
    family = GaugeMetricFamily(f"worldtick_{name}", meaning, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _counter(name: str, meaning: str, values: Mapping[LabelsT, float], labels: tuple[str, ...]) -> Metric:
    family = CounterMetricFamily(f"worldtick_{name}", meaning, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family
