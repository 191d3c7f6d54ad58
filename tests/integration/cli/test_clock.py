"""`worldtick clock`: what it shows, what each verb does to the world's row, and what it refuses.
Lives here: the verbs. Not here: worlds being driven (test_pacer), the pure courses (tests/unit/clock)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Command, control_at_work
from tests.small_worlds import make_world
from worldtick.clock.course import Pace
from worldtick.clock.scale import PPB
from worldtick.clock.worldtime import DAY_US
from worldtick.store.db import Pool, transaction

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


@pytest.fixture(autouse=True)
def _control(kafka: str, topics: str, pool: Pool) -> Iterator[None]:
    with control_at_work(kafka, topics, pool):
        yield


def test_a_world_is_shown_and_driven_through_every_mode(worldtick: Command, pool: Pool) -> None:
    make_world(pool, "w", pace=Pace("manual"))
    shown = worldtick("clock", "w", "show", "--json")
    assert (shown.code, shown.row["mode"], shown.row["time_scale"]) == (0, "manual", "1")
    assert worldtick("clock", "w", "mode", "auto", "--json").row["mode"] == "real_time"
    assert worldtick("clock", "w", "scale", "100", "--json").row["mode"] == "fast_forward"
    assert worldtick("clock", "w", "scale", "0.5", "--json").row["mode"] == "slow_motion"
    assert worldtick("clock", "w", "pause", "--json").row["mode"] == "paused"
    assert worldtick("clock", "w", "resume", "--json").row["mode"] == "slow_motion"
    assert worldtick("clock", "w", "mode", "manual", "--json").row["mode"] == "manual"
    assert worldtick("clock", "w", "interval", "250ms").code == 0
    assert worldtick("clock", "w", "pause").code == 0
    before = worldtick("clock", "w", "show", "--json").row["version"]
    same = worldtick("clock", "w", "pause", "--json").row
    assert (same["version"], same["changed"]) == (before, False)  # it is so already
    assert worldtick("clock", "w", "resume", "--expected-version", before + 1).code == 1
    assert worldtick("clock", "w", "resume", "--dry-run", "--json").row["version"] == before + 1
    with transaction(pool) as conn:
        assert conn.execute("select interval_us, paused, scale_ppb from clock").fetchone() == (250_000, True, PPB // 2)


def test_advances_add_up_and_moments_are_utc(worldtick: Command, pool: Pool) -> None:
    make_world(pool, "w", pace=Pace("manual"))
    assert worldtick("clock", "w", "advance", "1h30m", "--no-wait", "--json").row["target"] == "2020-01-01T01:30:00Z"
    assert worldtick("clock", "w", "advance", "30d", "--no-wait", "--json").row["target"] == "2020-01-31T01:30:00Z"
    moved = worldtick("clock", "w", "set", "2020-03-15T14:30:00+02:00", "--execute-skipped", "--no-wait", "--json")
    assert moved.row["target"] == "2020-03-15T12:30:00Z"
    assert "on its way to 2020-03-15T12:30:00Z" in worldtick("clock", "w", "show").out
    assert worldtick("clock", "w", "show", "--format", "%A %H:%M").out == "Wednesday 00:00\n"
    since = worldtick("clock", "w", "show", "--since", "2020-01-01T00:00:00Z", "--json")
    assert since.row["elapsed_s"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["w", "scale", "0"], 2, "to stop a clock, pause it"),
        (["w", "scale", "1e308"], 2, "above 1000000"),
        (["w", "scale", "nan"], 2, "is no number"),
        (["w", "interval", "0s"], 2, "is no duration"),
        (["w", "advance", "-1h"], 2, "No such option"),
        (["w", "advance", "1h1h"], 2, "is no duration"),
        (["w", "mode", "clockwork"], 2, "is not one of"),
        (["w", "mode", "event"], 1, "no service 'agenda'"),
        (["w", "set", "2020-03-15T14:30:00Z"], 2, "--execute-skipped"),
        (["w", "set", "2020-03-15T14:30:00", "--execute-skipped"], 2, "zone"),
        (["w", "set", "2019-12-31T00:00:00Z", "--execute-skipped"], 1, "before the world's epoch"),
        (["w", "show", "--since", "2021-01-01T00:00:00Z"], 1, "lies ahead of"),
        (["v", "show"], 1, "there is no world 'v'"),
        (["still", "advance", "1h"], 1, "paused; resume it first"),
        (["turns", "advance", "59m"], 1, "turns of exactly"),
        (["late", "set", "2020-01-01T00:30:00Z", "--no-execute-skipped"], 1, "does not run back"),
    ],
)
def test_what_is_refused(worldtick: Command, pool: Pool, arguments: list[str], code: int, said: str) -> None:
    for world in ("w", "still", "late"):
        make_world(pool, world, pace=Pace("manual"))
    make_world(pool, "turns", pace=Pace("manual", turn_us=3_600_000_000))
    worldtick("clock", "still", "pause")
    worldtick("clock", "late", "advance", "1h", "--no-wait")
    with transaction(pool) as conn:
        before = conn.execute("select version, target_us, paused from clock order by world_key").fetchall()
    ended = worldtick("clock", *arguments)
    assert (ended.code, ended.out) == (code, ""), ended
    assert said in ended.err
    with transaction(pool) as conn:
        assert conn.execute("select version, target_us, paused from clock order by world_key").fetchall() == before


def test_a_clock_that_was_tampered_with_names_its_faults(worldtick: Command, pool: Pool) -> None:
    make_world(pool, "w", pace=Pace("manual"))
    with transaction(pool) as conn:
        conn.execute("update clock set now_us = -5, anchor_us = -7")
    shown = worldtick("clock", "w", "show")
    assert shown.code == 1
    assert "current_time: -5 us lies before the epoch" in shown.err
    assert "wall_time_updated" in shown.err


def test_timers_that_a_jump_passes_are_executed_or_skipped_as_was_said(
    worldtick: Command, pool: Pool, tmp_path: Path
) -> None:
    scenario = tmp_path / "timed.yaml"
    scenario.write_text("name: timed\nworld: {driver: manual}\nservices: {agenda: {}}\n", "utf-8")
    assert worldtick("world", "create", "w", "--scenario", scenario).code == 0
    assert worldtick("clock", "w", "set", "2020-01-02T00:00:00Z", "--execute-skipped", "--no-wait").code == 0
    assert worldtick("directive", "list", "w", "--json").rows == []
    assert worldtick("clock", "w", "set", "2020-01-03T00:00:00Z", "--no-execute-skipped", "--no-wait").code == 0
    (row,) = worldtick("directive", "list", "w", "--json").rows
    ended = worldtick("clock", "w", "next", "--no-wait", "--json")
    assert (ended.code, ended.row["changed"], ended.row["target"]) == (0, False, "2020-01-03T00:00:00Z")
    assert worldtick("clock", "w", "mode", "event", "--json").row["mode"] == "event_driven"
    assert (row["service"], row["name"], row["args"]) == ("agenda", "timer_skip", {"before_us": 2 * DAY_US})
