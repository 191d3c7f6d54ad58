"""Society as a service: the laws, its parts as slices, what it says.
Lives here: steps as the runtime sees them. Not here: what moves relations (test_diplomacy)."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.society.courts import night_city
from worldtick.cli.catalogue import catalogue
from worldtick.contracts.errors import Faulty
from worldtick.control.scenario import read_scenario
from worldtick.kit.bench import Bench
from worldtick.kit.budgets import check_budget
from worldtick.kit.golden import check_golden
from worldtick.kit.laws import check_laws
from worldtick.society.crowd.scenario import CrowdScenario
from worldtick.society.names import AT_WAR, PAIRS, RELATION
from worldtick.society.scenario import SocietyScenario
from worldtick.society.service import SERVICE

GOLDEN = Path(__file__).with_name("society.golden.json")
THREE = {
    "diplomacy": {"factions": {"a": {"home": "Port", "military": 90}, "b": {}, "c": {"home": "Port", "morale": 0}}}
}


def _eventful(section: Any, seed: int = 1, budget: int | None = None) -> Bench[Any]:
    """A history with everything in it that the step can meet."""
    bench = Bench(SERVICE, section, seed=seed, budgets={} if budget is None else {PAIRS: budget})
    names = list(bench.section.diplomacy.factions)  # type: ignore[attr-defined]
    bench.run(4)
    bench.direct("treaty_propose", one=names[0], other=names[1], kind="trade", days=3, price=20)
    bench.direct("treaty_propose", one=names[2], other=names[1], kind="alliance")
    bench.direct("incident", by=names[1], to=names[2], severity=90)
    bench.direct("incident", by="nobody", to=names[2])
    bench.fact("prices", {"Port/Food": 300, "Harbor/Food": 310}, service="economy")
    bench.run(3)
    bench.fact("prices", {"Port/Food": 900, "Harbor/Food": 700}, service="economy")
    bench.fact("unrest_ppm", {"Port": 500_000, "Harbor": 2_000_000}, service="society", slice_no=1)
    bench.direct("treaty_break", by=names[1], to=names[0], kind="trade")
    bench.run(60)
    return bench


def test_keeps_the_laws() -> None:
    check_laws(
        _eventful(night_city()),
        _eventful(THREE, seed=-5, budget=2),
        _eventful(THREE, seed=2**62, budget=0),
        place="worldtick.society.service:SERVICE",
    )
    check_budget(_eventful(night_city(), budget=5))


def test_gives_the_agreed_bytes(request: pytest.FixtureRequest) -> None:
    check_golden(_eventful(night_city()), GOLDEN, bool(request.config.getoption("--update-golden")))


def test_says_every_pair_once_and_then_what_changes() -> None:
    bench = Bench(SERVICE, night_city(), seed=4)
    rows: dict[tuple[str, str], tuple[Any, ...]] = {}
    updates = 0
    for lived in bench.run(200):
        part = lived.slices[0]
        by_type: dict[str, list[Any]] = {}
        for event in part.step.events:
            by_type.setdefault(event.type, []).append(event.data)
        changed = by_type.get("diplomacy_update", [])
        (summary,) = by_type["diplomacy_summary"]
        assert summary["evaluated"] == 21
        assert summary["changed"] == len(changed)
        assert sum(summary["states"].values()) == 21
        fresh = part.step.rows[RELATION]
        assert len(fresh) == (21 if not rows else len(changed))
        rows.update({(row[0], row[1]): row for row in fresh})
        for data in changed:
            row = rows[data["faction_a_id"], data["faction_b_id"]]
            assert (row[2], row[4]) == (data["new_relation_state"], data["reason"])
            assert data["score_change"] == sum(data["contributions"].values()) / 1_000
        counts = {state: sum(row[2] == state for row in rows.values()) for state in summary["states"]}
        assert counts == summary["states"], "the newest rows of all pairs are how they stand"
        wars = (part.step.facts or {})[AT_WAR]
        assert sum(wars.values()) == 2 * counts["WAR"]
        updates += len(changed)
    assert updates > 5


def test_days_are_named_by_the_day_that_ended() -> None:
    bench = Bench(SERVICE, THREE)
    said = [lived.slices[0].step.events[-1].data["game_day"] for lived in bench.run(3)]
    assert said == [1, 2, 3]


def test_each_part_that_a_world_has_is_a_slice() -> None:
    city = night_city()
    assert city.parts == ("diplomacy", "crowd")
    both, off = Bench(SERVICE, city), Bench(SERVICE, city.model_copy(update={"crowd": CrowdScenario(enabled=False)}))
    alone = Bench(SERVICE, city.model_copy(update={"diplomacy": None}))
    assert [len(bench.states) for bench in (both, off, alone)] == [2, 1, 1]
    for bench in (both, off, alone):
        bench.run(40)
    diplomacy = [digest for _, number, digest in both.digests() if number == 0]
    crowd = [digest for _, number, digest in both.digests() if number == 1]
    assert crowd == [digest for _, _, digest in alone.digests()], "a crowd knows nothing of diplomacy"
    assert diplomacy != [digest for _, _, digest in off.digests()], "but factions feel its unrest"
    said = {event.type for _, part in both.steps() for event in part.step.events if part.slice_no == 1}
    assert {"crowd_summary", "crowd_signal"} <= said


def test_a_section_without_any_part_is_refused() -> None:
    with pytest.raises(ValidationError, match="diplomacy, a crowd, or both"):
        SocietyScenario.model_validate({})


def test_factions_of_the_section_stand_in_the_scenario() -> None:
    text = b"""
name: two
factions: [{id: harbor, name: Harbor}, {id: iron, name: Iron}]
services:
  society: {diplomacy: {factions: {harbor: {}, irom: {}}}}
"""
    with pytest.raises(Faulty, match=r"irom.*none of the scenario's factions.*iron"):
        read_scenario(text, "two.yaml", catalogue())


def test_a_directive_may_name_only_the_worlds_factions() -> None:
    section = SocietyScenario.model_validate(THREE)
    model = SERVICE.directives["incident"]
    model.model_validate({"by": "a", "to": "b"}, context={"section": section})
    with pytest.raises(ValidationError, match="there is no 'd'; there are a, b, c"):
        model.model_validate({"by": "a", "to": "d"}, context={"section": section})


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("incident", {"by": "a", "to": "a"}),
        ("incident", {"by": "a", "to": "b", "severity": 0}),
        ("treaty_propose", {"one": "a", "other": "b", "kind": "marriage"}),
        ("treaty_break", {"by": "a", "to": "b"}),
    ],
)
def test_bad_directives_are_refused(name: str, args: dict[str, Any]) -> None:
    with pytest.raises(Faulty):
        Bench(SERVICE, THREE).direct(name, **args)
