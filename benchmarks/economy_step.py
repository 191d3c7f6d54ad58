"""How many worlds' market hours are stepped in a second, against plain Python?

A world has 100 people of five trades and five commodities, as a district of Night City. Ours is the step alone, 1000
worlds in one batch: all wishes, books, settlements and lessons of an hour. The whole step of the service (directives
and facts read, events, facts and rows made) and encoding (what a digest is taken over) are figures of their own.
Rivals: peers/plain_market.py does the same work in plain Python, number for number (proof: prices, money, stocks and
volumes of every hour are equal), its random words given for nothing; peers/plain_bazaar.py is BazaarBot as published,
with as many agents of the same trades: another model, which makes fewer offers (proof: it trades every good and keeps
its money). Both on fewer worlds. Not asked: SQL and Kafka (a durable tick has its own benchmark), several threads.

Machines are shared and all contestants compute in one thread: seconds are the processor's, and a run is the quickest of
several hours.
"""

from math import inf
from time import process_time

import numpy as np
import yaml

from benchmarks.figures import Figure, Place, from_runs
from benchmarks.peers import plain_market
from benchmarks.peers.plain_bazaar import Bazaar, Role
from worldtick.chance.philox import words
from worldtick.chance.streams import ChanceStream
from worldtick.contracts.ids import tick_id
from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.shipped import shipped
from worldtick.economy.market import Market, MarketTick, step_batch
from worldtick.economy.scenario import EconomyScenario
from worldtick.economy.service import MARKET_ORDERS, NAME, SERVICE
from worldtick.runtime.service import Step

HOUR_US = 3_600_000_000
DISTRICT = "Watson"
WARM_HOURS = 24  # so that histories, purses and stores are as in a world that lives


def measure(place: Place) -> list[Figure]:
    """Ours on 1000 worlds, the rivals on 10."""
    worlds, hours, rival_worlds, rival_hours = (20, 2, 1, 5) if place.smoke else (1_000, 5, 10, 20)
    section = one_district()
    markets = _warm(section, worlds)
    _prove_batch(markets)
    bazaars = [_bazaar(section, seed) for seed in range(rival_worlds)]
    _play(bazaars, WARM_HOURS)
    steps: list[float] = []
    services: list[float] = []
    encodes: list[float] = []
    same: list[float] = []
    bazaar: list[float] = []
    for _ in range(place.runs):
        steps.append(worlds / _step_alone(markets, hours))
        service_s, encode_s = _serve(markets, hours)
        services.append(worlds / service_s)
        encodes.append(worlds / encode_s)
        same.append(
            1 / min(_same_work(market, seed, rival_hours) for seed, market in enumerate(markets[:rival_worlds]))
        )
        bazaar.append(1 / _play(bazaars, rival_hours))
    _prove_rival(bazaars)
    rival = float(np.median(same))
    return [
        from_runs("plain_market_hours_per_s", "worlds/s", same),
        from_runs(
            "economy_steps_per_s", "worlds/s", steps, against="plain_market_hours_per_s", rival=rival,
            goal="ratio >= 50",
        ),
        from_runs("plain_bazaar_rounds_per_s", "worlds/s", bazaar),
        from_runs("economy_service_steps_per_s", "worlds/s", services),
        from_runs("economy_encodes_per_s", "worlds/s", encodes),
    ]  # fmt: skip


def one_district() -> EconomyScenario:
    """One district of Night City: 100 people, five commodities."""
    document = yaml.safe_load(shipped("scenarios").joinpath("night_city.yaml").read_text("utf-8"))
    section = document["services"]["economy"]
    section["districts"] = {DISTRICT: section["districts"][DISTRICT]}
    whole = EconomyScenario.model_validate(section)
    assert (whole.plan.persons, whole.plan.markets) == (100, 5)
    return whole


