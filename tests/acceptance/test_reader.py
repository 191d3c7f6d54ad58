"""An analytics service that is not ours: twenty lines with nothing of ours but the schema files, over a game day.
Lives here: the documented sample on a day lived by the newest build. Not here: the schemas' own tests."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.conftest import Installation
from tests.waiting import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

HOUSE = Path(__file__).parents[2]
SAMPLE = HOUSE / "docs" / "samples" / "read_events.py"
WORLDS = ("east", "west")
HOURS = 24
EVENTS_OF_TICK = {"simulation.event.market_cleared": 20, "simulation.event.step_completed": 1}


def test_a_strangers_reader_reads_a_day(installation: Installation) -> None:
    """Zero validation errors, no event twice (it ends with 1 for either), each world's ticks in order."""
    for world in WORLDS:
        installation.do("world", "create", world, "--scenario", "night_city")
    with installation.running("run", "economy"):
        installation.do("ticker", "--type", "hourly", "--slot", "2024-01-15T00:00:00Z")
        until(lambda: installation.applied() == HOURS, 60)
    argv = [SAMPLE, installation.kafka, f"{installation.prefix}simulation.event", HOUSE / "schemas"]
    group = f"{installation.prefix}analytics"
    read = subprocess.run(
        [sys.executable, *map(str, argv), group, "4"], capture_output=True, text=True, timeout=90, check=False
    )
    assert read.returncode == 0, read.stderr[-2_000:]
    lines = [line.split() for line in read.stdout.splitlines()]
    assert len(lines) == len(WORLDS) * HOURS * sum(EVENTS_OF_TICK.values())
    for world in WORLDS:
        seqs = [int(seq) for name, seq, _ in lines if name == world]
        assert seqs == sorted(seqs)
        assert len(set(seqs)) == HOURS
        said = Counter((seq, kind) for name, seq, kind in lines if name == world)
        assert all(number == EVENTS_OF_TICK[kind] for (_, kind), number in said.items())


def test_the_sample_is_short_and_needs_nothing_of_ours() -> None:
    """Twenty lines of code, no import of this package."""
    text = SAMPLE.read_text("utf-8")
    code = [line for line in text.splitlines() if line.strip() and not line.startswith('"""')]
    assert len(code) <= 20
    assert "import worldtick" not in text
    assert "from worldtick" not in text
