"""Conditions and effects of a third-party package, as installed distributions bring them.
Lives here: a package with entry points, made for the test; what its misbehaviour says. Not here: our own conditions."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.unit.npc.cities import hours, plan_of, village
from worldtick.npc import brought
from worldtick.npc.errors import BadPart
from worldtick.npc.units import POINT

MODULE = """
import numpy as np
def early(people, index, at_s):
    return at_s % 86_400 < 6 * 3_600
def cheer(people, index, at_s):
    gained = np.zeros((8, len(index)), np.int64)
    gained[3] = 50 * 600
    return gained
def wrong(people, index, at_s):
    return [1, 2]
def meddles(people, index, at_s):
    people.flags[index] = 1
    return at_s > 0
"""
ENTRIES = """
[worldtick.npc.conditions]
early = moonpack:early
wrong = moonpack:wrong
meddles = moonpack:meddles
[worldtick.npc.effects]
cheer = moonpack:cheer
"""


@pytest.fixture
def moonpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "moonpack.py").write_text(MODULE)
    info = tmp_path / "moonpack-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moonpack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    brought.part.cache_clear()
    yield
    brought.part.cache_clear()
    sys.modules.pop("moonpack", None)


def _section(condition: str) -> dict[str, object]:
    section = village(40)
    section["activities"]["dance"] = {
        "weight": 1_000,
        "requires": {"custom": condition},
        "on_completion": {"custom": "cheer"},
    }
    return section


@pytest.mark.usefixtures("moonpack")
def test_a_condition_and_an_effect_of_a_package() -> None:
    plan = plan_of(_section("early"))
    dance = plan.activities.index("dance")
    told = [(lived.activities[dance], lived.slice.people.level[3]) for lived in hours(plan, 14)]
    assert told[5][0] > 20
    assert told[13][0] == 0
    assert np.median(told[6][1]) > 90 * POINT


@pytest.mark.usefixtures("moonpack")
@pytest.mark.parametrize(
    ("name", "fault", "words"),
    [
        ("wrong", BadPart, "'wrong' gave int64"),
        ("meddles", ValueError, "read-only"),
        ("absent", BadPart, "no package brings 'absent' of worldtick.npc.conditions; there are early, meddles, wrong"),
    ],
)
def test_what_misbehaves_is_named(name: str, fault: type[Exception], words: str) -> None:
    with pytest.raises(fault, match=words):
        next(hours(plan_of(_section(name)), 1))
