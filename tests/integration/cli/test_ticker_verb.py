"""`worldtick ticker`: which firing a run is for, what it prints and how it ends.
Lives here: the verb. Not here: races, catch-up and midnight below it (tests/integration/test_ticker)."""

import json
import time

import pytest

from tests.integration.cli.conftest import Command
from tests.small_worlds import T0, history, make_world, read_topic, shape
from worldtick.clock.worldtime import DAY_US, HOUR_US, MINUTE_US, format_unix_us
from worldtick.store.db import Pool, transaction

pytestmark = [pytest.mark.postgres, pytest.mark.kafka, pytest.mark.usefixtures("small_catalogue")]


def _at(hours: float) -> str:
    return format_unix_us(T0 + int(hours * HOUR_US))


def test_twice_the_second_forty_minutes_late(worldtick: Command, pool: Pool, kafka: str, topics: str) -> None:
    keys = [make_world(pool, f"w{number}") for number in range(3)]
    first = worldtick("ticker", "--type", "hourly", "--at", _at(0))
    assert (first.code, first.err) == (0, "")
    assert "w0: sealed 1 hourly, now at 2020-01-01T01:00:00Z (seq 1)" in first.out
    late = worldtick("ticker", "--type", "hourly", "--at", _at(40 / 60), "--json")
    assert (late.code, late.row["sealed"], late.row["complete"]) == (0, {}, True)
    assert [shape(history(pool, key)) for key in keys] == [[(1, "hourly", 1, 1)]] * 3
    records = read_topic(kafka, topics + "world.tick.hourly")
    assert {record.key() for record in records} == {b"w0", b"w1", b"w2"}
    assert {json.loads(record.value())["data"]["game_time"] for record in records} == {"2020-01-01T01:00:00Z"}
    assert len(records) == 3


