"""A whole small installation for tests: topics, a ticker's run, workers and observers in threads.
Lives here: what tests of the observer and of status share. Not here: servers (conftest), worlds (small_worlds)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from confluent_kafka.admin import AdminClient

from tests.small_worlds import CATALOGUE, T0
from tests.waiting import running
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.topics import topic_specs
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.service import Service
from worldtick.runtime.topics import apply, for_brokers
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import Place, Worker
from worldtick.store.db import Pool, transaction
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker


def all_topics(bootstrap: str, prefix: str) -> None:
    """Every topic that the observer and workers touch, under a prefix; few partitions start quicker."""
    wanted = [spec for spec in topic_specs(prefix) if not spec.base.startswith(("npc.", "generation."))]
    small = [replace(spec, partitions=min(spec.partitions, 3)) for spec in wanted]
    apply(AdminClient({"bootstrap.servers": bootstrap}), for_brokers(small, 1))


def tick_hours(pool: Pool, bootstrap: str, prefix: str, hours: int, catalogue: Mapping[str, Any] = CATALOGUE) -> int:
    """Seal and ring all hours up to the `hours`-th of worlds of small_worlds; how many ticks were sealed."""
    publisher = Publisher(bootstrap, EventWriter(), prefix)
    try:
        order = Order("hourly", WallTime(T0 + (hours - 1) * HOUR_US), HOUR_US)
        return run_ticker(pool, publisher, catalogue, order).sealed
    finally:
        publisher.close()


@contextmanager
def worker(service: Service[Any], bootstrap: str, database_url: str, prefix: str) -> Iterator[Vitals]:
    """A worker of a service in a thread, drained at the end."""
    vitals = Vitals(service.name)
    place = Place({"bootstrap.servers": bootstrap}, database_url, prefix)
    with running(Worker(service, place, vitals).run_until):
        yield vitals


def finished(pool: Pool, service: str) -> Callable[[], bool]:
    """Whether a service has finished all there is, in all worlds."""

    def holds() -> bool:
        with transaction(pool) as conn:
            row = conn.execute(
                "select count(*) filter (where s.version < case s.stream when 'all' then c.seq"
                " when 'hourly' then c.hourly_seq else c.daily_seq end), count(*) from slice s join clock c"
                " using (world_key) where s.service = %s and s.status = 0",
                (service,),
            ).fetchone()
        return row is not None and row[0] == 0 and row[1] > 0

    return holds
