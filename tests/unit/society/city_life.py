"""Night City's markets, crowd and factions side by side, each hearing the others' facts, in memory.
Lives here: living both through days. Not here: assertions, the real parts (tests/integration)."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from worldtick.contracts.sealed import Directive, SealedTick
from worldtick.contracts.shipped import shipped
from worldtick.economy.scenario import EconomyScenario
from worldtick.economy.service import SERVICE as ECONOMY
from worldtick.runtime.service import Event, Step
from worldtick.society.diplomacy.days import score
from worldtick.society.scenario import SocietyScenario
from worldtick.society.service import SERVICE as SOCIETY

HOUR_US = 3_600_000_000
Facts = dict[str, dict[str, dict[int, dict[str, int]]]]


@dataclass
class City:
    """Night City. hears: whether markets hear the crowd."""

    seed: int = 1
    hears: bool = True
    facts: Facts = field(default_factory=dict)
    price: list[float] = field(default_factory=list)  # of Food, mean of the districts, each day
    demand_ppm: list[float] = field(default_factory=list)  # mean of the districts
    unrest_ppm: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)  # points, mean of all pairs of factions
    events: list[tuple[int, Event]] = field(default_factory=list)  # society's, with the day
    digests: list[tuple[bytes, bytes]] = field(default_factory=list)  # markets, crowd
    seq: int = 0

    def __post_init__(self) -> None:
        document = yaml.safe_load(shipped("scenarios").joinpath("night_city.yaml").read_text("utf-8"))
        section = EconomyScenario.model_validate(document["services"]["economy"])
        self.section = SocietyScenario.model_validate(document["services"]["society"])
        assert self.section.crowd is not None
        self.sectors = self.section.crowd.sectors
        assert set(self.sectors) == set(section.districts)
        self._market = ECONOMY.genesis(section, self.seed, 0)
        self._parts: dict[str, Any] = {
            part: SOCIETY.genesis(self.section, self.seed, number) for number, part in enumerate(self.section.parts)
        }

    def live(self, days: int, *told: Directive) -> None:
        """So many days: 24 hourly ticks of the markets, then society's daily one; directives on the first of each."""
        for day in range(days):
            for hour in range(24):
                market = ECONOMY.step(self._market, self._tick("hourly", told if day == hour == 0 else ()))
                self._market = market.state
                self._keep("economy", 0, market)
            tick = self._tick("daily", told if day == 0 else ())
            for number, part in enumerate(self.section.parts):
                lived = SOCIETY.step(self._parts[part], tick)
                self._parts[part] = lived.state
                self._keep("society", number, lived)
                self.events += [(len(self.price) + 1, event) for event in lived.events]
            self._note()

    def signals(self) -> list[tuple[int, dict[str, Any]]]:
        """(day, what it says) of each crowd signal."""
        return [(day, event.data) for day, event in self.events if event.type == "crowd_signal"]

    def _tick(self, kind: Any, directives: tuple[Directive, ...]) -> SealedTick:
        """Facts of all ticks before this one: a lag of one tick."""
        self.seq += 1
        number = self.seq - self.seq // 25 if kind == "hourly" else self.seq // 25
        until = self.seq - self.seq // 25
        heard = {"hourly": ("demand_ppm",), "daily": ("prices", "unrest_ppm")}[kind]
        facts = {name: self.facts[name] for name in heard if name in self.facts and (self.hears or kind == "daily")}
        return SealedTick(
            world="city", seed=self.seed, epoch_s=0, seq=self.seq, kind=kind, kind_seq=number, tick_id="",
            from_us=(until - 1) * HOUR_US, to_us=until * HOUR_US, hours=1 if kind == "hourly" else 24,
            triggered_by="scheduler", caused_by=None, traceparent=None, facts_as_of=self.seq - 1,
            consumers=("economy", "society"), directives=directives,
            facts={name: {by: dict(slices) for by, slices in fact.items()} for name, fact in facts.items()},
            budgets={"economy": dict(ECONOMY.budgets), "society": dict(SOCIETY.budgets)},
        )  # fmt: skip

    def _keep(self, service: str, slice_no: int, step: Step[Any]) -> None:
        for name, values in (step.facts or {}).items():
            self.facts.setdefault(name, {}).setdefault(service, {})[slice_no] = dict(values)

    def _note(self) -> None:
        prices = self.facts["prices"]["economy"][0]
        self.price.append(sum(prices[f"{sector}/Food"] for sector in self.sectors) / len(self.sectors))
        crowd = self.section.parts.index("crowd")
        for name, kept in (("demand_ppm", self.demand_ppm), ("unrest_ppm", self.unrest_ppm)):
            values = list(self.facts[name]["society"][crowd].values())
            kept.append(sum(values) / len(values))
        self.score.append(float(score(self._parts["diplomacy"].relations).mean()) / 1000)
        self.digests.append((ECONOMY.encode(self._market), SOCIETY.encode(self._parts["crowd"])))


def scarce(hours: int, ppm: int = 400_000) -> Directive:
    """Less Food everywhere."""
    args = {"district": "*", "commodity": "Food", "ppm": ppm, "hours": hours}
    return Directive("economy", "supply_shock", args, "admin", 1)


def dread(sector: str, tellers: int = 12) -> Directive:
    """A rumour that food runs out."""
    return Directive("society", "rumour_start", {"sector": sector, "kind": "dread", "tellers": tellers}, "admin", 2)
