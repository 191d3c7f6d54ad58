"""What a seed stands for: the worlds, how much is asked of them, how much goes wrong.
Lives here: everything that is drawn before the first action. Not here: commands (people), mishaps (seams)."""

from dataclasses import dataclass
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
