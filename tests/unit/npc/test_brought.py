"""Conditions, effects and evaluators of a third-party package, as installed distributions bring them.
Lives here: a package with entry points, made for the test; what its misbehaviour says. Not here: our own conditions."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.unit.npc.cities import hours, plan_of, small_city, village
from tests.unit.npc.comparing import compared
from worldtick.npc import brought
from worldtick.npc.errors import BadPart
from worldtick.npc.people import genesis
from worldtick.npc.units import POINT

MODULE = """
import numpy as np
def early(people, index, at_s):
    return at_s % 86_400 < 6 * 3_600
def cheer(people, index, at_s):
    gained = np.zeros((8, len(index)), np.int64)
    gained[3] = 50 * 600
    return gained
def keen(people, index, at_s):
    loved = people.level[3, index].astype(np.int64) < 36_000
    return np.where(loved, 256 + (index * 97 + at_s) % 4_000, 0)
def warm(people, index, at_s):
    return np.full(len(index), 2.5)
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
[worldtick.npc.evaluators]
keen = moonpack:keen
warm = moonpack:warm
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


def _evaluated(name: str) -> dict[str, object]:
    section = small_city(2)
    for activity in ("stroll", "chat", "tavern"):
        section["activities"][activity]["evaluator"] = name
    return section


@pytest.mark.usefixtures("moonpack")
def test_an_evaluator_of_a_package_weighs_as_in_plain_python() -> None:
    assert compared(_evaluated("keen"), 5, 20, limits=(20, 40, 60, 400), intervals_s=(600, 900, 1_800, 7_200)) > 500


@pytest.mark.usefixtures("moonpack")
def test_an_evaluator_makes_its_activities_likelier_within_bounds() -> None:
    section = village(400, activities={"idle": {}, "sing": {"evaluator": "keen"}})
    chosen = []
    for level in (0, 60_000):
        state = genesis(plan_of(section), 7, 0)
        state.people.level[3] = level
        *_, lived = hours(state.plan, 2, state)  # one decision each
        chosen.append(lived.activities[1] / 400)
    loved, unloved = chosen
    assert 0.6 < loved < 0.9, "of a factor from 1 to 4"
    assert 0.1 < unloved < 0.3, "0 counts as a quarter"


@pytest.mark.usefixtures("moonpack")
def test_an_evaluator_that_misbehaves_is_named() -> None:
    with pytest.raises(BadPart, match=r"the evaluator 'warm' gave float64\(\d+,\); give \d+ integers"):
        next(hours(plan_of(_evaluated("warm")), 1))
    with pytest.raises(BadPart, match=r"no package brings 'cold' of worldtick.npc.evaluators; there are keen, warm"):
        next(hours(plan_of(_evaluated("cold")), 1))
