"""The bench seals as the ticker does: grids, lag, directives, facts, effects, budgets.
Lives here: what a lived history looks like. Not here: the checks (test_laws)."""

from dataclasses import replace

import pytest

from tests.unit.kit.errands import SERVICE, Line
from worldtick.clock.worldtime import HOUR_US, MINUTE_US
from worldtick.contracts.errors import Faulty
from worldtick.kit.bench import Bench

ALL, DAILY = replace(SERVICE, stream="all"), replace(SERVICE, stream="daily")


def _kinds(bench: Bench[Line]) -> list[tuple[str, int, int]]:
    return [(lived.tick.kind, lived.tick.kind_seq, lived.tick.to_us // HOUR_US) for lived in bench.history]


def test_each_stream_gets_its_ticks() -> None:
    hourly, daily, both = Bench(SERVICE, {}), Bench(DAILY, {}), Bench(ALL, {})
    hourly.run(25)
    daily.run(2)
    both.run(26)
    assert _kinds(hourly)[-2:] == [("hourly", 24, 24), ("hourly", 25, 25)]
    assert [lived.tick.seq for lived in hourly.history][-2:] == [24, 26], "midnight's daily stands between"
    assert _kinds(daily) == [("daily", 1, 24), ("daily", 2, 48)]
    assert _kinds(both)[-3:] == [("hourly", 24, 24), ("daily", 1, 24), ("hourly", 25, 25)]


def test_an_hourly_tick_may_span_hours_but_no_midnight() -> None:
    bench = Bench(SERVICE, {})
    assert (bench.tick(hours=5).tick.hours, bench.tick(hours=50).tick.hours) == (5, 19)
    assert bench.tick().tick.to_us == 25 * HOUR_US


def test_a_part_of_an_hour_is_a_step_tick() -> None:
    bench = Bench(ALL, {})
    bench.part(10 * MINUTE_US)
    assert [(lived.tick.kind, lived.tick.to_us) for lived in [*bench.history, bench.tick()]] == [
        ("step", 10 * MINUTE_US),
        ("hourly", HOUR_US),
    ]
    with pytest.raises(Faulty, match="stream `all`"):
        Bench(SERVICE, {}).part(MINUTE_US)


def test_a_directive_is_taken_once_and_checked() -> None:
    bench = Bench(SERVICE, {"arrivals": 1})
    bench.direct("add", count=2)
    bench.run(2)
    assert [len(lived.tick.directives) for lived in bench.history] == [1, 0]
    assert [lived.slices[0].step.used["visits"] for lived in bench.history] == [3, 1]
    with pytest.raises(Faulty, match="count"):
        bench.direct("add")
    with pytest.raises(Faulty, match="declares add"):
        bench.direct("remove")


@pytest.mark.parametrize("lag", [1, 3])
def test_facts_come_after_the_lag(lag: int) -> None:
    bench = Bench(SERVICE, {"arrivals": 5}, lag_ticks=lag)
    bench.run(2)
    bench.fact("weather", {"rain": 7}, service="sky")
    bench.run(4)
    lengths = [lived.tick.facts.get("line_length", {}).get("errands", {}).get(0, {}) for lived in bench.history]
    assert lengths == [{}] * lag + [{"all": n} for n in range(1, 7 - lag)], "one more waits in each tick"
    rain = [lived.tick.seq for lived in bench.history if "weather" in lived.tick.facts]
    assert rain[0] == 2 + lag
    assert [lived.tick.facts_as_of for lived in bench.history] == [max(0, n - lag) for n in range(1, 7)]


def test_an_effect_becomes_a_directive_after_the_lag() -> None:
    bench = Bench(SERVICE, {"lines": 2}, lag_ticks=2)
    bench.run(8)
    taken = {lived.tick.seq: [each.source for each in lived.tick.directives] for lived in bench.history}
    assert taken[7] == ["effect:errands/0@5", "effect:errands/1@5"]
    assert sum(map(len, taken.values())) == len(bench.effects) == 2


def test_budgets_and_scenario_are_checked() -> None:
    assert Bench(SERVICE, {}, budgets={"visits": 1}).tick().slices[0].step.used == {"visits": 1}
    with pytest.raises(Faulty, match="visit"):
        Bench(SERVICE, {}, budgets={"visit": 1})
    with pytest.raises(Faulty, match="arrivals"):
        Bench(SERVICE, {"arrivals": "many"})
    with pytest.raises(Faulty, match="at least one"):
        Bench(SERVICE, {"lines": 0})


def test_a_restart_changes_nothing() -> None:
    straight, broken = Bench(SERVICE, {}), Bench(SERVICE, {})
    straight.run(10)
    for _ in range(10):
        broken.restart()
        broken.tick()
    assert straight.digests() == broken.digests()
    assert len({digest for _, _, digest in straight.digests()}) == 10
