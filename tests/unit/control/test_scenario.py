"""What a scenario may say, and that every fault of one is named with its place.
Lives here: documents, sections, canonical text. Not here: worlds made from them (tests/integration/test_worlds)."""

import json
from collections.abc import Sequence

import pytest

from tests.small_worlds import CATALOGUE, Section
from worldtick.clock.course import Pace
from worldtick.clock.scale import PPB
from worldtick.clock.worldtime import EPOCH_S, SECOND_US
from worldtick.contracts.errors import Faulty
from worldtick.control.documents import read_document
from worldtick.control.scenario import _under, find_scenario, load_scenario, read_scenario

WHOLE = """
name: small
description: Two services.
world:
  epoch: 2024-01-14T02:00:00+02:00
  facts: lag
  lag_ticks: 2
  catch_up: coalesce
  catch_up_max: 30
  grids: [hourly]
  budgets:
    market: {orders: 9}
factions:
  - {id: red, name: Red Hand}
services:
  count: {slices: 3}
  market:
"""


def _faults(text: str) -> Sequence[str]:
    with pytest.raises(Faulty) as caught:
        read_scenario(text.encode(), "s.yaml", CATALOGUE)
    return caught.value.faults


def test_a_scenario_becomes_a_plan() -> None:
    scenario = read_scenario(WHOLE.encode(), "s.yaml", CATALOGUE)
    plan = scenario.plan("w", first_us=7, seed=3)
    assert plan.sections == {"count": Section(slices=3), "market": Section()}
    assert (plan.epoch_s, plan.facts, plan.lag_ticks) == (1_705_190_400, "lag", 2)
    assert (plan.catch_up, plan.catch_up_max, plan.hourly, plan.daily) == ("coalesce", 30, True, False)
    assert (plan.budgets, plan.seed, plan.first_us) == ({"market": {"orders": 9}}, 3, 7)


def test_a_world_says_what_drives_it() -> None:
    def pace(rules: str) -> Pace:
        text = f"{{name: a, world: {{{rules}}}, services: {{count: {{}}}}}}"
        return read_scenario(text.encode(), "s.yaml", CATALOGUE).plan("w", 0).pace

    assert pace("") == Pace()
    assert pace("driver: auto") == Pace("auto", 60 * PPB)
    whole = "driver: manual, time_scale: 0.5, tick_interval: 250ms, turn: 1h30m, in_flight_max: 3, lag_policy: skip"
    assert pace(whole) == Pace("manual", PPB // 2, 250_000, 5_400 * SECOND_US, 3, "skip")
    for wrong in (
        "time_scale: 0",
        "time_scale: -1",
        "time_scale: .nan",
        "time_scale: 1e308",
        "time_scale: fast",
        "tick_interval: 0s",
        "tick_interval: 5",
        "turn: 1h1h",
        "lag_max: soon",
        "driver: clockwork",
        "in_flight_max: 0",
        "lag_policy: panic",
    ):
        (fault,) = _faults(f"{{name: a, world: {{{wrong}}}, services: {{count: {{}}}}}}")
        assert wrong.partition(":")[0] in fault


def test_what_is_stored_has_every_default_and_one_form() -> None:
    short = read_scenario(b"{name: a, services: {market: , count: {}}}", "s", CATALOGUE)
    long = read_scenario(b"services:\n  count:\n    slices: 1\n  market: {}\nname: a\n", "t", CATALOGUE)
    assert short.canonical == long.canonical
    stored = json.loads(short.canonical)
    assert stored["services"] == {"count": {"slices": 1}, "market": {"slices": 1}}
    assert stored["world"]["epoch"] == "2020-01-01T00:00:00Z"
    assert short.plan("w", 0).epoch_s == EPOCH_S


def test_every_fault_is_named_with_its_place() -> None:
    text = """name: Bad Name
world:
  facts: lags
  lag_tick: 2
  catch_up_max: "24"
  budgets: {market: {order: 1}, council: {}}
factions: [{id: a, name: A}, {id: a}]
services:
  count: {slicse: 3}
  markt: {}
"""
    faults = _faults(text)
    places = {fault.split(":")[1].split()[0] + " " + fault.split()[1].rstrip(":") for fault in faults}
    assert places == {
        "1 name",
        "3 world.facts",
        "4 world.lag_tick",
        "5 world.catch_up_max",
        "7 factions[1].name",
        "9 services.count.slicse",
        "10 services.markt",
    }
    said = "\n".join(faults)
    assert "did you mean lag_ticks?" in said
    assert "did you mean slices?" in said
    assert "did you mean market?" in said


def test_what_only_the_whole_can_see() -> None:
    text = """name: a
world: {grids: [hourly, hourly], budgets: {market: {order: 1}, council: {x: 1}}}
factions: [{id: a, name: A}, {id: a, name: B}]
services: {market: {}}
"""
    faults = _faults(text)
    assert len(faults) == 4
    assert any("factions[1].id: 'a' stands twice" in fault for fault in faults)
    assert any("did you mean orders?" in fault for fault in faults)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nname: b\nservices: {count: {}}", "s.yaml:1 name stands again on line 2"),
        ("name: a\nservices:\n  count: {slices: 1, slices: 2}", "services.count.slices stands again on line 3"),
        ("name: [a", "s.yaml:1:"),
        ("name: a\n\tservices: {}", "s.yaml:2:"),
        ("- a", "s.yaml:1: Input should be a valid dictionary"),
        ("", "name: is missing"),
        ("name: a\n---\nname: b", "another document"),
        ("name: a\nservices: {}", "at least 1 item"),
        ("name: a\nworld: {lag_ticks: 010}\nservices: {count: {}}", "valid integer"),
        ("1: a", "is no text"),
        ("name: !!binary aGk=\nservices: {count: {}}", "is b'hi'"),
        ("name: !!float .nan\nservices: {count: {}}", "is nan"),
        ("name: 99999999999999999999", "no text, whole number of 64 bits"),
        ("name: a\nservices: {count: !!python/name:os.system {}}", "s.yaml:2"),
        ('name: "a\\0"', "NUL"),
        ('name: "\\ud800"', "surrogate"),
        ("a: &a {b: 1}\nc: {<<: *a}", "merge key"),
        ("name: a\nworld: {epoch: 2024-01-14T00:00:00}\nservices: {count: {}}", "names its zone"),
        ("name: a\nworld: {epoch: 2024-01-14}\nservices: {count: {}}", "a date, a time and a zone"),
        ("name: a\nworld: {epoch: '2024-01-14T00:00:00.5Z'}\nservices: {count: {}}", "whole second"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    assert said in "\n".join(_faults(text))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xff\xfe", "no UTF-8"),
        (b"a: " + b"[" * 5_000, "deeply"),
        (b"a: " + b"[" * 40 + b"]" * 40, "too much"),
        (
            b"a: &a [1,1,1,1,1,1,1,1]\n"
            + b"".join(
                b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((n, n) + (n - 1,) * 8) for n in range(98, 110)
            ),
            "too much",
        ),
        (b"a: &a [*a]", "too much"),
        (b"x" * 1_048_577, "at most"),
    ],
)
def test_documents_have_bounds(raw: bytes, said: str) -> None:
    with pytest.raises(Faulty, match=said) as caught:
        read_document(raw, "s.yaml")
    assert len(caught.value.faults) == 1


