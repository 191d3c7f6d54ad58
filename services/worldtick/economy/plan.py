"""The plan of an economy: who lives where with which trade, what each trade turns into what, what households want.
Lives here: the tables that never change in a world's life. Not here: what changes (market.py), YAML (scenario.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.int64]


class PlanTables(NamedTuple):
    """What kernels read; all int64. n persons, D districts, C commodities, T trades."""

    district_start: Table  # (D+1,) persons of district d are district_start[d] .. district_start[d+1]-1
    spend_ppm: Table  # (C,) share of its money that a household spends on a commodity in an hour
    need_milli: Table  # (C,) thousandths of a unit that a household can use up in an hour
    larder_units: Table  # (C,) a household buys no more while it holds this much
    makes: Table  # (T,) the commodity that a trade makes
    batch_units: Table  # (T,) units made in one batch
    batches_milli: Table  # (T,) thousandths of a batch that a person can make in an hour
    uses: Table  # (T, C) units used up by one batch
    net: Table  # (T, C) units that one batch makes, less those that it uses
    store_units: Table  # (T,) a person makes no more while holding this much of its product


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One scenario's economy, shared by all worlds made of it."""

    districts: tuple[str, ...]
    commodities: tuple[str, ...]
    trades: tuple[str, ...]
    person_trade: NDArray[np.uint8]  # (n,) the trade with which each person begins
    base_price: Table  # (C,) price ticks
    money_ticks: int  # what each person begins with
    tables: PlanTables
    market_names: tuple[tuple[str, str, str], ...]  # (M,) of (id, district, commodity), the id being district/commodity
    market_ids: tuple[str, ...]  # (M,)
    market_numbers: Mapping[str, int]  # id -> index

    @property
    def persons(self) -> int:
        """n."""
        return len(self.person_trade)

    @property
    def pairs(self) -> int:
        """P = n x C."""
        return len(self.person_trade) * len(self.commodities)

    @property
    def markets(self) -> int:
        """D x C: a market for each commodity in each district, at district x C + commodity."""
        return len(self.districts) * len(self.commodities)


@dataclass(frozen=True, slots=True)
class TradePlan:
    """One trade, by commodity names."""

    makes: str
    batch_units: int
    batches_milli: int
    uses: Mapping[str, int]


def build_plan(
    districts: Sequence[str],
    base_price: Mapping[str, int],
    trades: Mapping[str, TradePlan],
    people: Mapping[str, Mapping[str, int]],
    households: Mapping[str, Any],
) -> Plan:
    """Lay out the tables. Districts and commodities keep their order; in a district persons stand trade by trade.

    base_price: commodity -> price ticks. people: district -> trade -> persons.
    households: spend_ppm and need_milli (commodity -> int), money_ticks, larder_hours, store_hours.
    """
    commodities = tuple(base_price)
    names = tuple(trades)
    counts = np.array([[people.get(d, {}).get(t, 0) for t in names] for d in districts], np.int64)
    person_trade = np.concatenate([np.repeat(np.arange(len(names), dtype=np.uint8), row) for row in counts])
    start = np.concatenate([[0], np.cumsum(counts.sum(axis=1))]).astype(np.int64)
    market_ids = tuple(f"{d}/{c}" for d in districts for c in commodities)
    return Plan(
        districts=tuple(districts),
        commodities=commodities,
        trades=names,
        person_trade=person_trade,
        base_price=np.array(list(base_price.values()), np.int64),
        money_ticks=households["money_ticks"],
        tables=_tables(start, commodities, list(trades.values()), households),
        market_names=tuple((f"{d}/{c}", d, c) for d in districts for c in commodities),
        market_ids=market_ids,
        market_numbers={name: number for number, name in enumerate(market_ids)},
    )


def _tables(
    start: Table, commodities: tuple[str, ...], trades: list[TradePlan], wants: Mapping[str, Any]
) -> PlanTables:
    def by_commodity(values: Mapping[str, int]) -> Table:
        return np.array([values.get(c, 0) for c in commodities], np.int64)

    need = by_commodity(wants["need_milli"])
    batch = np.array([t.batch_units for t in trades], np.int64)
    pace = np.array([t.batches_milli for t in trades], np.int64)
    makes = np.array([commodities.index(t.makes) for t in trades], np.int64)
    uses = np.array([by_commodity(t.uses) for t in trades], np.int64).reshape(len(trades), len(commodities))
    net = -uses
    net[np.arange(len(trades)), makes] += batch
    return PlanTables(
        district_start=start,
        spend_ppm=by_commodity(wants["spend_ppm"]),
        need_milli=need,
        larder_units=-(-need * wants["larder_hours"] // 1000),
        makes=makes,
        batch_units=batch,
        batches_milli=pace,
        uses=uses,
        net=net,
        store_units=np.maximum(batch, batch * pace * wants["store_hours"] // 1000),
    )
