"""The observer as a process: its loop, its health and its metrics.
Lives here: the entry point. Not here: reading (room), series (exposition), settings (cli)."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.observer.counting import TOPICS
from worldtick.observer.exposition import Exposition
from worldtick.observer.link import Link
from worldtick.observer.room import Room
from worldtick.runtime.vitals import Vitals
from worldtick.store.db import open_pool

log = logging.getLogger(__name__)

NAME: Final = "observer"
POOL_SIZE: Final = 4  # the loop, the session that holds its slot, and scrapes beside it


def run_observer(
    kafka: Mapping[str, Any],
    database_url: str,
    prefix: str,
    port: int,
    stop: threading.Event,
    registry: SchemaRegistry | None = None,
    release: str = "",
    host: str = "0.0.0.0",
    on_serving: Callable[[int], None] | None = None,
) -> None:
    """Observe until `stop` is set: count ticks and events, dead-letter what is the observer's, answer on `port`.

    kafka: librdkafka's client settings. on_serving: told the port that is listened on. Any number of processes may run:
    they share the work and say the same. Raises DatabaseAway if PostgreSQL is away at the start, Faulty if the port is
    taken; later outages are waited for.
    """
    pool = open_pool(database_url, POOL_SIZE, f"worldtick-{NAME}")
    series = CollectorRegistry()
    ProcessCollector(registry=series)
    PlatformCollector(registry=series)
    vitals = Vitals(NAME, release, series)
    try:
        series.register(Exposition(pool, kafka, prefix))
        listening = vitals.serve(port, host)
        if on_serving is not None:
            on_serving(listening)
        room = Room(Link(kafka, prefix, TOPICS), pool, registry, vitals)
        log.info("observer_started", extra={"port": listening, "topics": list(TOPICS), "prefix": prefix})
        room.run_until(stop)
        log.info("observer_stopped")
    finally:
        vitals.close()
        pool.close()
