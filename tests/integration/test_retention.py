"""Pruning on real parts: the store stays bounded, and what recovery, accounts and idempotence need stays.
Lives here: rows before and after. Not here: the policy itself (tests/unit/store), its verb (tests/integration/cli)."""

import pytest
from psycopg import sql

from tests.observed import all_topics, finished, tick_hours, worker
from tests.small_worlds import COUNT, MARKET, make_world
from tests.waiting import until
from worldtick.observer.ticks import tick_accounts
from worldtick.store.db import Pool, transaction
from worldtick.store.retention import Policy, held_back, prune, table_sizes

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

POLICY = Policy(ticks=12)


def _count(pool: Pool, table: str) -> int:
    with transaction(pool) as conn:
        row = conn.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
        return int(row[0]) if row else 0


def _balanced(pool: Pool) -> bool:
    with transaction(pool) as conn:
        return all(account.balances for account in tick_accounts(conn)[1])


def test_the_store_stays_bounded_and_nothing_needed_goes(
    pool: Pool, kafka: str, topic_prefix: str, postgres_url: str
) -> None:
    all_topics(kafka, topic_prefix)
    for number in range(3):
        make_world(pool, f"w{number}", services=("count", "market"), catch_up_max=10_000)
    hours = 0
    for _ in range(8):
        hours += 10
        with (
            worker(COUNT, kafka, postgres_url, topic_prefix),
            worker(MARKET, kafka, postgres_url, topic_prefix),
        ):
            tick_hours(pool, kafka, topic_prefix, hours)
            until(finished(pool, "count"), what="count is done")
            until(finished(pool, "market"), what="market is done")
        before = _count(pool, "ledger")
        pruned = prune(pool, POLICY)
        assert pruned.complete
        assert _count(pool, "ledger") == before - pruned.rows["ledger"]
        assert _balanced(pool)
    bound = POLICY.ticks + 2 * POLICY.spacing + 10
    assert 6 * POLICY.ticks <= _count(pool, "ledger") <= 6 * bound
    assert 3 * POLICY.ticks <= _count(pool, "tick") <= 3 * (bound + 3)
    assert _count(pool, "snapshot") <= 6 * 4
    assert _count(pool, "fact") <= 3
    with transaction(pool) as conn:
        assert held_back(conn, POLICY, 10) == []
        # every slice can be stepped again from its base: its ticks and outcomes are there
        rows = conn.execute(
            "select s.version - k.version, (select count(*) from ledger l where l.slice_key = s.slice_key"
            " and l.version > k.version) from slice s cross join lateral"
            " (select min(version) as version from snapshot where slice_key = s.slice_key) k"
        ).fetchall()
    assert len(rows) == 6
    assert all(ticks == outcomes for ticks, outcomes in rows)


def test_what_is_not_published_or_not_done_stays(pool: Pool, kafka: str, topic_prefix: str, postgres_url: str) -> None:
    all_topics(kafka, topic_prefix)
    for world in ("a", "b"):
        make_world(pool, world, services=("count", "market"), catch_up_max=10_000)
    for hours in (20, 40, 60):
        with worker(COUNT, kafka, postgres_url, topic_prefix):
            tick_hours(pool, kafka, topic_prefix, hours)
            until(finished(pool, "count"), what="count is done")
        prune(pool, POLICY)
    assert _count(pool, "tick") == 2 * 62  # market has done nothing: it still needs them all
    kept = _count(pool, "ledger")
    assert kept < 2 * 62
    with transaction(pool) as conn:
        conn.execute("update published set next_offset = 0")
    with worker(COUNT, kafka, postgres_url, topic_prefix):
        pass
    with transaction(pool) as conn:
        conn.execute("update published set next_offset = 0")
    prune(pool, Policy(ticks=1))
    assert _count(pool, "ledger") == kept
    with transaction(pool) as conn:
        (held, *_) = held_back(conn, Policy(ticks=1), 10)
    assert (held.world, held.service, held.unpublished > 0) == ("a", "count", True)


def test_two_pruners_do_not_meet(pool: Pool) -> None:
    make_world(pool, "w", services=("count",))
    with transaction(pool) as conn:
        conn.execute("select pg_advisory_xact_lock(%s)", (0x7072756E,))
        assert not prune(pool, POLICY).complete
    assert prune(pool, POLICY).complete


def test_pages_go_round_and_are_bounded(pool: Pool) -> None:
    for number in range(5):
        make_world(pool, f"w{number}", services=("count",))
    pruned = prune(pool, Policy(worlds_per_page=2))
    assert (pruned.worlds, pruned.complete) == (5, True)


def test_facts_keep_what_a_tick_may_carry(pool: Pool) -> None:
    lagging = make_world(pool, "w", services=("market",), facts="lag", lag_ticks=3)
    with transaction(pool) as conn:
        conn.execute("update clock set seq = 10 where world_key = %s", (lagging,))
        for seq in range(1, 11):
            conn.execute("insert into fact values (%s, 'market', 0, %s, '')", (lagging, seq))
    assert prune(pool, POLICY).rows["fact"] == 7  # tick 11 carries that of 8; later ones those after it
    assert _count(pool, "fact") == 3


def test_pastes_are_bounded(pool: Pool) -> None:
    key = make_world(pool, "w", services=("count",))
    with transaction(pool) as conn:
        for days, offset in ((0, 1), (0, 2), (0, 3), (2, 4), (2, 5), (40, 6)):
            conn.execute(
                "insert into paste values ('world.tick.hourly', 0, %s, 1, %s, null, 1,"
                " clock_timestamp() - make_interval(days => %s))",
                (offset, key, days),
            )
    assert prune(pool, Policy(pastes=4)).rows["paste"] == 2


def test_every_table_is_shown(pool: Pool) -> None:
    with transaction(pool) as conn:
        names = {size.table for size in table_sizes(conn)}
    assert {"ledger", "tick", "slice", "snapshot", "fact", "paste", "worker", "tally", "market_state"} <= names