def _tick(world: int, seq: int) -> SealedTick:
    name = f"bench-{world:04d}"
    return SealedTick(
        world=name,
        seed=world,
        epoch_s=1_577_836_800,
        seq=seq,
        kind="hourly",
        kind_seq=seq,
        tick_id=tick_id(name, "hourly", seq * HOUR_US),
        from_us=(seq - 1) * HOUR_US,
        to_us=seq * HOUR_US,
        hours=1,
        triggered_by="scheduler",
        caused_by=None,
        traceparent=None,
        facts_as_of=0,
        consumers=(NAME,),
        budgets={NAME: dict(SERVICE.budgets)},
        directives=(),
        facts={},
    )


def _warm(section: EconomyScenario, worlds: int) -> list[Market]:
    markets = [SERVICE.genesis(section, seed, 0) for seed in range(worlds)]
    for seq in range(1, WARM_HOURS + 1):
        markets = [step.state for step in SERVICE.steps(markets, [_tick(w, seq) for w in range(worlds)])]
    return markets


def _step_alone(markets: list[Market], hours: int) -> float:
    """Seconds that the core takes for the quickest of so many hours, all worlds together."""
    plan = markets[0].plan
    ones = np.full(plan.markets, 1_000_000, np.int64)
    orders = SERVICE.budgets[MARKET_ORDERS]
    best_s = inf
    for seq in range(WARM_HOURS + 1, WARM_HOURS + 1 + hours):
        ticks = [MarketTick(world, seq, seq, 1, orders, ones, ones) for world in range(len(markets))]
        began = process_time()
        lived = step_batch(markets, ticks)
        best_s = min(best_s, process_time() - began)
        markets = [each.market for each in lived]
    return best_s


def _serve(markets: list[Market], hours: int) -> tuple[float, float]:
    """(seconds stepping, seconds encoding) of the whole service in the quickest of so many hours."""
    step_s = encode_s = inf
    for seq in range(WARM_HOURS + 1, WARM_HOURS + 1 + hours):
        ticks = [_tick(world, seq) for world in range(len(markets))]
        began = process_time()
        steps = SERVICE.steps(markets, ticks)
        stepped = process_time()
        bodies = [SERVICE.encode(step.state) for step in steps]
        encode_s = min(encode_s, process_time() - stepped)
        step_s = min(step_s, stepped - began)
        _prove_steps(markets, steps, bodies)
        markets = [step.state for step in steps]
    return step_s, encode_s


def _same_work(market: Market, seed: int, hours: int) -> float:
    """Seconds of plain Python's quickest hour; each is compared with ours. Raises AssertionError."""
    plain = plain_of(market)
    best_s = inf
    for seq in range(WARM_HOURS + 1, WARM_HOURS + 1 + hours):
        draws = draws_of(market, seed, seq)
        began = process_time()
        plain.live(seq, draws)
        best_s = min(best_s, process_time() - began)
        step = SERVICE.step(market, _tick(seed, seq))
        market = step.state
        assert_same(plain, step)
    return best_s


def plain_of(market: Market) -> plain_market.Market:
    """The same district of the same world for plain Python. One district, no factors, no budget, nobody idle."""
    tables = market.plan.tables
    trades = [
        plain_market.Trade(
            int(tables.makes[number]), int(tables.batch_units[number]), int(tables.batches_milli[number]),
            tuple(tables.uses[number].tolist()), int(tables.store_units[number]),
        )
        for number in range(len(market.plan.trades))
    ]  # fmt: skip
    people = [
        plain_market.Person(
            number, trades[market.trade[number]], int(market.money[number]),
            list(zip(market.low[number].tolist(), market.high[number].tolist(), strict=True)),
            market.stock[number].tolist(), market.purse[number].tolist(), _past(market, number),
        )
        for number in range(market.plan.persons)
    ]  # fmt: skip
    wants = (tuple(table.tolist()) for table in (tables.spend_ppm, tables.need_milli, tables.larder_units))
    return plain_market.Market(people, plain_market.Wants(*wants), market.price.tolist())