def test_the_job_says_its_minute(worldtick: Command, pool: Pool, topics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_world(pool, "w")
    monkeypatch.setenv("WORLDTICK_JOB_NAME", f"hourly-{(T0 + 2 * HOUR_US) // MINUTE_US}")
    run = worldtick("ticker", "--type", "hourly", "--json")
    assert (run.code, run.row["for"], run.row["firing"]) == (0, "job", _at(2))
    assert len(history(pool, key)) == 3
    assert worldtick("ticker", "--type", "hourly", "--json").row["sealed"] == {}  # the Job is retried
    monkeypatch.setenv("WORLDTICK_JOB_NAME", "manual-run")
    refused = worldtick("ticker", "--type", "hourly")
    assert (refused.code, "give --at" in refused.err, "WORLDTICK_JOB_NAME" in refused.err) == (2, True, True)


def test_with_nothing_said_it_is_the_last_boundary(worldtick: Command, pool: Pool, topics: str) -> None:
    key = make_world(pool, "w", first_us=time.time_ns() // 1_000)
    run = worldtick("ticker", "--type", "hourly")
    assert (run.code, "(the last hourly boundary)" in run.out) == (0, True)
    assert shape(history(pool, key)) == [(1, "hourly", 1, 1)]


def test_thirty_slots_missed(worldtick: Command, pool: Pool, topics: str) -> None:
    make_world(pool, "each", daily=False)
    make_world(pool, "once", catch_up="coalesce", daily=False)
    run = worldtick("ticker", "--type", "hourly", "--at", _at(29), "--json")
    assert (run.code, run.row["left"]) == (0, {"each": 6})
    assert run.row["sealed"] == {"each": {"hourly": 24}, "once": {"hourly": 2}}
    text = worldtick("ticker", "--type", "hourly", "--at", _at(32), "--world", "once")
    assert (text.code, text.err) == (0, "")
    more = worldtick("ticker", "--type", "hourly", "--at", _at(59))
    assert "each: 12 slots left by its catch-up bound" in more.err


def test_up_to_a_slot(worldtick: Command, pool: Pool, topics: str) -> None:
    key = make_world(pool, "w", catch_up_max=100)
    run = worldtick("ticker", "--type", "hourly", "--slot", "2020-01-02T06:00:00+04:00", "--world", "w", "--json")
    assert (run.code, run.row["slot"], run.row["firing"]) == (0, "2020-01-02T02:00:00Z", None)
    assert shape(history(pool, key))[-2:] == [(26, "hourly", 25, 25), (27, "hourly", 26, 26)]
    assert worldtick("ticker", "--type", "hourly", "--slot", "2020-01-02T02:00:00Z", "--json").row["sealed"] == {}


def test_what_must_wait_ends_with_75_and_is_named(worldtick: Command, pool: Pool, topics: str) -> None:
    make_world(pool, "lags", facts="lag")
    run = worldtick("ticker", "--type", "hourly", "--at", _at(2), "--wait", "10ms")
    assert run.code == 75
    assert run.err == "lags: 2 slots left, waiting for count, market; run again\n"
    midnight = worldtick("ticker", "--type", "hourly", "--at", _at(2), "--wait", "0", "--json")
    assert (midnight.code, midnight.row["behind"]) == (75, {"lags": ["count", "market"]})


def test_a_daily_run_waits_for_midnights_hour(worldtick: Command, pool: Pool, kafka: str, topics: str) -> None:
    key = make_world(pool, "w")
    early = worldtick(
        "ticker", "--type", "daily", "--at", format_unix_us(T0 // DAY_US * DAY_US + 2 * DAY_US), "--wait", 0
    )
    assert (early.code, "run --type hourly, then again" in early.err) == (75, True)
    assert read_topic(kafka, topics + "world.tick.hourly") == []
    assert worldtick("ticker", "--type", "hourly", "--at", _at(24)).code == 0
    day = worldtick("ticker", "--type", "daily", "--at", _at(24), "--json")
    assert (day.code, day.row["sealed"]) == (0, {})  # midnight's daily came with its hour
    assert [tick.kind for tick in history(pool, key)].count("daily") == 1


def test_a_paused_world_is_left_and_said_so(worldtick: Command, pool: Pool, topics: str) -> None:
    make_world(pool, "w")
    with transaction(pool) as conn:
        conn.execute("update clock set paused = true")
    run = worldtick("ticker", "--type", "hourly", "--at", _at(5), "--world", "w")
    assert (run.code, "w: paused" in run.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "say --type hourly"),
        (["--type", "weekly"], 2, "weekly"),
        (["--type", "hourly", "--at", "2024-03-15T14:30:00"], 2, "names no zone"),
        (["--type", "hourly", "--at", "2024-03-15T14:30:00Z", "--slot", "2024-03-15T14:00:00Z"], 2, "one of them"),
        (["--type", "daily", "--slot", "2024-03-15T14:00:00Z"], 2, "no daily boundary"),
        (["--type", "hourly", "--wait", "long"], 2, "is no duration"),
        (["--type", "hourly", "--world", "wrold"], 1, "did you mean world?"),
        (["--type", "hourly", "serve"], 2, "do not go with `ticker serve`"),
        (["serve", "--hour-every", "0s"], 2, "is no duration"),
    ],
)
def test_what_is_refused(worldtick: Command, pool: Pool, arguments: list[str], code: int, said: str) -> None:
    key = make_world(pool, "world")
    ended = worldtick("ticker", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert history(pool, key) == []


def test_a_broker_that_is_away_is_one_sentence(worldtick: Command, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(pool, "w")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr("worldtick.ticker.publishing.DELIVERY_TIMEOUT_MS", 300)
    ended = worldtick("ticker", "--type", "hourly", "--at", _at(0))
    assert (ended.code, ended.out) == (69, "")
    assert "sealed ticks are safe" in ended.err


def test_a_world_whose_service_is_not_installed_is_left_and_named(worldtick: Command, pool: Pool, topics: str) -> None:
    left, moved = make_world(pool, "left"), make_world(pool, "moved")
    with transaction(pool) as conn:
        conn.execute("update world set services = services || '{weather}' where world_id = 'left'")
    run = worldtick("ticker", "--type", "hourly", "--at", _at(0))
    assert (run.code, run.err) == (75, "left: not moved, for this ticker has no service weather: install it here\n")
    assert (len(history(pool, left)), len(history(pool, moved))) == (0, 1)
