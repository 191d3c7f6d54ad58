"""What commands changed: exactly what the accepted ones say, each once, and the tick log agrees with the clock.
Lives here: a model of a world, told by the audit, compared with its rows. Not here: replies and rows (promises)."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.simulation.commands.house import House
from tests.simulation.commands.people import EPOCH, Asked
from tests.simulation.commands.records import Heard, ticks_of
from worldtick.clock.firings import parse_duration_us
from worldtick.clock.scale import parse_scale
from worldtick.clock.worldtime import SECOND_US
from worldtick.contracts.sealed import SealedTick
from worldtick.store.clocks import ClockView
from worldtick.store.worlds import find_world

MOVES = ("clock.advance", "clock.set", "clock.skip_to_next")
Done = tuple[Heard, Asked]  # a command that was accepted, changed something, and was no dry run


def keep_effects(house: House, heard: Sequence[Heard]) -> None:
    """All of it. Raises AssertionError."""
    done = [
        (row, house.asked[row.partition, row.offset])
        for row in heard
        if row.fate == "accepted" and row.said["changed"] and not row.said["dry_run"]
    ]
    views = house.views()
    _worlds(house, done)
    for world, view in views.items():
        ticks = ticks_of(house.pool.watch, house.keys[world])
        ours = [each for each in done if each[0].world == world]
        _log(world, view, ticks)
        _versions(world, view, heard, ours)
        _course(world, view, ours)
        _configured(house, world, ours)
        _moves(world, view, ticks, ours)
        _forced(house, world, ticks, ours)
    _directives(house, done)


def _worlds(house: House, done: Sequence[Done]) -> None:
    created = Counter(row.world for row, _ in done if row.name == "world.create")
    archived = Counter(row.world for row, _ in done if row.name == "world.archive")
    status: Mapping[str, str] = dict(house.pool.watch.execute("select world_id, status from world").fetchall())
    assert Counter([*status]) == Counter(world.name for world in house.plan.worlds) + created, (
        "worlds were not created once"
    )
    assert Counter(world for world, said in status.items() if said == "archived") == archived, (
        "worlds not archived once"
    )


def _log(world: str, view: ClockView, ticks: Sequence[SealedTick]) -> None:
    """No tick twice, none missing; the clock is where its last tick ended."""
    assert [tick.seq for tick in ticks] == list(range(1, view.seq + 1)), f"{world}: seqs"
    for kind, count in (("hourly", view.hourly_seq), ("daily", view.daily_seq)):
        numbers = [tick.kind_seq for tick in ticks if tick.kind == kind]
        assert numbers == list(range(1, count + 1)), f"{world}: {kind} seqs"
    assert len({(tick.kind, tick.to_us) for tick in ticks}) == len(ticks), f"{world}: a slot twice"
    assert all(before.to_us == after.from_us for before, after in pairwise(ticks)), f"{world}: a gap in world time"
    assert all(tick.from_us <= tick.to_us for tick in ticks), f"{world}: time runs back"
    assert view.now_us == (ticks[-1].to_us if ticks else 0), f"{world}: the clock is not where its last tick ended"


def _versions(world: str, view: ClockView, heard: Sequence[Heard], ours: Sequence[Done]) -> None:
    """The clock's version rises once for each accepted command that changes how it runs."""
    versions = sorted(row.said["version"] for row, _ in ours if _steers(row))
    assert versions == list(range(2, view.version + 1)), f"{world}: version {view.version} after {versions}"
    for row, asked in ours:
        if (expected := asked.fields.get("expected_version")) is not None and row.name != "world.create":
            assert row.said["version"] - _steers(row) == expected, f"{world}: {asked} was accepted at another version"


def _steers(row: Heard) -> bool:
    return row.name == "world.configure" or (row.name or "").startswith("clock.")


def _course(world: str, view: ClockView, ours: Sequence[Done]) -> None:
    """The clock runs as its accepted commands say, in the order of their versions."""
    expected: dict[str, Any] = {}
    for row, asked in _in_order(each for each in ours if _steers(each[0])):
        expected |= _assigned(row.name or "", asked.fields["args"])
    found = {name: getattr(view, name) for name in expected}
    assert found == expected, f"{world} runs {found}, and was told {expected}"


def _in_order(done: Iterable[Done]) -> list[Done]:
    """As their versions say: each was done under the world's lock."""
    return sorted(done, key=lambda each: int(each[0].said["version"]))


