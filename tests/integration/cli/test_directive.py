"""`worldtick directive`: what is queued, what is refused, and the tick that carries it.
Lives here: the verbs. Not here: order and bounds of a tick's directives (test_ticker)."""

import pytest

from tests.integration.cli.conftest import Command
from tests.small_worlds import T0, history, make_world
from worldtick.clock.worldtime import format_unix_us
from worldtick.store.db import Pool, transaction

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def test_the_next_tick_carries_it(worldtick: Command, pool: Pool, topics: str, small_catalogue: None) -> None:
    key = make_world(pool, "w")
    added = worldtick("directive", "add", "w", "count", "nudge", "by=5", "--json")
    assert (added.code, added.row["args"]) == (0, {"by": 5})
    assert "queued directive" in worldtick("directive", "add", "w", "count", "nudge", "--args", '{"by": -7}').out
    waiting = worldtick("directive", "list", "w", "--json").rows
    assert [(row["name"], row["args"], row["source"]) for row in waiting] == [
        ("nudge", {"by": 5}, "admin"), ("nudge", {"by": -7}, "admin")
    ]  # fmt: skip
    page = worldtick("directive", "list", "w", "--limit", 1)
    assert f"1 of 2 directives wait; more: --after {added.row['directive_id']}" in page.err
    assert worldtick("ticker", "--type", "hourly", "--at", format_unix_us(T0)).code == 0
    (tick,) = history(pool, key)
    assert [directive.args for directive in tick.directives] == [{"by": 5}, {"by": -7}]
    assert worldtick("directive", "list", "w", "--json").out == ""


def test_the_economys_shock_is_checked_against_the_worlds_own_names(worldtick: Command) -> None:
    assert worldtick("world", "create", "nc", "--scenario", "night_city").code == 0
    added = worldtick(
        "directive", "add", "nc", "economy", "supply_shock", "commodity=Food", "ppm=500000", "hours=6", "--json"
    )
    assert added.row["args"] == {"district": "*", "commodity": "Food", "ppm": 500_000, "hours": 6}
    wrong = worldtick("directive", "add", "nc", "economy", "supply_shock", "commodity=Fodo", "ppm=-1", "hour=6")
    assert (wrong.code, wrong.out) == (2, "")
    for said in ("args commodity: ", "there is no 'Fodo'", "args ppm: ", "args hours: is missing", "mean hours?"):
        assert said in wrong.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["wrold", "count", "nudge", "by=1"], 1, "did you mean world?"),
        (["old", "count", "nudge", "by=1"], 1, "is archived"),
        (["world", "cuont", "nudge", "by=1"], 1, "did you mean count?"),
        (["world", "council", "nudge", "by=1"], 1, "has no service 'council'"),
        (["world", "count", "nudeg", "by=1"], 1, "did you mean nudge?"),
        (["world", "market", "nudge", "by=1"], 1, "there is none"),
        (["world", "count", "nudge"], 2, "args by: is missing"),
        (["world", "count", "nudge", "by=much"], 2, "args by: "),
        (["world", "count", "nudge", "by=1", "bye=2"], 2, "did you mean by?"),
        (["world", "count", "nudge", "by=1", "by=2"], 2, "by stands twice"),
        (["world", "count", "nudge", "by"], 2, "is not KEY=VALUE"),
        (["world", "count", "nudge", "--args", "{"], 2, "is no JSON"),
        (["world", "count", "nudge", "--args", "[]"], 2, "no JSON object"),
        (["world", "count", "nudge", "by=1", "--args", "{}"], 2, "not both"),
        (["world", "count", "write", "--args", '{"text": "%s"}' % ("x" * 40_000)], 2, "bytes of a tick"),
        (["world", "count", "write", "--args", '{"text": "a\\u0000b"}'], 2, "no text may hold"),
    ],
)
def test_what_is_refused(
    worldtick: Command, pool: Pool, small_catalogue: None, arguments: list[str], code: int, said: str
) -> None:
    make_world(pool, "world", services=("count", "market"))
    make_world(pool, "old")
    assert worldtick("world", "archive", "old").code == 0
    ended = worldtick("directive", "add", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    with transaction(pool) as conn:
        assert conn.execute("select count(*) from directive").fetchone() == (0,)
