"""`worldtick ticker serve` in a process of its own: it seals, says how it is, and ends when it is told.
Lives here: the loop as people run it. Not here: the one-shot (test_ticker_verb), two loops at once (test_ticker).
"""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Command, control_at_work
from tests.small_worlds import history
from tests.waiting import until
from worldtick.store.db import Pool, transaction
from worldtick.store.worlds import keys_of

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


@pytest.fixture
def loop(worldtick: Command, topics: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """`worldtick ticker serve` in a process of its own, with this one's environment, a game hour every 100 ms."""
    monkeypatch.setenv("PORT", "0")
    assert worldtick("world", "create", "w", "--scenario", "night_city").code == 0
    argv = [sys.executable, "-m", "worldtick.cli.main", "ticker", "serve", "--hour-every", "100ms"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def _line(process: "subprocess.Popen[str]", event: str) -> Any:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and (said := json.loads(line))["event"] == event:
            return said
    raise AssertionError(f"the loop ended without {event}")


def _parts(port: int) -> set[str]:
    """The parts of a process that is ready."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
        report = json.load(answer)
    assert report["ready"] is True
    return set(report["parts"])


def test_the_loop_seals_says_how_it_is_and_ends_when_told(
    worldtick: Command, pool: Pool, loop: "subprocess.Popen[str]"
) -> None:
    with transaction(pool) as conn:
        key = keys_of(conn, ["w"])["w"][0]
    port = _line(loop, "vitals_served")["port"]
    sealed = _line(loop, "ticks_sealed")
    assert (sealed["service"], sealed["run"]) == ("ticker", "hourly")
    until(lambda: _parts(port) == {"database", "kafka", "loop", "pacer"})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b'worldtick_ticker_sealed_total{kind="hourly"}' in answer.read()
    loop.send_signal(signal.SIGTERM)
    assert loop.wait(20) == 0
    ticks = history(pool, key)
    assert [tick.seq for tick in ticks] == list(range(1, len(ticks) + 1))
    with transaction(pool) as conn:
        assert conn.execute("select seq - published_seq from clock").fetchone() == (0,)


def test_the_loop_drives_worlds_by_their_own_modes(
    worldtick: Command, kafka: str, topics: str, pool: Pool, loop: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    fast = "{driver: auto, time_scale: 7200, tick_interval: 100ms, in_flight_max: 1000}"
    for world, rules in (("fast", fast), ("told", "{driver: manual}")):
        scenario = tmp_path / f"{world}.yaml"
        scenario.write_text(f"name: {world}\nworld: {rules}\nservices: {{agenda: {{}}}}\n", "utf-8")
        assert worldtick("world", "create", world, "--scenario", scenario).code == 0
    with control_at_work(kafka, topics, pool):
        assert worldtick("clock", "told", "advance", "1h30m", "--no-wait").code == 0
        with transaction(pool) as conn:
            keys = {world: found[0] for world, found in keys_of(conn, ["fast", "told"]).items()}
        until(lambda: len(history(pool, keys["fast"])) > 10 and len(history(pool, keys["told"])) >= 2)
        assert worldtick("clock", "fast", "pause", "--json").row["mode"] == "paused"
        assert _line(loop, "tick_sealed")["world"] in keys
        told = worldtick("clock", "told", "show", "--json").row
        assert (told["current_time"][-9:], told["target"]) == ("01:30:00Z", None)
        stood = len(history(pool, keys["fast"]))
        assert worldtick("clock", "told", "advance", "30m", "--no-wait").code == 0
        until(lambda: len(history(pool, keys["told"])) == 3)
    loop.send_signal(signal.SIGTERM)
    assert loop.wait(20) == 0
    assert len(history(pool, keys["fast"])) == stood