def _past(market: Market, person: int) -> list[tuple[int, int]]:
    """A person's remembered trades, oldest first."""
    start = int(market.past_next[person])
    ring = list(zip(market.past_commodity[person].tolist(), market.past_price[person].tolist(), strict=True))
    return [trade for trade in ring[start:] + ring[:start] if trade[0] < len(market.plan.commodities)]


def draws_of(market: Market, seed: int, seq: int) -> list[list[int]]:
    """32 random bits by person and commodity, as a step of this tick draws them; at most eight commodities."""
    people = np.arange(market.plan.persons, dtype=np.uint64)
    found = words(seed, seq, people, ChanceStream.ECONOMY_QUOTE)
    halves = np.stack([found & np.uint64(0xFFFFFFFF), found >> np.uint64(32)], axis=2)
    drawn: list[list[int]] = halves.reshape(len(people), 8)[:, : len(market.plan.commodities)].tolist()
    return drawn


def assert_same(plain: plain_market.Market, step: Step[Market]) -> None:
    """Prices, money, beliefs, stocks, purses and what the events say are equal."""
    market = step.state
    assert plain.prices == market.price.tolist()
    for field in ("money", "low", "high", "stock", "purse"):
        assert [getattr(person, field) for person in plain.people] == getattr(market, field).tolist(), field
    said = [
        (data.volume, data.demand, data.supply, data.orders, data.efficiency_ppm)
        for data in (event.data for event in step.events)
    ]
    assert plain.report == said


def _prove_steps(before: list[Market], steps: list[Step[Market]], bodies: list[bytes]) -> None:
    assert len(set(bodies)) == len(steps)
    assert all(len(step.events) == 5 and step.used[MARKET_ORDERS] > 100 for step in steps)
    for market, step in zip(before, steps, strict=True):
        assert market.money.sum() == step.state.money.sum()
    for commodity in range(5):
        assert sum(step.events[commodity].data.volume for step in steps) > 0


def _prove_batch(markets: list[Market]) -> None:
    """A batch is its single steps, bit for bit."""
    some = markets[:10]
    ticks = [_tick(world, WARM_HOURS + 1) for world in range(len(some))]
    together = [SERVICE.encode(step.state) for step in SERVICE.steps(some, ticks)]
    assert together == [SERVICE.encode(SERVICE.step(*each).state) for each in zip(some, ticks, strict=True)]


def _bazaar(section: EconomyScenario, seed: int) -> Bazaar:
    """The same trades, counts, flows and base prices for the rival."""
    goods = list(section.commodities)
    need = [section.households.wants[good].need_milli / 1000 for good in goods]
    roles = [
        Role(
            makes=goods.index(trade.makes),
            batch=trade.batch_units,
            batches=trade.batches_milli / 1000,
            uses=tuple((goods.index(good), units) for good, units in trade.uses.items()),
            ideal=tuple(max(2.0, 8 * (need[goods.index(g)] + trade.uses.get(g, 0))) for g in goods),
        )
        for trade in section.trades.values()
    ]
    counts = [section.districts[DISTRICT][name] for name in section.trades]
    return Bazaar(roles, counts, [price / 100 for price in section.commodities.values()], need, seed)


def _play(bazaars: list[Bazaar], rounds: int) -> float:
    """Seconds of the quickest of so many rounds of each."""
    best_s = inf
    for bazaar in bazaars:
        for _ in range(rounds):
            began = process_time()
            bazaar.round()
            best_s = min(best_s, process_time() - began)
    return best_s


def _prove_rival(bazaars: list[Bazaar]) -> None:
    for bazaar in bazaars:
        money = sum(agent.money for agent in bazaar.agents)
        assert abs(money - 1000.0 * len(bazaar.agents)) < 1e-3
        assert len(bazaar.agents) == 100
    for good in range(5):
        assert sum(bazaar.traded[good] for bazaar in bazaars) > 0
