"""Law 6 on real parts: both accounts balance at every moment, whatever is broken, doubled or held back.
Lives here: records and ticks counted against what was sent; a day of the economy against its table.
Not here: the observer's own delivery (test_observer)."""

import json

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.control_rooms import running_control
from tests.integration.test_observer import observing, scrape
from tests.observed import all_topics, finished, tick_hours, worker
from tests.small_worlds import MARKET, make_world, read_topic
from tests.waiting import until
from worldtick.cli.catalogue import catalogue
from worldtick.control.creation import create_world
from worldtick.control.scenario import load_scenario
from worldtick.observer.groups import read_groups, summed
from worldtick.observer.overview import look
from worldtick.observer.statistics import Statistics, statistics_of, together
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import find_world

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

HOURLY = "world.tick.hourly"


def _account(kafka: str, prefix: str, group: str) -> dict[str, int]:
    sums = summed(read_groups(AdminClient({"bootstrap.servers": kafka}), prefix))
    return dict(next((row.account for row in sums if (row.group, row.topic) == (group, HOURLY)), {}))


def _send_again(kafka: str, topic: str, doubled: int, broken: int) -> None:
    """Some rings once more, on their partition, and garbage beside them."""
    producer = Producer({"bootstrap.servers": kafka})
    for record in read_topic(kafka, topic)[:doubled]:
        producer.produce(topic, record.value(), key=record.key(), partition=record.partition())
    for number in range(broken):
        producer.produce(topic, b"{broken %d" % number)
    assert producer.flush(10) == 0


def test_a_thousand_ticks_ten_broken_fifty_doubled(
    pool: Pool, kafka: str, topic_prefix: str, postgres_url: str
) -> None:
    all_topics(kafka, topic_prefix)
    for number in range(10):
        make_world(pool, f"w{number}", services=("market",), catch_up_max=1_000, daily=False)
    assert tick_hours(pool, kafka, topic_prefix, 100) == 1_000
    _send_again(kafka, topic_prefix + HOURLY, doubled=50, broken=10)
    moments = 0

    def done() -> bool:
        nonlocal moments
        overview = look(pool, {"bootstrap.servers": kafka}, topic_prefix, 20)
        (market,) = overview.services
        assert (market.sealed, market.balances) == (1_000, True), market  # at every moment
        records = {(row.group, row.topic): row for row in overview.records or ()}
        read = records.get(("worldtick.market", HOURLY))
        assert read is None or read.read + read.lag >= 1_060, read  # markers of transactions have offsets too
        assert read is None or read.read <= 1_060
        moments += 1
        control = records.get(("worldtick.control", HOURLY))
        return (
            market.in_flight == 0 and read is not None and read.read == 1_060
            and control is not None and control.read == 1_060
        )  # fmt: skip

    with worker(MARKET, kafka, postgres_url, topic_prefix), running_control(kafka, topic_prefix, pool):
        until(done, what="all is read and done")
    assert moments > 1
    market = _account(kafka, topic_prefix, "worldtick.market")
    assert (market["rang"], market["duplicate"], market["passed"]) == (1_000, 50, 10)
    control = _account(kafka, topic_prefix, "worldtick.control")
    assert (control["passed"], control["dead"], control["sealed"], control["again"]) == (1_050, 10, 0, 0)
    assert len(read_topic(kafka, topic_prefix + HOURLY + ".dlq")) == 10
    (row,) = look(pool, {"bootstrap.servers": kafka}, topic_prefix, 1).services
    assert (row.applied, row.dead, row.in_flight) == (1_000, 0, 0)


def test_a_day_of_the_economy_in_figures(pool: Pool, kafka: str, topic_prefix: str, postgres_url: str) -> None:
    """24 x commodities cleared; efficiency and volume as recomputed from the table; sizes as many as records."""
    all_topics(kafka, topic_prefix)
    services = catalogue()
    scenario = load_scenario("tiny", services)
    plan = scenario.plan("tiny", 1_700_000_000_000_000 // 3_600_000_000 * 3_600_000_000, 7)
    assert create_world(pool, plan, services)
    ports: list[int] = []
    with (
        observing(kafka, postgres_url, topic_prefix, ports),
        worker(services["economy"], kafka, postgres_url, topic_prefix),
    ):
        for hours in range(1, 25):  # facts lag: an hour at a time
            tick_hours(pool, kafka, topic_prefix, hours, services)
            until(finished(pool, "economy"), what="the hour is done")
        told = lambda: scrape(ports[0]).get(("events_total", "market_cleared")) == 48  # noqa: E731
        until(told, what="all clearings are counted")
        series = scrape(ports[0])
        with transaction(pool) as conn:
            world = find_world(conn, "tiny")
            assert world is not None
            statistics = statistics_of(conn, world)
            rows = conn.execute(
                "select commodity, count(*), sum(volume), sum(efficiency_ppm) from market_state group by 1"
            ).fetchall()
            newest = conn.execute(
                "select market_id, price_ticks, volume, efficiency_ppm from market_state"
                " where seq = (select max(seq) from market_state)"
            ).fetchall()
    assert sorted(row[0] for row in rows) == ["Food", "Wood"]
    for commodity, count, volume, efficiency in rows:
        assert series["markets_cleared_total", commodity] == count == 24
        assert series["market_volume_total", commodity] == volume
        assert series["market_efficiency_sum_total", commodity] == pytest.approx(int(efficiency) / 1e6)
        assert series["market_efficiency_count_total", commodity] == 24
    for market, price_ticks, volume, efficiency in newest:
        assert series["market_price", market, "tiny"] == price_ticks / 100
        assert series["market_last_volume", market, "tiny"] == volume
        assert 0 <= series["market_efficiency", market, "tiny"] == efficiency / 1e6 <= 1
    records = read_topic(kafka, topic_prefix + "simulation.event")
    sizes = sum(value for key, value in series.items() if key[0] == "event_bytes_count")
    assert sizes == len(records)
    total = sum(value for key, value in series.items() if key[0] == "event_bytes_sum")
    assert total == sum(len(record.value()) for record in records)
    assert {json.loads(record.value())["data"]["tick_id"] for record in records if record.key() == b"tiny"}
    assert statistics.ticks_processed == 24
    assert statistics.last_tick_duration_ms > 0
    assert statistics.average_tick_duration_ms > 0
    assert (statistics.npcs_simulated_last_tick, statistics.npcs_per_tier) == (0, {})
    assert together([statistics, Statistics(ticks_processed=1)]).ticks_processed == 25
