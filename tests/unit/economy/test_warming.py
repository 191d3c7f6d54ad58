"""Warming compiles all that a step needs.
Lives here: that nothing is left to compile. Not here: what a step does."""

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
