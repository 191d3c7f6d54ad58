"""What tests of workers share: a pool, a publisher, workers in threads, waiting for slices.
Lives here: fixtures on real servers. Not here: worlds and services (tests/small_worlds)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from tests.small_worlds import make_topics
from tests.waiting import running
from worldtick.contracts.wire import EventWriter
from worldtick.runtime.rules import Rules
from worldtick.runtime.service import Service
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import Place, Worker
from worldtick.store.db import Pool, open_pool
from worldtick.ticker.publishing import Publisher

RunWorker = Callable[..., AbstractContextManager[Worker]]


@pytest.fixture
def pool(postgres_url: str) -> Iterator[Pool]:
    """A pool on the test's own database."""
    pool = open_pool(postgres_url, 12, "test")
    yield pool
    pool.close()


@pytest.fixture
def publisher(kafka: str, topic_prefix: str) -> Iterator[Publisher]:
    """A publisher on the test's own topics."""
    make_topics(kafka, topic_prefix)
    publisher = Publisher(kafka, EventWriter(), topic_prefix)
    yield publisher
    publisher.close()


@pytest.fixture
def place(kafka: str, postgres_url: str, topic_prefix: str) -> Place:
    """Where the test's workers work."""
    return Place({"bootstrap.servers": kafka}, postgres_url, topic_prefix, session_timeout_ms=2_000)


@pytest.fixture
def run_worker(place: Place) -> RunWorker:
    """A service's worker in a thread, for as long as a `with` lasts; it drains at the end."""

    @contextmanager
    def run(service: Service[Any], **rules: Any) -> Iterator[Worker]:
        at = Place(place.kafka, place.database_url, place.prefix, rules=Rules(**rules), session_timeout_ms=2_000)
        worker = Worker(service, at, Vitals("test"))
        with running(worker.run_until):
            yield worker

    return run
