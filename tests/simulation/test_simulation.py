"""Thousands of seeded histories full of faults: every promise holds in each, and each comes to its end.
Lives here: how many schedules, how a failed one is told. Not here: schedules (house), promises, mutants."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.simulation.plan import among_zombies
from tests.simulation.run import SOUND, Mutant, simulate

SCHEDULES = 2_000  # in every test run
ZOMBIES = 400  # more of them, in which little else happens
CHUNK = 200
SOAK_SCHEDULES = 100_000
SOAK_FIRST = 1_000_000  # others than those of every run
TRACE_LINES_MAX = 80
HOUSE = Path(__file__).parents[2]


AMONG_ZOMBIES = Mutant("among_zombies", SOUND.says, circumstances=among_zombies)


def told(seed: int, broken: BaseException, mutant: Mutant) -> str:
    """What a failed schedule says: the promise, how to replay it, the end of its trace."""
    trace: list[str] = []
    with suppress(Exception):
        simulate(seed, mutant, trace)
    zombies = " --zombies" if mutant is AMONG_ZOMBIES else ""
    return (
        f"schedule {seed}: {type(broken).__name__}: {broken}\n"
        f"replay it: python -m tests.simulation {seed}{zombies}, or pytest tests/simulation --sim-seed {seed}\n"
        + "\n".join(trace[-TRACE_LINES_MAX:])
    )


def failures(seeds: range, mutant: Mutant = SOUND) -> Iterator[str]:
    """What the schedules of these seeds break."""
    for seed in seeds:
        try:
            simulate(seed, mutant)
        except Exception as broken:  # noqa: BLE001 - whatever it is, the seed must be known
            yield told(seed, broken, mutant)


@pytest.mark.parametrize("first", range(0, SCHEDULES, CHUNK))
def test_schedules(first: int) -> None:
    for failure in failures(range(first, first + CHUNK)):
        pytest.fail(failure, pytrace=False)


def test_schedules_among_zombies() -> None:
    for failure in failures(range(ZOMBIES), AMONG_ZOMBIES):
        pytest.fail(failure, pytrace=False)


def test_one_schedule(request: pytest.FixtureRequest) -> None:
    seed = request.config.getoption("--sim-seed", default=None)
    for mutant in (SOUND, AMONG_ZOMBIES):
        for failure in failures(range(seed, seed + 1) if seed is not None else range(1), mutant):
            pytest.fail(failure, pytrace=False)


def test_a_seed_is_one_history_in_any_process() -> None:
    """Neither the hash seed nor what ran before changes a schedule."""
    program = (
        "from tests.simulation.run import simulate\n"
        "for seed in (3, 17, 40):\n"
        "    trace = []\n"
        "    simulate(seed, trace=trace)\n"
        "    print('\\n'.join(trace))\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=HOUSE,
            env={**_plain_environment(), "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert said[0].count("\n") > 100
    assert said[0] == said[1]


def _plain_environment() -> dict[str, str]:
    return {"PATH": os.defpath, "PYTHONPATH": str(HOUSE)}


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_soak() -> None:
    chunks = [range(first, first + CHUNK) for first in range(SOAK_FIRST, SOAK_FIRST + SOAK_SCHEDULES, CHUNK)]
    with multiprocessing.get_context("spawn").Pool() as pool:
        for found in pool.imap_unordered(_chunk, chunks):
            if found:
                pytest.fail(found[0], pytrace=False)


def _chunk(seeds: range) -> list[str]:
    return next(([failure] for failure in failures(seeds)), [])
