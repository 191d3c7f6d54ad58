"""Golden digests: the bytes that a step gave when they were last agreed upon.
Lives here: the file, comparing, and when it may be written again. Not here: digests of released schemas."""

import json
from pathlib import Path
from typing import Any

import xxhash

from worldtick.contracts.sealed import encode_sealed
from worldtick.kit.bench import Bench


def check_golden(bench: Bench[Any], file: Path, update: bool = False) -> None:
    """The digests of all that the bench lived equal those in `file`.

    update: write the file again (what `--update-golden` asks for); refused while the same ticks give other bytes under
    an unchanged step_version, because ledgers and snapshots would then claim to be of a step that no longer exists.
    Before a first release, delete the file to begin anew. Raises AssertionError on the first tick that differs.
    """
    made = _made(bench)
    agreed = json.loads(file.read_text("utf-8")) if file.exists() else None
    if update:
        _refuse_silent_change(bench, made, agreed, file)
        file.write_text(_text(made), "utf-8")
        return
    assert agreed is not None, f"{file.name} is missing: write it with --update-golden and commit it"
    assert agreed["inputs"] == made["inputs"], (
        f"{file.name} was made from other ticks, scenario or directives: write it again with --update-golden"
    )
    assert agreed["step_version"] == made["step_version"], (
        f"{file.name} is of step_version {agreed['step_version']}, the service says {made['step_version']}:"
        " write it again with --update-golden"
    )
    place = _first_difference(agreed["digests"], made["digests"])
    assert place is None, (
        f"{bench.service.name}: {place} gives other bytes than {file.name} says. If that is meant, raise step_version"
        f" (now {made['step_version']}), write the file again with --update-golden, and say why in the change"
    )


def _made(bench: Bench[Any]) -> dict[str, Any]:
    inputs = xxhash.xxh3_128(json.dumps(bench.section.model_dump(mode="json"), sort_keys=True).encode())
    for lived in bench.history:
        inputs.update(encode_sealed(lived.tick))
    return {
        "service": bench.service.name,
        "step_version": bench.service.step_version,
        "inputs": inputs.hexdigest(),
        "digests": [list(each) for each in bench.digests()],  # seq, slice, digest
    }


def _text(made: dict[str, Any]) -> str:
    """JSON with one digest a line, so that a change shows where it begins."""
    head = {key: value for key, value in made.items() if key != "digests"}
    lines = ",\n".join(f"  {json.dumps(each)}" for each in made["digests"])
    return json.dumps(head)[:-1] + ', "digests": [\n' + lines + "\n]}\n"


def _refuse_silent_change(bench: Bench[Any], made: dict[str, Any], agreed: dict[str, Any] | None, file: Path) -> None:
    if agreed is None or agreed["inputs"] != made["inputs"] or agreed["step_version"] != made["step_version"]:
        return
    assert agreed["digests"] == made["digests"], (
        f"{file.name} stays: the same ticks give {bench.service.name} other bytes under the same step_version"
        f" {made['step_version']}. Raise step_version first, or delete the file if the service was never released"
    )


def _first_difference(agreed: list[list[Any]], made: list[list[Any]]) -> str | None:
    for old, new in zip(agreed, made, strict=False):
        if old != new:
            return f"slice {new[1]} at tick {new[0]}"
    return None if len(agreed) == len(made) else "the number of steps"
