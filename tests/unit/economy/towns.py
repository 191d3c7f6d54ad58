"""Economies for tests: the shipped scenarios, towns of one's own, and hours lived quickly.
Lives here: what several tests of the room share. Not here: assertions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from worldtick.contracts.ids import tick_id
from worldtick.contracts.sealed import Directive, SealedTick
from worldtick.economy.equilibrium import equilibrium
from worldtick.economy.market import Market
from worldtick.economy.scenario import EconomyScenario
from worldtick.economy.service import MARKET_ORDERS, NAME, SERVICE
from worldtick.runtime.service import Step

SCENARIOS = Path(__file__).parents[3] / "scenarios"
HOUR_US = 3_600_000_000
EPOCH_S = 1_577_836_800
Real = NDArray[np.float64]
More = Callable[[int], dict[str, Any]]


def shipped(name: str) -> EconomyScenario:
    """The economy of a scenario that comes with worldtick."""
    document = yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text("utf-8"))
    return EconomyScenario.model_validate(document["services"]["economy"])


def town(**more: Any) -> dict[str, Any]:
    """A small section as YAML gives it: one district, two trades of which one uses what the other makes."""
    section: dict[str, Any] = {
        "commodities": {"Bread": 300, "Salt": 500, "Cloth": 900},
        "trades": {
            "baker": {"makes": "Bread", "batch_units": 3, "batches_milli": 900, "uses": {"Salt": 1}},
            "salter": {"makes": "Salt", "batches_milli": 1500},
            "weaver": {"makes": "Cloth", "batches_milli": 600},
        },
        "districts": {"Quay": {"baker": 4, "salter": 5, "weaver": 4}},
        "households": {
            "money_ticks": 50_000,
            "wants": {
                "Bread": {"spend_ppm": 5000, "need_milli": 700},
                "Salt": {"spend_ppm": 1500, "need_milli": 200},
                "Cloth": {"spend_ppm": 4000, "need_milli": 200},
            },
        },
    }
    return {**section, **more}


def hour(seq: int, seed: int = 1, hours: int = 1, orders: int = 10_000, **more: Any) -> SealedTick:
    """The tick that ends at hour `seq` of a world, spanning `hours`."""
    fields: dict[str, Any] = {
        "world": f"w{seed}",
        "seed": seed,
        "epoch_s": EPOCH_S,
        "seq": seq,
        "kind": "hourly",
        "kind_seq": seq,
        "tick_id": tick_id(f"w{seed}", "hourly", seq * HOUR_US),
        "from_us": (seq - hours) * HOUR_US,
        "to_us": seq * HOUR_US,
        "hours": hours,
        "triggered_by": "scheduler",
        "caused_by": None,
        "traceparent": None,
        "facts_as_of": 0,
        "consumers": (NAME,),
        "budgets": {NAME: {MARKET_ORDERS: orders}},
        "directives": (),
        "facts": {},
    }
    return SealedTick(**{**fields, **more})


def directive(name: str, **args: Any) -> dict[str, Any]:
    """What a tick has more when it carries this directive."""
    return {"directives": (Directive(NAME, name, args, "admin", 1),)}


def live(
    section: EconomyScenario, hours: int, seed: int = 1, market: Market | None = None, more: More | None = None
) -> list[Step[Market]]:
    """The steps of a world's hours 1 to `hours`, or of as many after `market`, hour by hour."""
    state = SERVICE.genesis(section, seed, 0) if market is None else market
    steps: list[Step[Market]] = []
    for seq in range(1, hours + 1):
        steps.append(SERVICE.step(state, hour(seq, seed, **(more(seq) if more else {}))))
        state = steps[-1].state
    return steps


def prices(steps: Sequence[Step[Market]]) -> Real:
    """(hours, M) price ticks."""
    return np.array([step.state.price for step in steps], np.float64)


def equilibria(section: EconomyScenario, supply: Real | None = None, demand: Real | None = None) -> Real:
    """(M,) the equilibrium price of every market, price ticks."""
    plan = section.plan
    return np.concatenate([equilibrium(plan, district, supply, demand) for district in range(len(plan.districts))])


def said(steps: Sequence[Step[Market]], field: str) -> NDArray[np.int64]:
    """(hours, M) a number that the events say."""
    return np.array([[getattr(event.data, field) for event in step.events] for step in steps], np.int64)
