"""The durable account of tickers: one-shots count although they exit before a scrape, failed ones too.
Lives here: from runs to tallies. Not here: what a run does (test_ticker)."""

import pytest

from tests.observed import all_topics
from tests.small_worlds import CATALOGUE, T0, make_world
from worldtick.clock.worldtime import HOUR_US, WallTime
from worldtick.contracts.wire import EventWriter
from worldtick.observer.exposition import tally_series
from worldtick.store.accounts import read_tallies
from worldtick.store.db import Pool, transaction
from worldtick.store.errors import DatabaseBusy
from worldtick.ticker.account import note_failure, note_run
from worldtick.ticker.orders import Order
from worldtick.ticker.publishing import Publisher
from worldtick.ticker.run import run_ticker

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def test_runs_are_counted_in_the_database(pool: Pool, kafka: str, topic_prefix: str) -> None:
    all_topics(kafka, topic_prefix)
    make_world(pool, "w")
    publisher = Publisher(kafka, EventWriter(), topic_prefix)
    for hours in range(24):
        note_run(pool, run_ticker(pool, publisher, CATALOGUE, Order("hourly", WallTime(T0 + hours * HOUR_US), HOUR_US)))
    publisher.close()
    note_failure(pool, "daily")
    with transaction(pool) as conn:
        tallies = read_tallies(conn)
    series = {
        (sample.name.removeprefix("worldtick_"), *sample.labels.values()): sample.value
        for metric in tally_series(tallies)
        for sample in metric.samples
    }
    assert series["all_ticker_runs_total", "hourly", "done"] == 24
    assert series["all_ticker_runs_total", "daily", "failed"] == 1
    assert series["all_ticker_run_seconds_count", "hourly"] == 24
    assert series["tick_lateness_seconds_count", "hourly"] == 24
    assert series["tick_lateness_seconds_count", "daily"] == 1
    assert series["tick_lateness_seconds_bucket", "hourly", "86400"] == 0  # the slots are of long ago


def test_a_run_whose_pruning_fails_has_done_its_work(
    pool: Pool, kafka: str, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    def busy(_pool: Pool) -> None:
        raise DatabaseBusy("a table is locked")

    all_topics(kafka, topic_prefix)
    make_world(pool, "w")
    publisher = Publisher(kafka, EventWriter(), topic_prefix)
    report = run_ticker(pool, publisher, CATALOGUE, Order("hourly", WallTime(T0), HOUR_US), prune=busy)
    publisher.close()
    assert (report.sealed, report.published) == (1, 1)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == ["prune_failed"]
