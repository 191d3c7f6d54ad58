"""Kafka's own console tools drive and read the whole system, as they come: no code of ours on the other side.
Lives here: pasting to cleared markets. Not here: what a paste means (integration/test_control), our own tail."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Installation
from tests.waiting import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

SEED_TICK = Path(__file__).parents[1] / "fixtures" / "seed" / "world.tick.hourly.json"
MARKETS = 20
SLOT_HOURS = 38  # from the city's epoch to the slot that the seed's tick names


def _paste(installation: Installation, text: str, topic: str = "world.tick.hourly") -> None:
    installation.do(
        "stack",
        "tool",
        "console-producer",
        "--topic",
        f"{installation.prefix}{topic}",
        said=text if text.endswith("\n") else text + "\n",
    )


def _console(installation: Installation, topic: str) -> list[str]:
    """All of a topic as Kafka's console consumer prints it, once it has been silent for a while."""
    read = installation.run(
        *("stack", "tool", "console-consumer", "--topic", f"{installation.prefix}{topic}", "--from-beginning"),
        *("--isolation-level", "read_committed", "--timeout-ms", "5000"),
    )
    # That the time ran out, which is how it is told to end, it says by its exit code and by lines of its own.
    return [line for line in read.stdout.splitlines() if line.startswith("{")]


def _cleared(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, lines) if event["event_type"] == "simulation.event.market_cleared"]


def test_a_tick_pasted_into_kafkas_console_clears_the_markets(installation: Installation) -> None:
    """The seed's own JSON: pasted, pasted again, pasted as it is pretty-printed; then read on Kafka's console."""
    line = json.dumps(json.loads(SEED_TICK.read_text("utf-8")))
    installation.do("world", "create", "city", "--scenario", "night_city")
    with installation.running("run", "economy", "control", "--together"):
        _paste(installation, line)
        until(lambda: installation.applied() == SLOT_HOURS, 60)
        _paste(installation, line)
        _paste(installation, SEED_TICK.read_text("utf-8"))
        _paste(installation, installation.do("tick", "template", "hourly"))  # behind them all: it still lives
        until(lambda: installation.applied() == SLOT_HOURS + 1, 60)
    cleared = _cleared(_console(installation, "simulation.event"))
    slots = Counter(event["timestamp"] for event in cleared)
    assert slots["2024-01-15T14:00:00Z"] == MARKETS
    assert slots["2024-01-15T15:00:00Z"] == MARKETS
    assert len(cleared) == MARKETS * (SLOT_HOURS + 1)
    assert set(slots.values()) == {MARKETS}
    letters = installation.do("tail", "world.tick.hourly.dlq", "--from-beginning", "--json").splitlines()
    fragments = [json.loads(letter)["dead"] for letter in letters]
    assert len(fragments) == len(SEED_TICK.read_text("utf-8").splitlines())
    assert all("one line" in fragment["error"] for fragment in fragments), fragments[0]
