"""The same history in other processes: another hash seed, time zone, locale and directory, the same bytes.
Lives here: starting them and comparing. Not here: what they do (replaying)."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from worldtick.contracts.sealed import encode_sealed
from worldtick.kit.bench import Bench
from worldtick.kit.replaying import Found, Task
from worldtick.kit.said import said_digest
from worldtick.runtime.service import Service

TIMEOUT_S = 120.0
ELSEWHERE = ("TZ=Pacific/Kiritimati", "LC_ALL=C")


def check_elsewhere(*benches: Bench[Any], place: str | None = None, hash_seeds: Sequence[int] = (1, 2, 3)) -> None:
    """Replay all that the benches lived, one process for each hash seed, and compare digests and sayings.

    Catches what follows the order of a set or of `hash(text)`, the zone, the directory, or a module's global.
    place: "module:ATTRIBUTE" of the service; by default it is looked for among the loaded modules.
    Raises AssertionError naming the first slice and tick that differ, or what the process said when it failed.
    """
    tasks = [_task(bench, place or place_of(bench.service)) for bench in benches]
    expected = [found for bench in benches for found in _lived(bench)]
    body = msgspec.msgpack.encode(tasks)
    for hash_seed, found in zip(hash_seeds, _run(body, hash_seeds), strict=True):
        _compare(benches[0].service.name, expected, found, f"PYTHONHASHSEED={hash_seed} {' '.join(ELSEWHERE)}")


def _task(bench: Bench[Any], place: str) -> Task:
    return Task(
        path=[str(Path(entry).resolve()) for entry in sys.path],  # "" is the directory that we are in
        place=place,
        section=bench.section.model_dump(mode="json"),
        seed=bench.seed,
        ticks=[encode_sealed(lived.tick) for lived in bench.history],
    )


def _lived(bench: Bench[Any]) -> list[Found]:
    return [Found(tick.seq, each.slice_no, each.digest, said_digest(each.step)) for tick, each in bench.steps()]


def place_of(service: Service[Any]) -> str:
    """`module:ATTRIBUTE` under which a loaded module holds this service. Raises AssertionError if none does."""
    own = service.step.__module__
    for name in sorted(sys.modules, key=lambda name: (name != own, name)):
        if name in ("__main__", "__mp_main__"):
            continue
        for attribute, value in list(getattr(sys.modules[name], "__dict__", {}).items()):
            if value is service:
                return f"{name}:{attribute}"
    raise AssertionError(f"no module holds the service {service.name}: give its place as 'module:ATTRIBUTE'")


def _run(body: bytes, hash_seeds: Sequence[int]) -> list[list[Found]]:
    """One process for each hash seed, all at once; what each found."""
    with tempfile.TemporaryDirectory() as empty:
        running = [_started(hash_seed, empty) for hash_seed in hash_seeds]
        try:
            return [_found(process, body) for process in running]
        finally:
            for process in running:
                process.kill()  # no harm to one that has ended
                process.wait()


def _started(hash_seed: int, directory: str) -> "subprocess.Popen[bytes]":
    # `env` hands our environment on without our reading it
    command = ["env", f"PYTHONHASHSEED={hash_seed}", *ELSEWHERE, sys.executable, "-m", "worldtick.kit.replaying"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=directory)


def _found(process: "subprocess.Popen[bytes]", body: bytes) -> list[Found]:
    try:
        answer, errors = process.communicate(body, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"the replay in another process did not end within {TIMEOUT_S:.0f} s") from late
    if process.returncode != 0:
        said = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing said"]
        raise AssertionError(f"the replay in another process failed: {said[0]}")
    return msgspec.msgpack.decode(answer, type=list[Found])


def _compare(service: str, expected: list[Found], found: list[Found], where: str) -> None:
    assert len(found) == len(expected), (
        f"{service}: with {where} there are {len(found)} steps instead of {len(expected)}: slices must not vary"
    )
    for here, there in zip(expected, found, strict=True):
        at = f"{service}, slice {here.slice_no} at tick {here.seq}, with {where}"
        assert here.digest == there.digest, f"another process gives another state: {at}; is a set or a hash in it?"
        assert here.said == there.said, f"another process says other things: {at}; is a set or a hash in it?"
