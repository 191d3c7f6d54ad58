"""What a step touched outside its arguments: clocks, chance, environment, files, sockets, inexact functions.
Lives here: watching a call, and what each touch should be instead. Not here: which steps are watched (checks)."""

import gc
import io
import os
import random
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from types import CodeType, FrameType, MappingProxyType
from typing import Any, Final

import numpy as np

_STDLIB: Final = (sysconfig.get_path("stdlib"), "<frozen")
_CLOCK: Final = "world time is in the tick: from_us, to_us"
_CHANCE: Final = "random words come from worldtick.chance, named by seed, seq, entity and stream"
_OUTSIDE: Final = "all that a step may read is in its state and its tick"
_INEXACT: Final = "its last bits differ between machines: + - * / and sqrt, or integers, in what reaches a digest"

# module of a built-in function -> what to do instead
_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "time": _CLOCK,
        "_random": _CHANCE,
        "_uuid": _CHANCE,
        "_socket": _OUTSIDE,
        "_ssl": _OUTSIDE,
        "_posixsubprocess": _OUTSIDE,
        "_thread": _OUTSIDE,
        "posix": _OUTSIDE,
        "nt": _OUTSIDE,
        "io": _OUTSIDE,
    }
)
_HARMLESS: Final = frozenset(
    {"io.text_encoding", "_thread.get_ident", "_thread.allocate_lock", "_thread.lock", "_thread.RLock"}
    | {f"{system}.{name}" for system in ("posix", "nt") for name in ("fspath", "_path_normpath", "_path_splitroot_ex")}
)
_NAMES: Mapping[str, str] = MappingProxyType(
    {"builtins.print": _OUTSIDE, "builtins.input": _OUTSIDE, "posix.urandom": _CHANCE, "posix.getrandom": _CHANCE}
    | {
        f"math.{name}": _INEXACT
        for name in (
            *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "cbrt", "gamma", "lgamma", "erf", "erfc"),
            *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
        )
    }
)
_ENVIRON: Final[frozenset[CodeType]] = frozenset(
    function.__code__ for function in vars(os._Environ).values() if hasattr(function, "__code__")
)


@dataclass(slots=True)
class Watch:
    """What a watched call touched, each thing once: name -> a sentence with place and remedy."""

    touches: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, frame: FrameType | None, remedy: str) -> None:
        """Keep the first place of each."""
        self.touches.setdefault(name, f"{name} at {_place(frame)}: {remedy}")


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch what this thread calls within the block.

    Seen: every built-in clock, `random`, `os.urandom` (so uuid4 and secrets), numpy's global generator, the
    environment, files, sockets, threads, print, and math's inexact functions, under whatever name they were imported.
    Not seen: what compiled code does (numba, numpy's ufuncs such as np.exp, `**` of floats).
    """
    watch = Watch()
    before, chance = sys.getprofile(), _global_chance()
    collecting = gc.isenabled()
    gc.disable()  # others' gc callbacks would be taken for the step's own calls
    sys.setprofile(_profile(watch))
    try:
        yield watch
    finally:
        sys.setprofile(before)
        if collecting:
            gc.enable()
    if _global_chance() != chance:
        watch.note("a global random generator", None, _CHANCE)


def _global_chance() -> tuple[Any, ...]:
    legacy = np.random.get_state(legacy=True)  # noqa: NPY002 - read to see whether a step draws from it
    assert isinstance(legacy, tuple)
    return random.getstate(), legacy[1].tobytes(), legacy[2]


def _profile(watch: Watch) -> Callable[[FrameType, str, Any], None]:
    def seen(frame: FrameType, event: str, what: Any) -> None:
        if event == "call":
            if frame.f_code in _ENVIRON:
                watch.note("os.environ", frame, _OUTSIDE)
        elif event == "c_call":
            name, remedy = _judge(what)
            if remedy is not None:
                watch.note(name, frame, remedy)

    return seen


def _judge(function: Any) -> tuple[str, str | None]:
    """(name, what to do instead, or None if it is harmless) of a built-in function."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, date) and function.__name__ in ("now", "utcnow", "today"):
        return f"datetime.{function.__qualname__}", _CLOCK
    if isinstance(owner, random.Random):
        return f"random.{function.__name__}", _CHANCE
    if isinstance(owner, io.IOBase):
        return f"{type(owner).__name__}.{function.__name__}", _OUTSIDE
    module = getattr(function, "__module__", None) or ""
    module = "io" if module == "_io" else module  # its name from Python 3.12 on
    name = f"{module}.{getattr(function, '__name__', '?')}"
    if name in _HARMLESS:
        return name, None
    return name, _NAMES.get(name) or _MODULES.get(module)


def _place(frame: FrameType | None) -> str:
    """File and line of the nearest frame that is not the standard library's."""
    found = frame
    while found is not None and found.f_code.co_filename.startswith(_STDLIB) and found.f_back is not None:
        if "site-packages" in found.f_code.co_filename:
            break
        found = found.f_back
    if found is None:
        return "somewhere in the step"
    return f"{found.f_code.co_filename}:{found.f_lineno}"
