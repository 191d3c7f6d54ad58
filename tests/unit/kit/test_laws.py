"""Each check of the kit passes a lawful service and catches the service that breaks its law, saying where.
Lives here: checks against lawless services. Not here: the bench (test_bench), golden files (test_golden)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.unit.kit import lawless
from tests.unit.kit.errands import SERVICE, Line
from worldtick.kit.batch import check_batch
from worldtick.kit.bench import Bench
from worldtick.kit.budgets import check_budget, check_oldest_first
from worldtick.kit.elsewhere import check_elsewhere, place_of
from worldtick.kit.laws import check_laws
from worldtick.kit.purity import check_codec, check_genesis, check_pure, check_takeover
from worldtick.kit.sayings import check_declared, check_events
from worldtick.runtime.service import Service


def _lived(service: Service[Line], ticks: int = 6, **scenario: int) -> Bench[Line]:
    bench = Bench(service, {"arrivals": 5, "lines": 2, **scenario})
    bench.run(2)
    bench.direct("add", count=3)
    bench.fact("weather", {"rain": 1})
    bench.run(ticks - 2)
    return bench


def _waiting(line: Line) -> tuple[tuple[int, int], ...]:
    return line.waiting


def test_a_lawful_service_passes_all() -> None:
    few = Bench(SERVICE, {"arrivals": 1}, seed=5)
    few.run(30)
    check_laws(_lived(SERVICE), few)
    check_oldest_first(_lived(SERVICE), "visits", _waiting)


def test_all_faults_are_reported_at_once() -> None:
    bad = replace(lawless.OVERSPENDING, encode=lawless.UNSORTED.encode)
    with pytest.raises(AssertionError, match=r"(?s)breaks the laws.*insertion orders.*used 5 visits of 4") as found:
        check_laws(_lived(bad, ticks=30), place="tests.unit.kit.lawless:OVERSPENDING")
    assert str(found.value).count("\n- ") >= 2


def test_an_empty_history_proves_nothing() -> None:
    with pytest.raises(AssertionError, match="no tick"):
        check_laws(Bench(SERVICE, {}))


@pytest.mark.parametrize("name", lawless.TOUCHES)
def test_a_touch_of_the_outside_is_named_with_its_place(name: str) -> None:
    bench = _lived(lawless.touching(lawless.TOUCHES[name]), ticks=2)
    with pytest.raises(AssertionError, match=rf"errands, slice . at hourly tick 2 touches.*{name.strip()} ") as found:
        check_pure(bench)
    if not name.startswith("a global"):
        assert "lawless.py:" in str(found.value) or "site-packages" in str(found.value)


CAUGHT: dict[str, tuple[Callable[[Bench[Any]], None], Service[Line], str]] = {
    "remembers": (check_pure, lawless.REMEMBERING, "another state when repeated"),
    "edits its state": (check_pure, lawless.EDITING, "changed the state that it was given"),
    "edits its tick": (check_pure, lawless.SPOILING, "changed its tick"),
    "draws its genesis": (check_genesis, lawless.DRAWN, "touches random"),
    "encodes in insertion order": (check_codec, lawless.UNSORTED, "insertion orders"),
    "decodes too little": (check_codec, lawless.LOSSY, "encodes to other bytes"),
    "forgets to encode": (check_takeover, lawless.FORGETFUL, "another state when repeated"),
    "overspends": (check_budget, lawless.OVERSPENDING, "used 5 visits of 4"),
    "idles": (check_budget, lawless.IDLING, "although 1 of 4 were left"),
    "spends an unknown budget": (check_budget, lawless.saying(used={"miles": 1}), "miles"),
    "says an unknown event": (check_events, lawless.says_event("rain_fell", {}), "no schema"),
    "says too little": (check_events, lawless.says_event("demand_signal", {"commodity": "Food"}), "district"),
    "says an unknown field": (
        check_events,
        lawless.says_event("population_movement", {"origin": "a", "destination": "b", "agent_count": 1, "mood": "x"}),
        "says mood",
    ),
    "says a numpy number": (
        check_events,
        lawless.says_event("population_movement", {"origin": "a", "destination": "b", "agent_count": np.int64(1)}),
        "cannot be written",
    ),
    "says too much": (
        check_events,
        lawless.says_event("aggregated_stats", {
            "slice": 0, "agents": 1, "decisions": 1, "unsaid": 0, "tiers": {},
            "activities": {f"activity_{n:060}": n for n in range(8_000)},
        }),
        "bytes; a record holds",
    ),
    "writes an undeclared fact": (check_declared, lawless.saying(facts={"mood": {"a": 1}}), "writes_facts"),
    "writes a fraction": (check_declared, lawless.saying(facts={"line_length": {"a": 0.5}}), "integer of 64 bits"),
    "asks nobody": (check_declared, lawless.has_effect("cooks", "cook"), "no known service"),
    "asks the unknown": (check_declared, lawless.has_effect("errands", "subtract"), "no directive 'subtract'"),
    "asks wrongly": (check_declared, lawless.has_effect("errands", "add", count="many"), "errands.add are wrong"),
    "fills an undeclared table": (check_declared, lawless.saying(rows={"lines": []}), "no projection"),
    "fills too few columns": (check_declared, lawless.saying(rows={"line": [(1,)]}), "1 columns; it declares 2"),
    "takes one tick for all": (check_batch, lawless.ONE_MIND, "gives other state than step for .* in a batch of"),
    "loses a world": (check_batch, lawless.TOO_SHORT, "1 steps for 2 states"),
    "edits in a batch": (check_batch, lawless.BATCH_EDITING, "changed the state"),
}  # fmt: skip


@pytest.mark.parametrize("name", CAUGHT)
def test_a_broken_law_is_caught(name: str) -> None:
    check, service, said = CAUGHT[name]
    bench = _lived(service, ticks=30 if name == "encodes in insertion order" else 6)
    with pytest.raises(AssertionError, match=said):
        check(bench)


@pytest.mark.parametrize("service", [lawless.NEWEST_FIRST, lawless.NEWCOMERS_FIRST], ids=["newest", "newcomers"])
def test_the_oldest_come_first(service: Service[Line]) -> None:
    with pytest.raises(AssertionError, match=r"older and waits|starves"):
        check_oldest_first(_lived(service), "visits", _waiting)


@pytest.mark.parametrize("name", ["HASHING", "HASHING_WORDS", "ZONED"])
def test_another_process_must_agree(name: str) -> None:
    service: Service[Line] = getattr(lawless, name)
    with pytest.raises(AssertionError, match=r"another process (gives another state|says other things): errands"):
        check_elsewhere(_lived(service, ticks=3))


def test_another_process_that_fails_says_why() -> None:
    with pytest.raises(AssertionError, match="no_such_room"):
        check_elsewhere(_lived(SERVICE, ticks=2), place="no_such_room:SERVICE", hash_seeds=[1])


def test_a_service_is_found_where_it_is_held() -> None:
    assert place_of(SERVICE) in (
        "tests.unit.kit.errands:SERVICE",
        f"{__name__}:SERVICE",
        "tests.unit.kit.lawless:SERVICE",
    )
    with pytest.raises(AssertionError, match="give its place"):
        place_of(replace(SERVICE))


def test_a_batch_is_not_asked_of_a_service_without_one() -> None:
    check_batch(_lived(replace(SERVICE, step_batch=None)))
