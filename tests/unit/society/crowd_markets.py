"""A city's markets and its crowd side by side, each hearing the other's facts, in memory.
Lives here: living both through days. Not here: assertions, the real parts (tests/integration)."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.unit.society.crowds import ALONE, SECTORS
from worldtick.contracts.sealed import Directive, SealedTick
from worldtick.contracts.shipped import shipped
from worldtick.economy.scenario import EconomyScenario
from worldtick.economy.service import SERVICE as ECONOMY
from worldtick.runtime.service import Event, Step
from worldtick.society.crowd.scenario import CrowdScenario

HOUR_US = 3_600_000_000
Facts = dict[str, dict[str, dict[int, dict[str, int]]]]


@dataclass
class City:
    """Night City's markets and a crowd in its four districts; `hears` says whether markets hear the crowd."""

    seed: int = 1
    hears: bool = True
    facts: Facts = field(default_factory=dict)
    price: list[float] = field(default_factory=list)  # of Food, mean of the districts, each day
    demand_ppm: list[float] = field(default_factory=list)
    unrest_ppm: list[float] = field(default_factory=list)
    signals: list[tuple[int, Event]] = field(default_factory=list)
    digests: list[tuple[bytes, bytes]] = field(default_factory=list)
    seq: int = 0

    def __post_init__(self) -> None:
        document = yaml.safe_load(shipped("scenarios").joinpath("night_city.yaml").read_text("utf-8"))
        section = EconomyScenario.model_validate(document["services"]["economy"])
        assert sorted(section.districts) == SECTORS
        self._market = ECONOMY.genesis(section, self.seed, 0)
        self._crowd: Any = ALONE.genesis(CrowdScenario(sectors=SECTORS), self.seed, 0)

    def live(self, days: int, *told: Directive) -> None:
        """So many days: 24 hourly ticks of the markets, the daily one of the crowd; directives on the first of each."""
        for day in range(days):
            for _ in range(24):
                first = told if day == 0 and self.seq % 25 == 0 else ()
                step = ECONOMY.step(self._market, self._tick("hourly", first))
                self._market = step.state
                self._keep("economy", step)
            lived = ALONE.step(self._crowd, self._tick("daily", told if day == 0 else ()))
            self._crowd = lived.state
            self._keep("society", lived)
            self._note(lived)

    def _tick(self, kind: Any, directives: tuple[Directive, ...]) -> SealedTick:
        self.seq += 1
        number = self.seq if kind == "hourly" else self.seq // 25
        until = self.seq - self.seq // 25
        wanted = {"hourly": "demand_ppm", "daily": "prices"}[kind]
        facts = {wanted: self.facts[wanted]} if wanted in self.facts and (self.hears or kind == "daily") else {}
        return SealedTick(
            world="city", seed=self.seed, epoch_s=0, seq=self.seq, kind=kind, kind_seq=number, tick_id="",
            from_us=(until - 1) * HOUR_US, to_us=until * HOUR_US, hours=1 if kind == "hourly" else 24,
            triggered_by="scheduler", caused_by=None, traceparent=None, facts_as_of=self.seq - 1,
            consumers=("economy", "society"), directives=directives, facts=facts,
            budgets={"economy": dict(ECONOMY.budgets), "society": dict(ALONE.budgets)},
        )  # fmt: skip

    def _keep(self, service: str, step: Step[Any]) -> None:
        for name, values in (step.facts or {}).items():
            self.facts[name] = {service: {0: dict(values)}}

    def _note(self, step: Step[Any]) -> None:
        prices = self.facts["prices"]["economy"][0]
        self.price.append(sum(prices[f"{sector}/Food"] for sector in SECTORS) / len(SECTORS))
        for name, kept in (("demand_ppm", self.demand_ppm), ("unrest_ppm", self.unrest_ppm)):
            values = list(self.facts[name]["society"][0].values())
            kept.append(sum(values) / len(values))
        self.signals += [(len(self.price), event) for event in step.events if event.type == "crowd_signal"]
        self.digests.append((ECONOMY.encode(self._market), ALONE.encode(self._crowd)))


def scarce(hours: int, ppm: int = 400_000) -> Directive:
    """Less Food everywhere."""
    args = {"district": "*", "commodity": "Food", "ppm": ppm, "hours": hours}
    return Directive("economy", "supply_shock", args, "admin", 1)


def dread(sector: str, tellers: int = 12) -> Directive:
    """A rumour that food runs out."""
    return Directive("society", "rumour_start", {"sector": sector, "kind": "dread", "tellers": tellers}, "admin", 2)
