"""Warming compiles all that a step needs.
Lives here: that nothing is left to compile. Not here: what a step does."""

import subprocess
import sys
from typing import Any

from tests.unit.economy.towns import live, shipped
from worldtick.economy.hours import live_worlds
from worldtick.economy.warming import warm


def test_a_step_after_warming_compiles_nothing() -> None:
    kernel: Any = live_worlds
    warm()
    before = list(kernel.signatures)
    live(shipped("tiny"), 2)
    assert list(kernel.signatures) == before
    assert len(before) == 1


def test_the_next_process_finds_it_all_compiled() -> None:
    warm()
    says = (
        "from worldtick.economy.warming import warm; from worldtick.economy.hours import live_worlds; warm();"
        "print(sum(live_worlds.stats.cache_hits.values()), sum(live_worlds.stats.cache_misses.values()))"
    )
    done = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["1", "0"]
