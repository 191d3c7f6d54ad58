"""The economy's section of a scenario: districts, commodities, trades, people, households; and what directives say.
Lives here: the models, their bounds and cross-checks. Not here: the tables made of them (plan), reading YAML (cli)."""

import json
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from worldtick.economy.plan import Plan, TradePlan, build_plan

PERSONS_MAX = 100_000  # of one world
MARKETS_MAX = 1_000  # of one world: districts x commodities; each says an event every tick
MONEY_MAX_TICKS = 1_000_000_000_000  # of one world in all: every product with it stays within int64
PLANS_KEPT = 256
EVERYWHERE = "*"

Name = Annotated[str, Field(pattern=r"^[^/*\s]([^/*]{0,62}[^/*\s])?$")]  # a market's id is district/commodity
Units = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Factor = Annotated[int, Field(strict=True, ge=0, le=10_000_000, description="1000000 = unchanged")]


class _Part(BaseModel):
    """A word that the model does not know is a fault, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Trade(_Part):
    """What a person of this trade makes, out of what, how fast."""

    makes: Name
    batch_units: Units = Field(1, description="Units made in one batch.")
    batches_milli: Annotated[int, Field(strict=True, ge=1, le=100_000)] = Field(
        description="Thousandths of a batch that a person can make in an hour."
    )
    uses: dict[Name, Units] = Field(default_factory=dict, description="Units of each commodity used up by one batch.")


class Want(_Part):
    """What a household wants of one commodity."""

    spend_ppm: Annotated[int, Field(strict=True, ge=0, le=250_000)] = Field(
        description="Share of its money that it spends on it in an hour."
    )
    need_milli: Annotated[int, Field(strict=True, ge=0, le=100_000)] = Field(
        description="Thousandths of a unit that it can use up in an hour."
    )


class Households(_Part):
    """What every person wants and begins with."""

    money_ticks: Annotated[int, Field(strict=True, ge=1)] = Field(description="Money that each person begins with.")
    larder_hours: Annotated[int, Field(strict=True, ge=1, le=1_000)] = Field(
        24, description="A household holds what it needs for so long; of what it has over that it uses up faster."
    )
    store_hours: Annotated[int, Field(strict=True, ge=1, le=1_000)] = Field(
        24, description="A person makes no more while so many hours' product lie unsold."
    )
    wants: dict[Name, Want]


class EconomyScenario(_Part):
    """The scenario's section `economy`. Prices and money are in price ticks of 0.01."""

    commodities: dict[Name, Annotated[int, Field(strict=True, ge=2, le=1_000_000)]] = Field(
        min_length=1, max_length=64, description="Commodity -> base price in price ticks, about which beliefs begin."
    )
    trades: dict[Name, Trade] = Field(min_length=1, max_length=64)
    districts: dict[Name, dict[Name, Annotated[int, Field(strict=True, ge=0, le=PERSONS_MAX)]]] = Field(
        min_length=1, description="District -> trade -> people."
    )
    households: Households

    @model_validator(mode="after")
    def _whole(self) -> "EconomyScenario":
        """Check the parts against each other; every fault at once, each with its place."""
        faults = [*_trade_faults(self), *_want_faults(self), *_district_faults(self), *_size_faults(self)]
        if faults:
            raise ValidationError.from_exception_data(
                type(self).__name__,
                [InitErrorDetails(type=PydanticCustomError("economy", "{text}", {"text": text}), loc=place, input=found)
                 for place, found, text in faults],
            )  # fmt: skip
        return self

    @cached_property
    def plan(self) -> Plan:
        """The tables of this economy: one object for all equal sections, so that their worlds step in one call."""
        return _plan_of(json.dumps(self.model_dump(), sort_keys=True))


Fault = tuple[tuple[str, ...], Any, str]


def _unknown(name: str, known: Any) -> str:
    return f"there is no {name!r}; there are {', '.join(known)}"


def _trade_faults(section: EconomyScenario) -> list[Fault]:
    made = {trade.makes for trade in section.trades.values()}
    faults: list[Fault] = []
    for name, trade in section.trades.items():
        if trade.makes not in section.commodities:
            faults.append((("trades", name, "makes"), trade.makes, _unknown(trade.makes, section.commodities)))
        for used in trade.uses:
            place = ("trades", name, "uses", used)
            if used not in section.commodities:
                faults.append((place, used, _unknown(used, section.commodities)))
            elif used == trade.makes:
                faults.append((place, used, f"{name} makes {used} out of {used}; a trade uses what others make"))
            elif used not in made:
                faults.append((place, used, f"nobody makes {used}"))
    unmade = sorted(set(section.commodities) - made)
    return faults + [(("commodities", name), name, f"no trade makes {name}") for name in unmade]


