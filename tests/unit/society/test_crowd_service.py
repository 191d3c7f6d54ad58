"""The crowd as a slice: the laws, the agreed bytes, what it says, what a scenario may ask for.
Lives here: steps as the runtime sees them. Not here: what people do (test_crowd_kernel), other people's models."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.unit.society.crowds import ALONE, SECTORS, priced, wavy
from worldtick.cli.catalogue import catalogue
from worldtick.cli.settings import Settings
from worldtick.contracts.errors import Faulty
from worldtick.control.scenario import load_scenario
from worldtick.kit.bench import Bench
from worldtick.kit.golden import check_golden
from worldtick.kit.laws import check_laws
from worldtick.runtime.service import Event
from worldtick.society.crowd import codec, days
from worldtick.society.crowd.days import Crowd
from worldtick.society.crowd.scenario import CrowdScenario
from worldtick.society.crowded import RumourStart, movement
from worldtick.society.names import AGENT_STEPS, DEMAND, UNREST

GOLDEN = Path(__file__).with_name("crowd.golden.json")
SECTION = {"sectors": SECTORS}


def _eventful(seed: int = 1, steps: int | None = None, **section: int) -> Bench[Crowd]:
    """A history with prices, a planted rumour, and a budget that falls short."""
    budgets = {} if steps is None else {AGENT_STEPS: steps}
    bench = Bench(ALONE, {**SECTION, **section}, seed=seed, budgets=budgets)
    bench.run(9)
    bench.fact("prices", wavy(0), service="economy")
    bench.direct("rumour_start", sector="Harbor", kind="dread", tellers=8)
    bench.direct("rumour_start", sector="Nowhere", kind="feast")
    bench.run(4)
    bench.fact("prices", priced(900), service="economy")
    bench.run(6)
    return bench


def _said(bench: Bench[Crowd], kind: str) -> list[Event]:
    return [event for _, each in bench.steps() for event in each.step.events if event.type == kind]


def test_keeps_the_laws() -> None:
    check_laws(
        _eventful(),
        _eventful(seed=-5, steps=1_111, agents=60),
        _eventful(seed=2**62, width=9, height=6, agents=7),
        place="tests.unit.society.crowds:ALONE",
    )


def test_gives_the_agreed_bytes(request: pytest.FixtureRequest) -> None:
    check_golden(_eventful(), GOLDEN, bool(request.config.getoption("--update-golden")))


def test_each_day_is_summed_up_and_said_as_facts() -> None:
    bench = _eventful()
    summaries = _said(bench, "crowd_summary")
    assert [event.data["game_day"] for event in summaries] == list(range(1, 20))
    for event, (_, each) in zip(summaries, bench.steps(), strict=True):
        assert sum(event.data["residents"].values()) == event.data["agents"] == 100
        assert each.step.used == {AGENT_STEPS: 2_400}
        facts = each.step.facts
        assert facts is not None
        assert set(facts[DEMAND]) == {f"{sector}/Food/crowd" for sector in SECTORS}
        assert set(facts[UNREST]) == set(SECTORS)
        assert all(500_000 <= ppm <= 2_000_000 for ppm in facts[DEMAND].values())
        assert all(0 <= ppm <= 1_000_000 for ppm in facts[UNREST].values())


def test_a_planted_rumour_is_heard_feared_and_bought_for() -> None:
    told, untold = (Bench(ALONE, SECTION, seed=3).lived(20) for _ in range(2))
    told.direct("rumour_start", sector="Harbor", kind="dread", tellers=12)
    with_it, without = told.run(3), untold.run(3)
    for kind in (DEMAND, UNREST):
        key = "Harbor/Food/crowd" if kind == DEMAND else "Harbor"
        said = [[(each.slices[0].step.facts or {})[kind][key] for each in history] for history in (with_it, without)]
        assert max(said[0]) > max(said[1]), kind
    names = {event.data["signal_type"] for event in _said(told, "crowd_signal")}
    assert "food_demand_rising" in names
    wanted = _said(told, "demand_signal")
    assert {event.data["origin"] for event in wanted} == {"crowd"}


def test_signals_have_the_seeds_fields_and_name_a_place() -> None:
    bench = Bench(ALONE, SECTION, seed=5).lived(250)
    signals = _said(bench, "crowd_signal")
    assert signals
    for event in signals:
        data = event.data
        assert data["location"] in [*SECTORS, "*"]
        assert data["time_window_minutes"] == 1_440
        assert data["predicted_duration_minutes"] > 0
        assert 4.0 <= data["magnitude"] <= 100.0
        assert data["location"] != "*" or data["agent_count"] == 100
    assert any(event.data["location"] == "*" for event in signals)
    movements = _said(bench, "population_movement")
    assert movements
    for event in movements:
        assert event.data["origin"] != event.data["destination"]
        assert event.data["agent_count"] >= 1
    ended = _said(bench, "crowd_signal_ended")
    assert 0 < len(ended) <= len(signals)


def test_a_movement_is_the_largest_visit() -> None:
    present = [[5, 2, 0], [7, 9, 3], [0, 4, 8]]
    assert movement(present, 0) == (1, 0, 7)
    assert movement(present, 1) == (2, 1, 4)
    assert movement(present, 3) == (1, 0, 7)


def test_without_a_budget_nothing_happens_and_all_is_owed() -> None:
    bench = Bench(ALONE, SECTION, budgets={AGENT_STEPS: 0}).lived(3)
    *_, (_, last) = bench.steps()
    assert last.step.carried == {AGENT_STEPS: 3 * 2_400}
    assert last.step.facts is None
    assert last.step.events == []


def test_a_codec_refuses_what_is_another_towns() -> None:
    crowd = days.genesis(CrowdScenario.model_validate(SECTION).town, 1)
    body = codec.encode(crowd)
    with pytest.raises(ValueError, match="a crowd of 99 people"):
        codec.decode(body, CrowdScenario.model_validate({**SECTION, "agents": 99}).town)


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ({"agents": 0}, "agents"),
        ({"agents": 100_001}, "agents"),
        ({"width": 4}, "width"),
        ({"sectors": ["A", "A"]}, "named twice"),
        ({"sectors": [f"s{i}" for i in range(64)], "width": 5, "height": 5}, "need 8 x 8 cells"),
        ({"sectors": ["a/b"]}, "sectors"),
        ({"model": "nobody"}, "there is no crowd model 'nobody'; there are city, schelling"),
        ({"options": {"homophily": 3}}, "city takes no homophily"),
        ({"model": "schelling", "options": {"hue": 3}}, "schelling takes no hue; it takes homophily, turnover_ppm"),
        ({"people": 3}, "people"),
    ],
)
def test_scenario_names_its_faults(section: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        CrowdScenario.model_validate(section)


def test_a_crowd_that_is_off_needs_no_model() -> None:
    assert CrowdScenario.model_validate({"enabled": False, "model": "nobody"}).enabled is False


def test_a_rumour_starts_in_a_sector_that_there_is() -> None:
    class Section:
        crowd = CrowdScenario.model_validate(SECTION)

    RumourStart.model_validate({"sector": "Harbor"}, context={"section": Section})
    with pytest.raises(ValidationError, match="there is no 'Hull'; there are Foundry"):
        RumourStart.model_validate({"sector": "Hull"}, context={"section": Section})
    with pytest.raises(Faulty):
        Bench(ALONE, SECTION).direct("rumour_start", sector="Harbor", tellers=0)


def test_a_worker_with_the_built_in_crowd_never_loads_mesa() -> None:
    program = (
        "import sys\n"
        "from tests.unit.society.crowds import ALONE\n"
        "from worldtick.kit.bench import Bench\n"
        "Bench(ALONE, {}).run(1)\n"
        "assert 'mesa' not in sys.modules and 'pandas' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_deployments_crowd_stands_in_the_stored_scenario() -> None:
    given = {"CROWD_NUM_AGENTS": "250", "CROWD_GRID_WIDTH": "80"}
    scenario = load_scenario("night_city", catalogue(), Settings.from_env(given).scenario_defaults)
    stored = json.loads(scenario.canonical)["services"]["society"]["crowd"]
    assert (stored["agents"], stored["width"], stored["height"], stored["enabled"]) == (250, 80, 50, True)
    off = Settings.from_env({"CROWD_SIMULATION_ENABLED": "false"}).scenario_defaults
    society = load_scenario("night_city", catalogue(), off).sections["society"]
    assert catalogue()["society"].slices(society) == 1, "diplomacy alone"