def _configured(house: House, world: str, ours: Sequence[Done]) -> None:
    """Budgets and settings are what the accepted configurations say; what one takes back stands there no more."""
    expected: dict[str, Any] = {}
    for _, asked in _in_order(each for each in ours if each[0].name == "world.configure"):
        for part in ("budgets", "settings"):
            expected |= asked.fields["args"].get(part, {}).get("market", {})
    found = find_world(house.pool.watch, world)
    assert found is not None, world
    stands = {**found.budgets.get("market", {}), **found.settings.get("market", {})}
    kept = {name: value for name, value in expected.items() if value is not None}
    assert stands == kept, f"{world} has {stands}, and was told {kept}"


_CONFIGURED: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "timeScale": ("scale_ppb", parse_scale),
    "tickIntervalSeconds": ("interval_us", lambda seconds: int(seconds * SECOND_US)),
    "pauseSimulation": ("paused", bool),
    "inFlightMax": ("in_flight_max", int),
    "lagPolicy": ("lag_policy", str),
    "lagMaxSeconds": ("lag_us_max", lambda seconds: seconds * SECOND_US),
}


def _assigned(name: str, args: Mapping[str, Any]) -> dict[str, Any]:
    match name:
        case "clock.pause" | "clock.resume":
            return {"paused": name == "clock.pause"}
        case "clock.set_scale":
            return {"scale_ppb": parse_scale(args["scale"])}
        case "clock.set_mode":
            return {"driver": args["driver"]}
        case "clock.set_interval":
            return {"interval_us": parse_duration_us(args["interval"])}
        case "world.configure":
            return {_CONFIGURED[key][0]: _CONFIGURED[key][1](args[key]) for key in args if key in _CONFIGURED}
    return {}


def _moves(world: str, view: ClockView, ticks: Sequence[SealedTick], ours: Sequence[Done]) -> None:
    """Each accepted move aims beyond the one before, from where the world then was: none is lost or counts twice."""
    target_us = 0
    moves = [each for each in ours if each[0].name in MOVES]
    for row, asked in _in_order(moves):
        assert row.from_seq is not None, row
        now_us = ticks[row.from_seq - 1].to_us if row.from_seq else 0
        ahead_us = max(now_us, target_us)
        assert row.until_us is not None, row
        if row.name == "clock.advance":
            assert row.until_us == ahead_us + parse_duration_us(asked.fields["args"]["duration"]), f"{world}: {asked}"
        elif row.name == "clock.set":
            moment = datetime.fromisoformat(asked.fields["args"]["time"])
            assert row.until_us == (moment - EPOCH) // timedelta(microseconds=1), f"{world}: {asked}"
        assert row.until_us > ahead_us, f"{world}: {asked} aims back"
        target_us = row.until_us
    archived = any(row.name == "world.archive" for row, _ in ours)
    assert archived or view.now_us >= target_us, f"{world} was told to go to {target_us} and is at {view.now_us}"


def _forced(house: House, world: str, ticks: Sequence[SealedTick], ours: Sequence[Done]) -> None:
    """Each accepted force sealed its own ticks; in a world that only goes where it is told, nothing else made any."""
    by_force: dict[int, Heard] = {}
    for row, _ in ours:
        if row.name != "tick.force":
            continue
        assert row.from_seq is not None, row
        for seq in range(row.from_seq + 1, row.said["tick"] + 1):
            assert seq not in by_force, f"{world}: tick {seq} was forced twice"
            by_force[seq] = row
        own = ticks[row.said["tick"] - 1]
        assert (own.tick_id, own.triggered_by) == (row.said["tick_id"], "manual"), f"{world}: {row}"
    plans = {plan.name: plan.driver for plan in house.plan.worlds}
    if plans.get(world, "manual") != "manual" or any(row.name == "clock.set_mode" for row, _ in ours):
        return
    for tick in ticks:
        if tick.kind == "daily":  # follows the hour that reached midnight, whoever made that one
            continue
        told = any(
            row.until_us is not None and (row.from_seq or 0) < tick.seq and tick.to_us <= row.until_us
            for row, _ in ours
        )
        assert tick.seq in by_force or tick.caused_by or told, f"{world}: nobody asked for tick {tick.seq}"


def _directives(house: House, done: Sequence[Done]) -> None:
    """Each accepted directive waits, or stands in one tick, as it was asked."""
    asked = Counter(
        (row.world, row.directive_id, str(asked.fields["args"])) for row, asked in done if row.directive_id is not None
    )
    found: Counter[tuple[str | None, int, str]] = Counter()
    for world, key in house.keys.items():
        found.update(
            (world, each.directive_id, str(each.args))
            for tick in ticks_of(house.pool.watch, key)
            for each in tick.directives
            if each.service == "count"
        )
        waiting = house.pool.watch.execute(
            "select directive_id, args from directive where world_key = %s and service = 'count'", (key,)
        ).fetchall()
        found.update((world, number, str(args)) for number, args in waiting)
    assert found == asked, f"directives: too many {list(found - asked)[:2]}, missing {list(asked - found)[:2]}"
