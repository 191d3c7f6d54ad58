"""A scenario's economy is checked whole: every fault with its place; equal sections share their plan.
Lives here: what the models refuse and make. Not here: the file around the section (control)."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.economy.towns import SCENARIOS, shipped, town
from worldtick.economy.scenario import DemandShift, EconomyScenario, SupplyShock

EVERY = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


def _faults(section: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        EconomyScenario.model_validate(section)
    return {".".join(map(str, fault["loc"])): fault["msg"] for fault in caught.value.errors()}


@pytest.mark.parametrize("name", EVERY)
def test_shipped_scenarios_have_no_fault(name: str) -> None:
    plan = shipped(name).plan
    assert plan.persons > 0
    assert plan.markets == len(plan.market_ids) == len(set(plan.market_ids))


def test_night_city_is_what_the_seed_speaks_of() -> None:
    assert set(shipped("night_city").commodities) == {"Food", "Wood", "Metal", "Weapon", "Crystal"}


def test_every_fault_is_named_with_its_place() -> None:
    section = town()
    section["commodities"]["Ghost"] = 10
    section["trades"]["baker"]["uses"] = {"Salt": 1, "Yeast": 2, "Bread": 1}
    section["trades"]["smith"] = {"makes": "Sword", "batches_milli": 100}
    section["districts"] = {"Quay": {"baker": 3, "cook": 1}, "Moor": {"weaver": 0}}
    section["households"]["wants"]["Sugar"] = {"spend_ppm": 1, "need_milli": 1}
    assert _faults(section) == {
        "trades.smith.makes": "there is no 'Sword'; there are Bread, Salt, Cloth, Ghost",
        "trades.baker.uses.Yeast": "there is no 'Yeast'; there are Bread, Salt, Cloth, Ghost",
        "trades.baker.uses.Bread": "baker makes Bread out of Bread; a trade uses what others make",
        "commodities.Ghost": "nobody buys Ghost",
        "households.wants.Sugar": "there is no 'Sugar'; there are Bread, Salt, Cloth, Ghost",
        "districts.Quay.cook": "there is no 'cook'; there are baker, salter, weaver, smith",
        "districts.Quay": "trades there use Yeast, and nobody there makes it",
        "districts.Moor": "nobody lives there",
    }


def test_a_trade_uses_what_somebody_makes() -> None:
    section = town()
    del section["trades"]["salter"], section["districts"]["Quay"]["salter"]
    faults = _faults(section)
    assert faults["trades.baker.uses.Salt"] == "nobody makes Salt"
    assert faults["commodities.Salt"] == "no trade makes Salt"


def test_money_must_be_able_to_go_round() -> None:
    section = town()
    section["households"]["wants"] = {"Bread": {"spend_ppm": 10, "need_milli": 1}}
    faults = _faults(section)
    assert "hoard" in faults["trades.baker"]
    assert "trades.salter" not in faults
    section["households"]["wants"] = {name: {"spend_ppm": 200_000, "need_milli": 1} for name in section["commodities"]}
    assert "at most 500000" in _faults(section)["households.wants"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("commodities", "Bread"), 1),
        (("commodities", "Bread"), 10.5),
        (("commodities", "a/b"), 10),
        (("trades", "baker", "batches_milli"), 0),
        (("trades", "baker", "batch_units"), 10_001),
        (("trades", "baker", "speed"), 3),
        (("districts", "Quay", "baker"), -1),
        (("districts", "*"), {"baker": 1}),
        (("districts", "Quay", "baker"), 100_001),
        (("households", "money_ticks"), 0),
        (("households", "money_ticks"), 10**12),
        (("households", "larder_hours"), 0),
        (("households", "wants", "Bread", "spend_ppm"), 250_001),
    ],
)
def test_bounds(place: tuple[str, ...], value: Any) -> None:
    section = town()
    at = section
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    assert _faults(section)


def test_too_many_markets() -> None:
    section = town()
    section["districts"] = {f"D{number}": {"baker": 1, "salter": 1} for number in range(400)}
    assert "1200 markets; at most 1000" in _faults(section)["districts"]


def test_the_order_of_names_changes_nothing() -> None:
    """Canonical JSON sorts keys; a world made from the file and one made from its stored text are the same."""
    section = town()
    turned = {key: dict(reversed(value.items())) for key, value in reversed(section.items())}
    assert EconomyScenario.model_validate(turned).plan is EconomyScenario.model_validate(section).plan
    again = EconomyScenario.model_validate_json(EconomyScenario.model_validate(section).model_dump_json())
    assert again.plan is EconomyScenario.model_validate(section).plan
    other = town(districts={"Quay": {"baker": 4, "salter": 5, "weaver": 5}})
    assert EconomyScenario.model_validate(other).plan is not again.plan


@pytest.mark.parametrize("model", [SupplyShock, DemandShift])
def test_directives_know_the_world_where_they_are_given_it(model: type[SupplyShock]) -> None:
    section = EconomyScenario.model_validate(town())
    said = {"district": "Quay", "commodity": "*", "ppm": 0, "hours": 5}
    assert model.model_validate(said, context={"section": section}).commodity == "*"
    assert model.model_validate({"ppm": 5, "hours": 1}).district == "*"
    with pytest.raises(ValidationError, match="there is no 'Quai'; there are Quay"):
        model.model_validate({**said, "district": "Quai"}, context={"section": section})
    with pytest.raises(ValidationError, match="there is no 'Gold'"):
        model.model_validate({**said, "commodity": "Gold"}, context={"section": section})
    for bad in ({"ppm": -1}, {"ppm": 10_000_001}, {"hours": 0}, {"hours": 90_000}, {"hours": 1.5}, {"else": 1}):
        with pytest.raises(ValidationError):
            model.model_validate({**said, **bad})
