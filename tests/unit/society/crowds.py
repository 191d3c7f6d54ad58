"""Crowds for tests: towns, days lived quickly, and a service that is nothing but a crowd.
Lives here: what several tests of the room share. Not here: assertions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.service import Service, Step
from worldtick.society.crowd import codec, days
from worldtick.society.crowd.days import Crowd, CrowdDay, CrowdLived
from worldtick.society.crowd.scenario import CrowdScenario
from worldtick.society.crowd.town import Town
from worldtick.society.crowded import AGENT_STEPS_DEFAULT, RUMOUR_START, RumourStart, step
from worldtick.society.names import AGENT_STEPS, DEMAND, NAME, PRICES, UNREST

SECTORS = ["Foundry", "Glasshouse", "Harbor", "Watson"]
PLENTY = 10**9  # agent-steps


def town(**more: Any) -> Town:
    """Four sectors of the default grid."""
    return CrowdScenario.model_validate({"sectors": SECTORS, **more}).town


def priced(ticks: int, sectors: Sequence[str] = SECTORS) -> dict[str, int]:
    """Food at one price everywhere."""
    return {f"{sector}/Food": ticks for sector in sectors}


def wavy(day: int) -> dict[str, int]:
    """Prices that differ and move, as markets' do, with a dear fortnight in each 100 days."""
    dear = 400 if 30 < day % 100 < 45 else 0
    return {f"{sector}/Food": 270 + (day * 37 + i * 53) % 60 + dear for i, sector in enumerate(SECTORS)}


def lived(
    crowd: Crowd, seed: int, number: int, prices: Mapping[str, int] | None = None, steps: int = PLENTY
) -> Iterator[CrowdLived]:
    """So many days, one after another."""
    for _ in range(number):
        result = days.step(crowd, CrowdDay(seed, steps, prices or {}))
        crowd = result.crowd
        yield result


def _step(crowd: Crowd, tick: SealedTick) -> Step[Crowd]:
    return step(crowd, tick)


ALONE: Service[Crowd] = Service(
    name=NAME,
    stream="daily",
    step_version=1,
    scenario_model=CrowdScenario,
    slices=lambda section: 1,
    genesis=lambda section, seed, slice_no: days.genesis(section.town, seed),
    step=_step,
    encode=codec.encode,
    decode=lambda body, section, slice_no: codec.decode(body, section.town),
    budgets={AGENT_STEPS: AGENT_STEPS_DEFAULT},
    directives={RUMOUR_START: RumourStart},
    reads_facts=(PRICES,),
    writes_facts=(DEMAND, UNREST),
)
