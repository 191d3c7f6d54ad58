"""Work is bounded and nothing is starved: what a step used, what it carried, and whose turn it was.
Lives here: checks of law 5. Not here: what an operation is (each service says)."""

from collections.abc import Callable, Iterable
from typing import Any

from worldtick.contracts.sealed import SealedTick
from worldtick.kit.bench import Bench, SliceStep


def check_budget(bench: Bench[Any], largest: int = 1) -> None:
    """No step used more than its tick grants, and none carried work over while it could have done it.

    largest: operations of the largest piece of work that is done whole or not at all.
    """
    name = bench.service.name
    for tick, lived in bench.steps():
        step, where = lived.step, _at(name, tick, lived)
        granted = tick.budgets.get(name, {})
        unknown = sorted((set(step.used) | set(step.carried)) - set(granted))
        assert not unknown, f"{where}: used or carried {', '.join(unknown)}, which the service's budgets do not declare"
        for budget, limit in granted.items():
            used, carried = step.used.get(budget, 0), step.carried.get(budget, 0)
            assert 0 <= used <= limit, f"{where}: used {used} {budget} of {limit}; stop when the budget is spent"
            assert carried >= 0, f"{where}: carried {carried} {budget}; what waits cannot be negative"
            assert not carried or limit - used < largest, (
                f"{where}: carried {carried} {budget} over although {limit - used} of {limit} were left"
            )


def check_oldest_first(
    bench: Bench[Any],
    budget: str,
    waiting: Callable[[Any], Iterable[Any]],
    ops_each: int = 1,
) -> None:
    """What did not fit is done oldest first, so each piece is done within (its place in line / budget) ticks, once.

    waiting: state -> a key for each piece of work that waits, such as (since, number); a smaller key is older, and one
    key is one piece for good.
    ops_each: operations that one piece costs. Raises AssertionError on who was passed over, or done while not waiting.
    """
    service = bench.service
    for tick, lived in bench.steps():
        where = _at(service.name, tick, lived)
        before = sorted(waiting(service.decode(lived.before, bench.section, lived.slice_no)))
        after = sorted(waiting(service.decode(lived.after, bench.section, lived.slice_no)))
        here = set(after)
        assert len(here) == len(after), f"{where}: something waits twice in the same line, so it would be done twice"
        stay = [piece for piece in before if piece in here]
        gone = [piece for piece in before if piece not in here]
        if not stay:
            continue
        passed = [piece for piece in gone if piece > stay[0]]
        assert not passed, f"{where}: {passed[0]} was done before {stay[0]}, which is older and waits for {budget}"
        done = lived.step.used.get(budget, 0) // ops_each
        assert done <= len(gone), (
            f"{where}: {done} pieces of work were done and only {len(gone)} of those that waited; newcomers went before"
            f" {stay[0]}, which starves"
        )


def _at(service: str, tick: SealedTick, lived: SliceStep[Any]) -> str:
    return f"{service}, slice {lived.slice_no} at {tick.kind} tick {tick.seq}"
