"""The ticker's loop as a process: logs, vitals, metrics, and an end on SIGTERM.
Lives here: what a ticker says of itself. Not here: the loop (ticker/serve), the verb (ticker)."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, cast

from worldtick.cli.settings import Settings
from worldtick.cli.writing import writer_of
from worldtick.clock.worldtime import SECOND_US
from worldtick.contracts.errors import Unavailable
from worldtick.runtime import logs
from worldtick.runtime.metrics import (
    DEPENDENCY_ERRORS,
    LATENESS_SECONDS,
    PACE_LAG_SECONDS,
    RUN_SECONDS,
    RUNG,
    RUNS,
    SEALED,
)
from worldtick.runtime.service import Service
from worldtick.runtime.vitals import Vitals
from worldtick.store.db import Pool
from worldtick.store.retention import Policy, prune
from worldtick.ticker.account import note_failure, note_run
from worldtick.ticker.errors import KafkaAway
from worldtick.ticker.pacer import Pacer
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import Report
from worldtick.ticker.serve import Loop, until_signal
from worldtick.ticker.turns import Pacing, Turn

PRUNE_EVERY_S = 30.0
STALE_AFTER_S = 60.0  # a run may wait for a broker's and a database's own bounds, one after the other


def serve_ticker(
    settings: Settings,
    pool: Pool,
    services: Mapping[str, Service[Any]],
    hour_every_us: int,
    keys: Sequence[int] | None,
    port: int,
    until_us: int | None = None,
) -> int:
    """Run the loop until SIGTERM or SIGINT, its health at `port`; the number of runs. Only in the main thread."""
    logs.setup(settings.log_level, cast(logs.Form, settings.log_format), service="ticker")
    vitals = Vitals("ticker", version("worldtick"))
    vitals.beat("loop", STALE_AFTER_S)
    vitals.beat("pacer", STALE_AFTER_S)
    vitals.serve(port)
    publisher = Publisher(settings.kafka_bootstrap_servers, writer_of(settings), settings.topic_prefix, settings.kafka)
    account = _Account(vitals, pool)
    hooks = (_Pruning(Policy(settings.keep_ticks)).run, account.done, account.failed)
    loop = Loop(pool, publisher, services, hour_every_us, keys, *hooks, until_unix_us=until_us)
    own = Publisher(settings.kafka_bootstrap_servers, writer_of(settings), settings.topic_prefix, settings.kafka)
    pacing = Pacing(services, until_unix_us=until_us)
    pacer = Pacer(pool, own, pacing, keys, account.turned, account.looked, account.failed)
    try:
        with until_signal() as stop, beside(pacer.run_until, stop):
            return loop.run_until(stop)
    finally:
        own.close()
        publisher.close()
        vitals.close()


@contextmanager
def beside(work: Callable[[threading.Event], object], stop: threading.Event) -> Iterator[None]:
    """Let `work` go on in a thread until `stop` is set, which the block's end does too; what it raises ends the block's
    process as well: it sets `stop`, and is raised at the end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work(stop)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            raised.append(error)
            stop.set()

    thread = threading.Thread(target=run, name="pacer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(STALE_AFTER_S)
    if raised:
        raise raised[0]


class _Account:
    """Runs, as metrics and vitals."""

    def __init__(self, vitals: Vitals, pool: Pool) -> None:
        self._vitals = vitals
        self._pool = pool

    def done(self, report: Report) -> None:
        """A run has ended."""
        self._vitals.beat("loop", STALE_AFTER_S)
        self._vitals.part("database", True)
        self._vitals.part("kafka", True)
        RUNS.labels("waiting" if report.progress.waiting else "done").inc()
        RUN_SECONDS.observe(report.took_s)
        RUNG.labels("sealed").inc(report.published)
        RUNG.labels("overdue").inc(report.rung_again)
        late_s = max(0.0, time.time_ns() / 1_000 - report.order.at_us) / SECOND_US
        for kinds in report.progress.sealed.values():
            for kind, count in kinds.items():
                SEALED.labels(kind).inc(count)
                LATENESS_SECONDS.labels(kind).observe(late_s)
        if report.sealed:
            self._vitals.mark("sealed")
        note_run(self._pool, report)

    def looked(self) -> None:
        """The pacer has looked at all that was due."""
        self._vitals.beat("pacer", STALE_AFTER_S)
        self._vitals.part("database", True)

    def turned(self, turn: Turn) -> None:
        """A page of paced worlds had its turn."""
        for tick, late_us in zip(turn.ticks, turn.late_us, strict=True):
            SEALED.labels(tick.kind).inc()
            LATENESS_SECONDS.labels(tick.kind).observe(late_us / SECOND_US)
        RUNG.labels("sealed").inc(len(turn.ticks))
        PACE_LAG_SECONDS.set(turn.lag_us_max / SECOND_US)
        if turn.ticks:
            self._vitals.mark("sealed")

    def failed(self, away: Unavailable) -> None:
        """A run ended because a part is away; the loop goes on."""
        part = "kafka" if isinstance(away, KafkaAway) else "database"
        self._vitals.beat("loop", STALE_AFTER_S)
        self._vitals.part(part, False, str(away))
        RUNS.labels("failed").inc()
        DEPENDENCY_ERRORS.labels(part, "run").inc()
        if part == "kafka":
            note_failure(self._pool, "hourly")


class _Pruning:
    """Prunes now and then: a fast loop has runs enough that do nothing else."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._at = float("-inf")

    def run(self, pool: Pool) -> None:
        """Prune if it is time."""
        if time.monotonic() - self._at >= PRUNE_EVERY_S:
            self._at = time.monotonic()
            prune(pool, self._policy)
