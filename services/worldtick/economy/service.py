"""The economy as a service: what a tick tells its markets, and what is said of them.
Lives here: the binding of the core to the runtime's contract. Not here: any market's arithmetic (market, hours)."""

from collections.abc import Mapping, Sequence

from worldtick.clock.calendar import hour_of_day
from worldtick.clock.worldtime import HOUR_US
from worldtick.contracts.envelope import price_of
from worldtick.contracts.said import MarketCleared
from worldtick.contracts.sealed import SealedTick
from worldtick.economy.codec import decode, encode
from worldtick.economy.factors import DEMAND, DEMAND_FACT, SUPPLY, Shock, factors_of, live_shocks, shock_at
from worldtick.economy.market import Lived, Market, MarketTick, genesis, step_batch
from worldtick.economy.plan import Plan
from worldtick.economy.scenario import DemandShift, EconomyScenario, Shift, SupplyShock
from worldtick.economy.warming import warm
from worldtick.runtime.service import Event, Projection, Service, Step

NAME = "economy"
MARKET_ORDERS = "market_orders"
PRICES = "prices"
MARKET_STATE = "market_state"
SHOCKS: Mapping[str, tuple[int, type[Shift]]] = {
    "supply_shock": (SUPPLY, SupplyShock),
    "demand_shift": (DEMAND, DemandShift),
}
Row = tuple[str, str, str, int, int, int, int, int, int, int, int, int]


def _genesis(section: EconomyScenario, seed: int, slice_no: int) -> Market:
    return genesis(section.plan, seed)


def _decode(body: bytes, section: EconomyScenario, slice_no: int) -> Market:
    return decode(body, section.plan)


def _step(market: Market, tick: SealedTick) -> Step[Market]:
    return _step_batch([market], [tick])[0]


def _step_batch(markets: Sequence[Market], ticks: Sequence[SealedTick]) -> list[Step[Market]]:
    told = [_told(market, tick) for market, tick in zip(markets, ticks, strict=True)]
    lived = step_batch(markets, told)
    return [_said(result, tick) for result, tick in zip(lived, ticks, strict=True)]


def _begun(plan: Plan, tick: SealedTick) -> list[Shock]:
    """The shocks that the tick's directives begin, at the tick's own beginning."""
    begun = []
    for told in tick.directives_of(NAME):
        side, model = SHOCKS[told.name]
        args = model.model_validate(told.args)
        until_us = tick.from_us + args.hours * HOUR_US
        begun.append(shock_at(plan, side, args.district, args.commodity, args.ppm, until_us))
    return [shock for shock in begun if shock is not None]


def _told(market: Market, tick: SealedTick) -> MarketTick:
    """What the tick means for one world's markets."""
    shocks = live_shocks(market.shocks, _begun(market.plan, tick)) if tick.directives else market.shocks
    supply_ppm, demand_ppm = factors_of(market.plan, shocks, tick.facts.get(DEMAND_FACT, {}), tick.from_us, tick.to_us)
    return MarketTick(
        seed=tick.seed,
        seq=tick.seq,
        hour=tick.to_us // HOUR_US,
        hours=tick.hours,
        market_orders=tick.budget(NAME, MARKET_ORDERS),
        supply_ppm=supply_ppm,
        demand_ppm=demand_ppm,
        shocks=tuple(shock for shock in shocks if shock.until_us > tick.to_us),
    )


def _said(lived: Lived, tick: SealedTick) -> Step[Market]:
    plan = lived.market.plan
    game_hour = hour_of_day(tick.to_us, tick.epoch_s)
    stamp = tick.date(tick.to_us)
    events: list[Event] = []
    rows: list[Row] = []
    prices = lived.market.price.tolist()
    for name, price_ticks, report in zip(plan.market_names, prices, lived.report.T.tolist(), strict=True):
        market_id, district, commodity = name
        volume, demand, supply, orders, efficiency_ppm, made, inputs, eaten, _ = report
        unmatched = demand + supply - 2 * volume
        events.append(
            Event(
                "market_cleared",
                MarketCleared(
                    commodity=commodity,
                    price=price_of(price_ticks),
                    volume=volume,
                    timestamp=stamp,
                    market_id=market_id,
                    period="hourly",
                    tick_id=tick.tick_id,
                    game_hour=game_hour,
                    world=tick.world,
                    seq=tick.seq,
                    price_ticks=price_ticks,
                    district=district,
                    efficiency_ppm=efficiency_ppm,
                    unmatched=unmatched,
                    demand=demand,
                    supply=supply,
                    orders=orders,
                    sources={"production": made},
                    sinks={"inputs": inputs, "consumption": eaten},
                ),
            )
        )
        at = (market_id, commodity, district, game_hour, tick.to_us)
        rows.append((*at, price_ticks, volume, demand, supply, unmatched, orders, efficiency_ppm))
    return Step(
        state=lived.market,
        events=events,
        facts={PRICES: dict(zip(plan.market_ids, prices, strict=True))},
        used={MARKET_ORDERS: lived.orders},
        carried={MARKET_ORDERS: lived.waiting},
        rows={MARKET_STATE: rows},
    )


SERVICE: Service[Market] = Service(
    name=NAME,
    stream="hourly",
    step_version=1,
    scenario_model=EconomyScenario,
    slices=lambda section: 1,
    genesis=_genesis,
    step=_step,
    encode=encode,
    decode=_decode,
    step_batch=_step_batch,
    warm_up=warm,
    budgets={MARKET_ORDERS: 10_000},
    directives={name: model for name, (_, model) in SHOCKS.items()},
    reads_facts=(DEMAND_FACT,),
    writes_facts=(PRICES,),
    projections=(
        Projection(
            MARKET_STATE,
            ("market_id", "commodity", "district", "game_hour", "slot_us", "price_ticks", "volume", "demand", "supply",
             "unmatched", "orders", "efficiency_ppm"),
            ("text", "text", "text", "int2", "int8", "int8", "int8", "int8", "int8", "int8", "int8", "int4"),
        ),
    ),
)  # fmt: skip
