"""Replay one schedule and print its trace: python -m tests.simulation SEED [--mutant NAME].
Lives here: the command. Not here: schedules (run), mutants."""

import argparse
import sys

from tests.simulation.run import SOUND, simulate

parser = argparse.ArgumentParser(prog="python -m tests.simulation")
parser.add_argument("seed", type=int)
parser.add_argument("--count", type=int, default=1)
given = parser.parse_args()
for seed in range(given.seed, given.seed + given.count):
    trace: list[str] | None = [] if given.count == 1 else None
    try:
        house = simulate(seed, SOUND, trace)
    except Exception as broken:
        if trace is not None:
            sys.stdout.write("\n".join(trace) + "\n")
            raise
        sys.stdout.write(f"{seed}: {type(broken).__name__} {broken}\n")
    else:
        if trace is not None:
            sys.stdout.write("\n".join(trace) + "\n" + f"{house.plan}\n")
