"""Verify and diff on real histories: replays agree, a changed past is found at its first tick, pruning is survived.
Lives here: replays over stored rows. Not here: walking values (tests/unit/observer), verbs (tests/integration/cli)."""

from dataclasses import replace
from typing import Any

import pytest

from tests.observed import all_topics, finished, tick_hours, worker
from tests.small_worlds import CATALOGUE, COUNT, MARKET, make_world
from tests.waiting import until
from worldtick.contracts.errors import Refused
from worldtick.observer.differing import compare
from worldtick.observer.verifying import SliceVerdict, verify_world
from worldtick.store.db import Pool, transaction
from worldtick.store.directives import queue_directive
from worldtick.store.retention import Policy, prune
from worldtick.store.worlds import World, find_world

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


@pytest.fixture
def lived(pool: Pool, kafka: str, topic_prefix: str, postgres_url: str) -> Any:
    """A function that lets all worlds live up to an hour."""
    all_topics(kafka, topic_prefix)

    def live(hours: int) -> None:
        with worker(COUNT, kafka, postgres_url, topic_prefix), worker(MARKET, kafka, postgres_url, topic_prefix):
            tick_hours(pool, kafka, topic_prefix, hours)
            until(finished(pool, "count"), what="count is done")
            until(finished(pool, "market"), what="market is done")

    return live


def _world(pool: Pool, name: str) -> World:
    with transaction(pool) as conn:
        world = find_world(conn, name)
    assert world is not None
    return world


def _verify(pool: Pool, name: str = "w", catalogue: Any = CATALOGUE, **more: Any) -> list[SliceVerdict]:
    return list(verify_world(pool, _world(pool, name), catalogue, **more))


def test_a_history_is_verified_and_a_changed_one_is_not(pool: Pool, lived: Any) -> None:
    make_world(pool, "w", services=("count", "market"), catch_up_max=1_000)
    lived(30)
    count, market = _verify(pool)
    assert (count.ok, count.start, count.first, count.last) == (True, "genesis", 1, 31)
    assert (market.ok, market.ticks, market.dead) == (True, 30, 0)
    assert [verdict.service for verdict in _verify(pool, service="market")] == ["market"]
    with transaction(pool) as conn:
        conn.execute("update ledger set digest = %s where version = 17", (bytes(16),))
    count, market = _verify(pool)
    assert count.difference is not None
    assert (count.difference.place, count.difference.recorded) == (17, "00" * 16)
    assert (count.difference.seq, count.difference.slot) == (17, "2020-01-01T17:00:00Z")
    broken = {**CATALOGUE, "count": replace(COUNT, step=lambda state, tick: 1 / 0)}  # type: ignore[arg-type,return-value]
    difference = _verify(pool, catalogue=broken)[0].difference
    assert difference is not None
    assert (difference.place, difference.why) == (1, "the replay raises ZeroDivisionError: division by zero")


def test_from_a_snapshot_after_pruning(pool: Pool, lived: Any) -> None:
    make_world(pool, "w", services=("count", "market"), catch_up_max=1_000)
    for hours in (10, 20, 30, 40):
        lived(hours)
        prune(pool, Policy(ticks=10))
    for verdict in _verify(pool):
        assert verdict.ok
        assert verdict.start.startswith("snapshot@")
        assert verdict.ticks >= 10
    with pytest.raises(Refused, match=r"count/0: its past before tick \d+ was pruned"):
        _verify(pool, begin="genesis")
    with transaction(pool) as conn:
        conn.execute("update snapshot set body = %s", (COUNT.encode(12345),))
    assert [verdict.ok for verdict in _verify(pool)] == [False, False]


def test_other_step_versions_are_refused(pool: Pool, lived: Any) -> None:
    make_world(pool, "w", services=("count", "market"))
    lived(2)
    with pytest.raises(Refused, match=r"count/0: its ticks were stepped by other step versions than this build's 2"):
        _verify(pool, catalogue={**CATALOGUE, "count": replace(COUNT, step_version=2)})
    with pytest.raises(Refused, match="service 'count' is not installed here"):
        _verify(pool, catalogue={})
    with pytest.raises(Refused, match="has no service 'agenda'"):
        _verify(pool, service="agenda")


def test_two_histories_part_where_they_do(pool: Pool, lived: Any) -> None:
    keys = {name: make_world(pool, name, services=("count", "market"), catch_up_max=100) for name in ("a", "b", "c")}
    make_world(pool, "d", services=("count", "market"), seed=2, catch_up_max=100)
    lived(5)
    with transaction(pool) as conn:
        queue_directive(conn, keys["b"], "count", "nudge", {"by": 3})
    lived(9)
    same = compare(pool, _world(pool, "a"), _world(pool, "c"), CATALOGUE)
    assert (same.same, same.ticks, same.places) == (True, 9, 18)
    nudged = compare(pool, _world(pool, "a"), _world(pool, "b"), CATALOGUE)
    assert (nudged.input_seq, nudged.input and nudged.input.path) == (6, "tick.directives[0]")
    assert nudged.parting is None  # count does not heed it
    other_seed = compare(pool, _world(pool, "a"), _world(pool, "d"), CATALOGUE)
    assert other_seed.input is not None
    assert other_seed.input.path == "tick.seed"
    assert other_seed.parting is not None
    assert (other_seed.parting.service, other_seed.parting.place, other_seed.parting.seq) == ("count", 1, 1)
    assert other_seed.parting.field is not None
    assert (other_seed.parting.field.path, other_seed.parting.field.one, other_seed.parting.field.other) == (
        "state",
        "2",
        "3",
    )
    assert other_seed.parting.event is not None
    assert other_seed.parting.event.path == "events[0].digest"
