"""One run of a ticker: ring what is left over, seal what is due, ring it, wait where services must finish first.
Lives here: the order of these, and the waiting. Not here: what is due (orders), transactions (seals, publishing)."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from worldtick.contracts.errors import Unavailable
from worldtick.sealing.draft import Catalogue
from worldtick.store.db import Pool
from worldtick.store.notices import listening
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.seals import Progress, seal_pass

log = logging.getLogger(__name__)

POLL_S = 0.25  # a notice that was lost costs this much


@dataclass(slots=True)
class Report:
    """What a run did."""

    order: Order
    progress: Progress = field(default_factory=Progress)
    published: int = 0
    rung_again: int = 0
    took_s: float = 0.0  # from its start to all published

    @property
    def sealed(self) -> int:
        """Ticks sealed, all worlds and kinds."""
        return sum(sum(kinds.values()) for kinds in self.progress.sealed.values())


def run_ticker(
    pool: Pool,
    publisher: Publisher,
    catalogue: Catalogue,
    order: Order,
    keys: Sequence[int] | None = None,
    wait_s: float = 0.0,
    prune: Callable[[Pool], object] | None = None,
) -> Report:
    """Seal and ring all that is due, of these worlds or of all. At the end everything sealed is published.

    Where a tick must wait for services (facts that lag) or for midnight's hour, tries again for up to `wait_s`;
    what then still waits stands in the report. Raises KafkaAway, DatabaseAway, DatabaseBusy.
    """
    report = Report(order)
    begun = time.monotonic()
    report.published += publisher.publish(pool, None)
    if wait_s > 0:
        with listening(pool) as wait:
            _seal_all(pool, publisher, catalogue, keys, report, begun + wait_s, wait)
    else:
        _seal_all(pool, publisher, catalogue, keys, report, begun, None)
    report.rung_again = publisher.ring_overdue(pool)
    report.took_s = time.monotonic() - begun
    if prune is not None:
        _prune(pool, prune)
    return report


def _prune(pool: Pool, prune: Callable[[Pool], object]) -> None:
    """Everything is published by now, so a run whose pruning fails has still done its work."""
    try:
        prune(pool)
    except Unavailable as away:
        log.warning("prune_failed", extra={"error": str(away)})


def _seal_all(
    pool: Pool,
    publisher: Publisher,
    catalogue: Catalogue,
    keys: Sequence[int] | None,
    report: Report,
    deadline: float,
    wait: Callable[[float], bool] | None,
) -> None:
    """Pass after pass until nothing more may be sealed, or the time is up; each pass is rung before the next."""
    while True:
        for count in seal_pass(pool, catalogue, report.order, keys, report.progress):
            if count:
                report.published += publisher.publish(pool, None)
        left_s = deadline - time.monotonic()
        if wait is None or not report.progress.waiting or left_s <= 0:
            return
        wait(min(POLL_S, left_s))
