"""The loop: one firing after another, at the multiples of a period of Unix time, until it is told to stop.
Lives here: when a run happens and what a failed one costs. Not here: what a run does (run).

Two loops with the same period name the same firings, so running it twice does no harm. A firing that came while a
run was under way is not queued: the next run's firing includes it, and the catch-up policy says what it is worth."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from worldtick.clock.firings import floor_firing
from worldtick.clock.moves import BoundaryKind
from worldtick.clock.worldtime import SECOND_US, WallTime
from worldtick.contracts.errors import Unavailable
from worldtick.runtime.backoff import backoff_s
from worldtick.sealing.draft import Catalogue
from worldtick.store.db import Pool
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import Report, run_ticker

log = logging.getLogger(__name__)

WORLDS_TOLD = 20  # of those that cannot be moved
IDLE_S_MAX = 5.0  # without a firing for so long, look for leftovers and lagging worlds
AGAIN_S = 0.25  # while worlds wait for services; notices of them cut it short


@dataclass(frozen=True, slots=True)
class Loop:
    """What the loop runs with."""

    pool: Pool
    publisher: Publisher
    catalogue: Catalogue
    period_us: int
    keys: Sequence[int] | None = None
    prune: Callable[[Pool], object] | None = None
    on_report: Callable[[Report], None] | None = None  # after every run
    on_failure: Callable[[Unavailable], None] | None = None
    until_unix_us: int | None = None  # a world time as a date that no world is moved beyond

    def run_until(self, stop: threading.Event) -> int:
        """Run at every firing until `stop` is set; the number of runs. Away parts are waited for."""
        runs, failures, waiting, unmoved = 0, 0, False, _Unmoved()
        with _firings(self.period_us) as fired:
            while not stop.is_set():
                try:
                    waiting = self._run(waiting, unmoved)
                    runs, failures = runs + 1, 0
                except Unavailable as away:
                    pause_s = backoff_s(failures)
                    failures += 1
                    log.warning("ticker_run_failed", extra={"error": str(away), "again_in_s": pause_s})
                    if self.on_failure is not None:
                        self.on_failure(away)
                    stop.wait(pause_s)
                    continue
                self._rest(fired, stop, waiting)
        return runs

    def _run(self, waited: bool, unmoved: "_Unmoved") -> bool:
        """One run of both grids for the newest firing; whether worlds wait for services."""
        waiting = False
        for run in ("hourly", "daily"):
            at_us = floor_firing(WallTime(time.time_ns() // 1_000), self.period_us)
            kind: BoundaryKind = "hourly" if run == "hourly" else "daily"
            order = Order(kind, at_us, self.period_us, until_unix_us=self.until_unix_us)
            wait_s = min(AGAIN_S, self.period_us / SECOND_US / 4) if waited and run == "hourly" else 0.0
            prune = self.prune if run == "daily" else None
            report = run_ticker(self.pool, self.publisher, self.catalogue, order, self.keys, wait_s, prune)
            waiting = waiting or bool(report.progress.behind)
            if report.sealed:
                _note(report)
            unmoved.note(report.progress.missing)
            if self.on_report is not None:
                self.on_report(report)
        return waiting

    def _rest(self, fired: threading.Event, stop: threading.Event, waiting: bool) -> None:
        """Until the next firing, or shortly where worlds wait; stop wakes it by setting `fired` too."""
        deadline = time.monotonic() + (0.0 if waiting else IDLE_S_MAX)
        while not stop.is_set() and not fired.wait(min(0.1, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return
        fired.clear()


class _Unmoved:
    """Worlds that this ticker cannot move, for it lacks services of theirs: told when they change, not at each run."""

    def __init__(self) -> None:
        self._missing: dict[str, list[str]] = {}

    def note(self, missing: Mapping[str, list[str]]) -> None:
        """Worlds and the services that they lack, as a run found them."""
        if missing == self._missing:
            return
        self._missing = dict(missing)
        if missing:
            fields = {"worlds": sorted(missing)[:WORLDS_TOLD], "missing": sorted({*chain(*missing.values())})}
            log.error("worlds_not_moved", extra={**fields, "count": len(missing)})
        else:
            log.info("worlds_move_again")


def _note(report: Report) -> None:
    fields = {"run": report.order.run, "sealed": report.sealed, "published": report.published}
    log.info("ticks_sealed", extra={**fields, "worlds": len(report.progress.sealed), "left": len(report.progress.left)})


@contextmanager
def _firings(period_us: int) -> Iterator[threading.Event]:
    """An event that is set at every multiple of the period, without drift; missed ones are one."""
    fired = threading.Event()
    first_us = floor_firing(WallTime(time.time_ns() // 1_000), period_us) + period_us
    start = datetime.fromtimestamp(first_us / SECOND_US, UTC)
    scheduler = BackgroundScheduler(timezone=UTC)
    trigger = IntervalTrigger(seconds=period_us / SECOND_US, start_date=start, timezone=UTC)
    scheduler.add_job(fired.set, trigger, coalesce=True, max_instances=1, misfire_grace_time=None)
    scheduler.start()
    try:
        yield fired
    finally:
        scheduler.shutdown(wait=False)


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; a run under way ends first. Only in the main thread."""
    stop = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        log.info("process_stops", extra={"signal": signal.Signals(number).name})
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
