"""Replay schedules: python -m tests.simulation SEED prints a trace; with --count N it names the seeds that fail.
Lives here: the command. Not here: schedules (run), how many run in the tests (test_simulation)."""

import argparse
import sys

from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import among_zombies
from tests.simulation.run import SOUND, Mutant, simulate


def replay(seed: int, mutant: Mutant) -> int:
    """Print one schedule's trace and what it breaks; the exit status."""
    trace: list[str] = []
    try:
        house = simulate(seed, mutant, trace)
    except Exception as broken:  # noqa: BLE001 - the trace is what is asked for
        sys.stdout.write("\n".join([*trace, f"{type(broken).__name__}: {broken}", ""]))
        return 1
    sys.stdout.write("\n".join([*trace, str(house.plan), "every promise holds", ""]))
    return 0


def search(seeds: range, mutant: Mutant) -> int:
    """Print which seeds break what; the exit status."""
    failed = 0
    for seed in seeds:
        try:
            simulate(seed, mutant)
        except Exception as broken:  # noqa: BLE001 - whatever it is, the seed must be known
            failed += 1
            sys.stdout.write(f"{seed}: {type(broken).__name__}: {broken}\n")
            sys.stdout.flush()  # a search that is cut short has said what it found
    sys.stdout.write(f"{failed} of {len(seeds)} schedules failed\n")
    return 1 if failed else 0


def main() -> int:
    """Parse the arguments and run."""
    mutants = {mutant.name: mutant for mutant in MUTANTS}
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("seed", type=int)
    parser.add_argument("--count", type=int, default=1, help="so many seeds, without their traces")
    parser.add_argument("--mutant", choices=sorted(mutants), help="with this deliberate bug")
    parser.add_argument("--zombies", action="store_true", help="where little happens but zombies")
    given = parser.parse_args()
    mutant = mutants.get(given.mutant, SOUND)
    if given.zombies:
        mutant = Mutant("among_zombies", "", circumstances=among_zombies)
    if given.count == 1:
        return replay(given.seed, mutant)
    return search(range(given.seed, given.seed + given.count), mutant)


if __name__ == "__main__":
    sys.exit(main())
