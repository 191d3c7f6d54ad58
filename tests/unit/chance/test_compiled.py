"""Invariant: no process ever runs machine code of a source that is no longer there."""

import os
import subprocess
import sys
from pathlib import Path

CALLEE = "from worldtick.chance.compiled import compiled\n@compiled\ndef inner(x):\n    return x + {n}\n"
CALLER = (
    "from callee import inner\nfrom worldtick.chance.compiled import compiled\n"
    "@compiled\ndef outer(x):\n    return inner(x)\nprint(outer(1))\n"
)


def run(directory: Path, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import caller"],
        cwd=directory,
        env={**os.environ, **environ},  # noqa: TID251
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_changed_callee_in_another_file_is_compiled_anew(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "callee.py").write_text(CALLEE.format(n=1))
    cache = str(tmp_path / "cache")
    assert run(tmp_path, NUMBA_CACHE_DIR=cache) == "2"
    (tmp_path / "callee.py").write_text(CALLEE.format(n=100))
    assert run(tmp_path, NUMBA_CACHE_DIR=cache) == "101"


def test_an_unwritable_cache_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "callee.py").write_text(CALLEE.format(n=1))
    (tmp_path / "file").write_text("")
    (tmp_path / "__pycache__").write_text("")  # a file where numba would make its directory
    assert run(tmp_path, NUMBA_CACHE_DIR="", HOME=str(tmp_path / "file"), XDG_CACHE_HOME=str(tmp_path / "file")) == "2"
