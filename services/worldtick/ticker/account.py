"""The account of runs: what every ticker did, in the database, so that a one-shot counts although it exits at once.
Lives here: tallies of a run that ended or failed. Not here: a loop's own metrics (cli/serving), showing (observer)."""

import logging
import time
from collections.abc import Sequence
from typing import Final

from worldtick.contracts.errors import Unavailable
from worldtick.store.accounts import LATE_BOUNDS_MS, RUN_BOUNDS_MS, Key, add_tallies, key_of
from worldtick.store.db import Pool, transaction
from worldtick.ticker.run import Report

log = logging.getLogger(__name__)

_INF: Final = "+Inf"


def note_run(pool: Pool, report: Report) -> None:
    """Count a run that ended. A database that is away is logged: the run itself has ended well."""
    run = report.order.run
    deltas: dict[Key, float] = {key_of("ticker_runs", type=run, outcome=_outcome(report)): 1}
    took_ms = report.took_s * 1_000
    deltas[key_of("ticker_run_ms_bucket", type=run, le=_bound(RUN_BOUNDS_MS, took_ms))] = 1
    deltas[key_of("ticker_run_ms_sum", type=run)] = took_ms
    late_ms = max(0.0, time.time_ns() / 1e6 - report.order.at_us / 1e3)
    for kinds in report.progress.sealed.values():
        for kind, count in kinds.items():
            bucket = key_of("ticker_late_ms_bucket", kind=kind, le=_bound(LATE_BOUNDS_MS, late_ms))
            deltas[bucket] = deltas.get(bucket, 0) + count
            total = key_of("ticker_late_ms_sum", kind=kind)
            deltas[total] = deltas.get(total, 0) + count * late_ms
    _note(pool, deltas)


def note_failure(pool: Pool, run: str) -> None:
    """Count a run that failed, where the database can still be told."""
    _note(pool, {key_of("ticker_runs", type=run, outcome="failed"): 1})


def _note(pool: Pool, deltas: dict[Key, float]) -> None:
    try:
        with transaction(pool) as conn:
            add_tallies(conn, deltas)
    except Unavailable as away:
        log.warning("run_not_counted", extra={"error": str(away)})


def _outcome(report: Report) -> str:
    return "waiting" if report.progress.waiting else "done"


def _bound(bounds: Sequence[int], value: float) -> str:
    return next((str(bound) for bound in bounds if value < bound), _INF)