def _want_faults(section: EconomyScenario) -> list[Fault]:
    wants = section.households.wants
    spends = {name for name, want in wants.items() if want.spend_ppm > 0}
    faults: list[Fault] = [
        (("households", "wants", name), name, _unknown(name, section.commodities))
        for name in wants
        if name not in section.commodities
    ]
    spent = sum(want.spend_ppm for want in wants.values())
    if spent > 500_000:
        faults.append(
            (("households", "wants"), spent, f"they spend {spent} ppm of their money an hour; at most 500000")
        )
    for name, trade in section.trades.items():
        if not spends - {trade.makes, *trade.uses}:
            text = "its people would hoard all money: households want nothing but what it makes or uses"
            faults.append((("trades", name), trade.makes, text))
    bought = spends | {used for trade in section.trades.values() for used in trade.uses}
    unbought = sorted(set(section.commodities) - bought)
    return faults + [(("commodities", name), name, f"nobody buys {name}") for name in unbought]


def _district_faults(section: EconomyScenario) -> list[Fault]:
    faults: list[Fault] = []
    for district, people in section.districts.items():
        unknown = [trade for trade in people if trade not in section.trades]
        faults += [(("districts", district, trade), trade, _unknown(trade, section.trades)) for trade in unknown]
        present = [section.trades[trade] for trade, count in people.items() if count and trade in section.trades]
        if not present:
            faults.append((("districts", district), people, "nobody lives there"))
        lacking = sorted({used for trade in present for used in trade.uses} - {trade.makes for trade in present})
        faults += [
            (("districts", district), people, f"trades there use {used}, and nobody there makes it") for used in lacking
        ]
    return faults


def _size_faults(section: EconomyScenario) -> list[Fault]:
    persons = sum(count for people in section.districts.values() for count in people.values())
    markets = len(section.districts) * len(section.commodities)
    money = persons * section.households.money_ticks
    faults: list[Fault] = []
    if persons > PERSONS_MAX:
        faults.append((("districts",), persons, f"{persons} people; at most {PERSONS_MAX} in one world"))
    if markets > MARKETS_MAX:
        faults.append((("districts",), markets, f"{markets} markets; at most {MARKETS_MAX} in one world"))
    if money > MONEY_MAX_TICKS:
        place = ("households", "money_ticks")
        faults.append((place, money, f"{money} price ticks in all; at most {MONEY_MAX_TICKS} in one world"))
    return faults


@lru_cache(maxsize=PLANS_KEPT)  # by content: two sections parsed from the same text share their plan
def _plan_of(canonical: str) -> Plan:
    """Names stand sorted, so that the order in which a file lists them changes nothing."""
    section = EconomyScenario.model_validate_json(canonical)
    households = section.households
    return build_plan(
        districts=sorted(section.districts),
        base_price=dict(sorted(section.commodities.items())),
        trades={
            name: TradePlan(trade.makes, trade.batch_units, trade.batches_milli, trade.uses)
            for name, trade in sorted(section.trades.items())
        },
        people=section.districts,
        households={
            "spend_ppm": {name: want.spend_ppm for name, want in households.wants.items()},
            "need_milli": {name: want.need_milli for name, want in households.wants.items()},
            "money_ticks": households.money_ticks,
            "larder_hours": households.larder_hours,
            "store_hours": households.store_hours,
        },
    )


class Shift(_Part):
    """A factor on some markets for some hours of world time, from the tick that carries it."""

    district: Name | Literal["*"] = EVERYWHERE
    commodity: Name | Literal["*"] = EVERYWHERE
    ppm: Factor
    hours: Annotated[int, Field(strict=True, ge=1, le=87_600)] = Field(description="Game hours until it is over.")

    @field_validator("district", "commodity")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        """With the world's section as context ({"section": ...}) a name that the world does not have is a fault."""
        section = (info.context or {}).get("section")
        if isinstance(section, EconomyScenario) and name != EVERYWHERE:
            known = section.districts if info.field_name == "district" else section.commodities
            if name not in known:
                raise ValueError(_unknown(name, [*known, EVERYWHERE]))
        return name


class SupplyShock(Shift):
    """Production is multiplied by ppm / 1,000,000. A later one on the same district and commodity replaces it."""


class DemandShift(Shift):
    """What households want to buy and use up is multiplied. A later one on the same target replaces it."""
