"""Golden digests pin a step, and change only as step_version or their inputs do.
Lives here: the file's life. Not here: what digests are of (test_bench)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.kit.errands import SERVICE, Line, step
from worldtick.contracts.sealed import SealedTick
from worldtick.kit.bench import Bench
from worldtick.kit.golden import check_golden
from worldtick.runtime.service import Service, Step


def _slower(line: Line, tick: SealedTick) -> Step[Line]:
    """From the fourth tick on one fewer comes."""
    return step(replace(line, arrivals=line.arrivals - (tick.kind_seq == 4)), tick)


def _lived(service: Service[Line] = SERVICE, **scenario: Any) -> Bench[Line]:
    bench = Bench(service, scenario)
    bench.run(6)
    return bench


def test_it_is_written_when_asked_and_agrees_after(tmp_path: Path) -> None:
    file = tmp_path / "errands.golden.json"
    with pytest.raises(AssertionError, match="--update-golden"):
        check_golden(_lived(), file)
    check_golden(_lived(), file, update=True)
    check_golden(_lived(), file)
    assert file.read_text("utf-8").count("\n") == 1 + 6 + 1, "a digest a line"


def test_a_changed_step_is_named_and_not_written_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "errands.golden.json"
    changed = replace(SERVICE, step=_slower)
    check_golden(_lived(), file, update=True)
    with pytest.raises(AssertionError, match=r"slice 0 at tick 4 gives other bytes.*raise step_version \(now 1\)"):
        check_golden(_lived(changed), file)
    with pytest.raises(AssertionError, match="Raise step_version first"):
        check_golden(_lived(changed), file, update=True)
    raised = replace(changed, step_version=2)
    with pytest.raises(AssertionError, match="of step_version 1, the service says 2"):
        check_golden(_lived(raised), file)
    check_golden(_lived(raised), file, update=True)
    check_golden(_lived(raised), file)


def test_other_inputs_are_no_change_of_the_step(tmp_path: Path) -> None:
    file = tmp_path / "errands.golden.json"
    check_golden(_lived(), file, update=True)
    with pytest.raises(AssertionError, match="other ticks, scenario"):
        check_golden(_lived(arrivals=9), file)
    check_golden(_lived(arrivals=9), file, update=True)
