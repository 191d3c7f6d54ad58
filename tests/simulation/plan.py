"""What a seed stands for: the installation, its inputs, and how much misfortune of each kind befalls it.
Lives here: everything that is drawn before the first step. Not here: when it happens (house, misfortune)."""

from dataclasses import dataclass, replace
from random import Random

from worldtick.clock.worldtime import HOUR_US
from worldtick.contracts.sealed import Stream
from worldtick.runtime.rules import Rules
from worldtick.store.clocks import Clock

GENESIS_S = 1_577_836_800  # 2020-01-01T00:00Z
SLICE_TOPIC = "npc.slice"
STREAMS: dict[str, Stream] = {"roll": "all", "tally": "hourly"}
FAULTS = (
    "crash",
    "pause",
    "rebalance",
    "sql",
    "end",
    "hole",
    "prune",
    "ticker_crash",
    "control_crash",
    "load",
    "stop",
    "late_ring",
)
OFTEN = ("crash", "pause", "pause", "rebalance", "rebalance", "sql", "end", "end")
INPUTS = ("paste", "garbage", "copy", "directive")


@dataclass(frozen=True, slots=True)
class Plan:
    """One schedule's circumstances."""

    seed: int
    partitions: int
    worlds: tuple[str, ...]
    services: tuple[str, ...]
    alone: bool  # the first world has only the first service
    slices: int
    workers: int  # of each service
    hours: int  # each world is brought so far
    tickers: int
    start_hour: int  # of the day at which the worlds begin: how near midnight is
    facts: str
    lag_ticks: int
    catch_up: str
    batched: bool
    rules: Rules
    inputs: tuple[str, ...]
    faults: tuple[str, ...]
    burst: float  # chance that whoever acted acts again at once
    alert: float  # chance that a worker hears of a rebalance before it does anything else
    backlog: bool  # services are installed late, when retention has already deleted most rings
    bad: tuple[tuple[str, str, int, str], ...]  # service, world, place, what its step does
    fanned: bool  # the first service is rung slice by slice, on a topic of its own


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    rng = Random(seed)
    worlds = tuple(f"w{number}" for number in range(rng.choice((1, 1, 2, 3))))
    services = ("roll",) if rng.random() < 0.6 else ("roll", "tally")
    hours = rng.randint(2, 6)
    return Plan(
        seed=seed,
        partitions=rng.choice((1, 1, 2, 3)),
        worlds=worlds,
        services=services,
        alone=rng.random() < 0.2,
        slices=rng.choice((1, 1, 2)),
        workers=rng.choice((1, 2, 2, 3)),
        hours=hours,
        tickers=rng.choice((1, 2)),
        start_hour=rng.choice((0, 20, 22, 23)),
        facts=rng.choice(("lag", "latest", "latest")),
        lag_ticks=rng.choice((1, 2)),
        catch_up=rng.choice(("each", "each", "coalesce")),
        batched=rng.random() < 0.5,
        rules=Rules(
            batch_records=rng.choice((1, 2, 3, 5)),
            ticks_per_record=rng.choice((1, 2, 64)),
            snapshot_bytes_per_tick=rng.choice((16, 6)),
            snapshot_ticks_max=rng.choice((1, 3, 24)),
            memory_bytes_max=rng.choice((1 << 30, 1 << 30, 20)),
        ),
        inputs=tuple(rng.choice(INPUTS) for _ in range(rng.choice((0, 2, 4)))),
        faults=tuple(rng.choice(FAULTS + OFTEN) for _ in range(rng.choice((0, 3, 6, 12)))),
        burst=rng.choice((0.0, 0.5, 0.9)),
        alert=rng.choice((0.5, 0.05)),
        backlog=rng.random() < 0.3,
        bad=tuple(_bad_steps(rng, services, worlds, hours)),
        fanned=rng.random() < 0.3,
    )


def services_of(plan: Plan, world: str) -> tuple[str, ...]:
    """The services that a world has."""
    return plan.services[:1] if plan.alone and world == plan.worlds[0] else plan.services


def among_zombies(plan: Plan) -> Plan:
    """The same seed where little happens but that two workers of one partition stand still, hear late, and go on."""
    return replace(
        plan,
        partitions=1,
        worlds=plan.worlds[:1],
        services=plan.services[:1],
        workers=2,
        rules=replace(plan.rules, batch_records=1, ticks_per_record=1),
        inputs=(),
        faults=("pause",) * 8 + ("rebalance", "rebalance", "end", "end"),
        burst=0.8,
        alert=0.02,
        backlog=True,
        bad=(),
    )


def _bad_steps(
    rng: Random, services: tuple[str, ...], worlds: tuple[str, ...], hours: int
) -> list[tuple[str, str, int, str]]:
    if rng.random() < 0.6:
        return []
    kinds = ("poison", "flaky", "kills", "deadly")
    place = rng.randint(1, hours)
    found = [(rng.choice(services), rng.choice(worlds), place, rng.choice(kinds))]
    if rng.random() < 0.3:  # three in a row park the slice
        service, world, _, _ = found[0]
        found = [(service, world, place + more, "poison") for more in range(3)]
    return found


def clock_of(plan: Plan, world_key: int, world: str) -> Clock:
    """The clock of a world of this plan, at genesis."""
    return Clock(
        world_key=world_key,
        world=world,
        status="active",
        seed=plan.seed * 7 + world_key,
        services=list(services_of(plan, world)),
        budgets={},
        settings={},
        epoch_s=GENESIS_S + plan.start_hour * 3_600,
        driver="scheduled",
        paused=False,
        hourly=True,
        daily=True,
        period_us=HOUR_US,
        last_firing_us=0,
        catch_up=plan.catch_up,
        catch_up_max=1_000,
        facts=plan.facts,
        lag_ticks=plan.lag_ticks,
        now_us=0,
        daily_us=0,
        seq=0,
        hourly_seq=0,
        daily_seq=0,
    )
