"""Which slot a paste means, and which pastes mean none.
Lives here: the pure policy. Not here: sealing on a database (tests/integration/test_paste)."""

from typing import Any

import pytest

from worldtick.clock.moves import BoundaryKind, Standing, moved
from worldtick.clock.worldtime import DAY_US, EPOCH_S, HOUR_US, WorldTime
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.ticks import PastedTick
from worldtick.control.pasted import Target, is_past, kind_of, move_towards, reached, refuse_gap, target_of


def _paste(event_type: str | None = None, **data: Any) -> PastedTick:
    return PastedTick.model_validate({"event_type": event_type, "data": data})


def _standing(hours: float, daily_hours: int = 0, **more: Any) -> Standing:
    fields = {"epoch_s": EPOCH_S, "hourly": True, "daily": True, "catch_up": "each", **more}
    return Standing(now_us=WorldTime(int(hours * HOUR_US)), daily_us=WorldTime(daily_hours * HOUR_US), **fields)


@pytest.mark.parametrize(
    ("topic", "paste", "kind"),
    [
        ("world.tick.hourly", _paste(), "hourly"),
        ("world.tick.daily", _paste(), "daily"),
        ("world.tick", _paste(tick_type="daily"), "daily"),
        ("world.tick", _paste("world.tick.hourly"), "hourly"),
    ],
)
def test_the_kind(topic: str, paste: PastedTick, kind: str) -> None:
    assert kind_of(topic, paste) == kind


@pytest.mark.parametrize(
    ("topic", "paste", "reason"),
    [
        ("world.tick", _paste(), "no_kind"),
        ("world.tick.hourly", _paste(tick_type="daily"), "wrong_topic"),
        ("world.tick", _paste("world.tick.hourly", tick_type="daily"), "wrong_topic"),
    ],
)
def test_no_kind(topic: str, paste: PastedTick, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        kind_of(topic, paste)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("kind", "now_h", "data", "slot_h", "named"),
    [
        ("hourly", 5, {}, 6, False),
        ("hourly", 5.5, {}, 6, False),
        ("hourly", 5, {"game_time": "2020-01-01T09:00:00Z"}, 9, True),
        ("hourly", 5, {"game_time": "2020-01-01T11:00:00+02:00", "game_hour": 3}, 9, True),
        ("hourly", 5, {"game_hour": 7}, 7, True),
        ("hourly", 5, {"game_hour": 5}, 29, True),
        ("hourly", 5, {"game_hour": 0}, 24, True),
        ("hourly", 5, {"game_day": 2, "game_hour": 3}, 27, True),
        ("daily", 5, {}, 24, False),
        ("daily", 5, {"game_day": 3}, 48, True),
        ("daily", 5, {"game_time": "2020-01-02T00:00:00Z"}, 24, True),
    ],
)
def test_the_slot(kind: BoundaryKind, now_h: float, data: dict[str, Any], slot_h: int, named: bool) -> None:
    target = target_of(_standing(now_h), kind, _paste(**data))
    assert target == Target(kind, WorldTime(slot_h * HOUR_US), named)
    assert not is_past(_standing(now_h), target)


def test_midnights_owed_daily_is_the_next_one() -> None:
    assert target_of(_standing(24), "daily", _paste()).slot_us == DAY_US
    assert target_of(_standing(24, 24), "daily", _paste()).slot_us == 2 * DAY_US
    owed = Target("daily", WorldTime(DAY_US), True)
    assert not is_past(_standing(24), owed)
    assert is_past(_standing(24, 24), owed)


@pytest.mark.parametrize(
    ("standing", "kind", "data", "reason"),
    [
        (_standing(5), "hourly", {"game_time": "2020-01-01T09:05:00Z"}, "not_a_slot"),
        (_standing(5), "daily", {"game_time": "2020-01-02T09:00:00Z"}, "not_a_slot"),
        (_standing(5), "hourly", {"game_day": 2**62}, "not_a_slot"),
        (_standing(5, hourly=False), "hourly", {}, "no_such_grid"),
        (_standing(5, daily=False), "daily", {}, "no_such_grid"),
    ],
)
def test_no_slot(standing: Standing, kind: BoundaryKind, data: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        target_of(standing, kind, _paste(**data))
    assert caught.value.reason == reason


@pytest.mark.parametrize("time", ["2020-01-01T05:00:00Z", "2020-01-01T01:00:00Z", "2019-12-31T23:00:00Z"])
def test_world_time_never_runs_back(time: str) -> None:
    assert is_past(_standing(5), target_of(_standing(5), "hourly", _paste(game_time=time)))


def test_a_paused_world_moves_one_slot() -> None:
    far = _paste(game_time="2020-01-01T09:00:00Z")
    assert target_of(_standing(5), "hourly", far, paused=True).slot_us == 6 * HOUR_US


def test_a_gap_has_a_bound() -> None:
    standing = _standing(0)
    refuse_gap(standing, Target("hourly", WorldTime(10 * HOUR_US), True), 10)
    with pytest.raises(Unreadable, match="11 slots ahead"):
        refuse_gap(standing, Target("hourly", WorldTime(11 * HOUR_US), True), 10)


def _way(standing: Standing, target: Target) -> list[tuple[str, int]]:
    way: list[tuple[str, int]] = []
    while (move := move_towards(standing, target)) is not None:
        way.append((move.kind, move.to_us // HOUR_US))
        standing = moved(standing, move)
    assert reached(standing, target)
    return way


def test_the_way_to_a_target_follows_the_catch_up_policy() -> None:
    hour, day = Target("hourly", WorldTime(25 * HOUR_US), True), Target("daily", WorldTime(DAY_US), True)
    assert _way(_standing(22), hour) == [("hourly", 23), ("hourly", 24), ("daily", 24), ("hourly", 25)]
    assert _way(_standing(22), day) == [("hourly", 23), ("hourly", 24), ("daily", 24)]
    assert _way(_standing(20, catch_up="coalesce"), hour) == [("hourly", 24), ("daily", 24), ("hourly", 25)]
    assert _way(_standing(24), Target("hourly", WorldTime(25 * HOUR_US), False)) == [("daily", 24), ("hourly", 25)]
    assert _way(_standing(20, hourly=False), day) == [("daily", 24)]
    assert _way(_standing(23), Target("hourly", WorldTime(DAY_US), True)) == [("hourly", 24)]
