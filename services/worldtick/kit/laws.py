"""All laws at once: what a service's test calls.
Lives here: the list of checks, one report of all that is broken. Not here: any check."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from worldtick.kit.batch import check_batch
from worldtick.kit.bench import Bench
from worldtick.kit.budgets import check_budget
from worldtick.kit.elsewhere import check_elsewhere
from worldtick.kit.purity import check_all_slices, check_codec, check_genesis, check_pure, check_takeover
from worldtick.kit.sayings import check_declared, check_events
from worldtick.runtime.service import Service


def check_laws(
    *benches: Bench[Any],
    catalogue: Mapping[str, Service[Any]] | None = None,
    place: str | None = None,
    largest: int = 1,
) -> None:
    """Every check that needs no more than lived histories of one service.

    benches: lived with the directives, facts and budgets that matter; two or more of different scenarios also try mixed
    batches. catalogue: the services that effects may name. place: "module:ATTRIBUTE" for the other processes.
    largest: operations of the largest indivisible piece of work. Raises one AssertionError that lists all faults.
    Left for the service's own test, because only it knows them: check_golden (a file), check_oldest_first (who waits).
    """
    check_all_slices(benches)
    faults: list[str] = []
    for bench in benches:
        for check in _checks(bench, catalogue, largest):
            _collect(check, faults)
    _collect(partial(check_batch, *benches), faults)
    _collect(partial(check_elsewhere, *benches, place=place), faults)
    assert not faults, f"{benches[0].service.name} breaks the laws:\n" + "\n".join(f"- {fault}" for fault in faults)


def _checks(bench: Bench[Any], catalogue: Mapping[str, Service[Any]] | None, largest: int) -> list[Callable[[], None]]:
    return [
        partial(check_genesis, bench),
        partial(check_codec, bench),
        partial(check_pure, bench),
        partial(check_takeover, bench),
        partial(check_budget, bench, largest),
        partial(check_declared, bench, catalogue),
        partial(check_events, bench),
    ]


def _collect(check: Callable[[], None], faults: list[str]) -> None:
    try:
        check()
    except AssertionError as fault:
        faults.append(str(fault))
