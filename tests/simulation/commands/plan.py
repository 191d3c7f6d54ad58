"""What a seed stands for: the worlds, how much is asked of them, how much goes wrong.
Lives here: everything that is drawn before the first action. Not here: commands (people), mishaps (seams)."""

from dataclasses import dataclass, replace
from random import Random

ACTIONS = 60


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """A world that is there from the beginning."""

    name: str
    driver: str
    facts: str
    agenda: bool  # it has timers to skip to


@dataclass(frozen=True, slots=True)
class Plan:
    """One schedule's circumstances."""

    seed: int
    worlds: tuple[WorldPlan, ...]
    actions: int
    partitions: int  # of world.control
    members: int  # of control's group
    per_minute: int  # commands of one actor
    repeats: float  # chance that a record repeats an id that was sent before
    modes: bool  # whether drivers are changed, too
    faults: float  # chance of a fault at a seam
    faults_max: int
    pauses: float  # chance that whoever reaches a seam is held up there
    pauses_max: int
    pauses_at: str = ""  # the one seam at which anybody is held up; all if empty
    tickers: int = 2
    only: tuple[str, ...] = ()  # the commands that are sent; all if empty


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    rng = Random(f"plan {seed}")
    worlds = tuple(
        WorldPlan(
            name,
            rng.choice(("manual", "manual", "auto", "scheduled")),
            rng.choice(("latest", "latest", "lag")),
            rng.random() < 0.4,
        )
        for name in ("w0", "w1")[: rng.choice((1, 2, 2))]
    )
    return Plan(
        seed=seed,
        worlds=worlds,
        actions=ACTIONS,
        partitions=rng.choice((1, 2, 2)),
        members=rng.choice((1, 2, 2)),
        per_minute=rng.choice((6_000, 6_000, 6_000, 30)),
        repeats=rng.choice((0.1, 0.3, 0.5)),
        modes=rng.random() < 0.5,
        faults=rng.choice((0.0, 0.02, 0.05, 0.1)),
        faults_max=rng.choice((3, 10, 30)),
        pauses=rng.choice((0.0, 0.02, 0.05, 0.1)),
        pauses_max=rng.choice((3, 10, 30)),
    )


def crowded(plan: Plan) -> Plan:
    """The same, with two members on one world, who are held up often; little else goes wrong."""
    calm = replace(plan, worlds=plan.worlds[:1], partitions=2, members=2, per_minute=6_000, repeats=0.1)
    return replace(
        calm, faults=0.01, pauses=0.12, pauses_max=200, only=("clock.advance", "clock.set_scale", "tick.force")
    )


def interleaved(plan: Plan) -> Plan:
    """The same, with hold-ups within SQL transactions alone."""
    return replace(crowded(plan), pauses=0.5, pauses_at="statement")


def forced(plan: Plan) -> Plan:
    """The same, with processes of control that die often while they force ticks, which no ticker rings for them."""
    return replace(plan, faults=0.1, faults_max=40, per_minute=6_000, tickers=0, only=("tick.force",))


def unlucky(plan: Plan) -> Plan:
    """The same, with processes of control that die often."""
    return replace(plan, faults=0.06, faults_max=40, per_minute=6_000)