def test_a_scenario_too_large_to_store_is_refused() -> None:
    factions = "\n".join(f"- {{id: f{n}, name: N, about: *about}}" for n in range(1_000))
    text = f"name: a\nservices: {{count: {{}}}}\ndescription: &about {'x' * 1_040}\nfactions:\n{factions}"
    with pytest.raises(Faulty, match="give recipes"):
        read_scenario(text.encode(), "s.yaml", CATALOGUE)


def test_a_name_that_nothing_has() -> None:
    with pytest.raises(Faulty, match=r"did you mean night_city\?"):
        find_scenario("nightcity")
    with pytest.raises(Faulty, match="cannot be read: No such file"):
        load_scenario("./nowhere.yaml", CATALOGUE)
    with pytest.raises(Faulty, match="cannot be read: Is a directory"):
        load_scenario("/", CATALOGUE)


def test_a_deployments_defaults_fill_what_the_document_leaves_out() -> None:
    defaults = {"count": {"slices": 4}, "nobody": {"slices": 9}}
    silent = read_scenario(b"{name: a, services: {market: , count: }}", "s", CATALOGUE, defaults)
    outspoken = read_scenario(b"{name: a, services: {market: , count: {slices: 2}}}", "s", CATALOGUE, defaults)
    assert json.loads(silent.canonical)["services"] == {"count": {"slices": 4}, "market": {"slices": 1}}
    assert outspoken.sections["count"] == Section(slices=2)


def test_defaults_reach_into_mappings_and_leave_other_things_alone() -> None:
    defaults = {"crowd": {"agents": 7, "width": 9}, "law": 1}
    assert _under(defaults, {}) == {"law": 1}, "a world without a crowd gets none"
    assert _under(defaults, {"crowd": {}}) == defaults
    assert _under(defaults, {"crowd": {"width": 30}, "x": 2}) == {
        "crowd": {"agents": 7, "width": 30},
        "law": 1,
        "x": 2,
    }
    assert _under(defaults, {"crowd": None}) == {"crowd": None, "law": 1}
    assert _under(defaults, [1]) == [1]
