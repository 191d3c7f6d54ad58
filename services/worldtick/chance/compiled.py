"""How kernels are compiled: to machine code, without the interpreter's lock, kept for the next process.
Lives here: the one decorator. Not here: any kernel."""

import warnings
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

import numba

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """numba.njit with nogil and a cache on disk.

    No fastmath and no prange: the same input gives the same bytes. A division by zero raises nothing (raising would
    keep loops from being vectorised), and a kernel allocates nothing: it is given its scratch, and no references are
    counted.
    The cache lies in NUMBA_CACHE_DIR if set, else beside the source, else in the user's own. Where none of them can be
    written the kernel still works: each process then compiles it anew, some seconds.
    """
    try:
        dispatcher: Any = numba.njit(cache=True, **OPTIONS)(kernel)
    except RuntimeError as fault:  # numba's "cannot cache function: no locator available"
        warnings.warn(f"{kernel.__name__}: {fault}; set NUMBA_CACHE_DIR to a writable directory", stacklevel=2)
        dispatcher = numba.njit(**OPTIONS)(kernel)
    else:
        _stamp_with_callees(dispatcher)
    return dispatcher  # type: ignore[no-any-return]


def spliced(kernel: Kernel) -> Kernel:
    """A part of one other kernel, compiled within it: compiled alone, parts of parts are optimised at every level."""
    dispatcher: Any = numba.njit(inline="always", **OPTIONS)(kernel)
    return dispatcher  # type: ignore[no-any-return]


def fingerprint(kernel: Any) -> str:
    """A hash of a kernel's code, of the constants that it takes in, and of all kernels that it calls."""
    function = getattr(kernel, "py_func", kernel)
    code = function.__code__
    parts = [code.co_code.hex(), repr(code.co_consts), repr(code.co_names)]
    for name in code.co_names:
        value = function.__globals__.get(name)
        if hasattr(value, "py_func"):
            parts.append(fingerprint(value))
        elif not callable(value):
            parts.append(repr(value))
    return sha256("\0".join(parts).encode()).hexdigest()


def _stamp_with_callees(dispatcher: Any) -> None:
    """Make the cached code's stamp cover what a kernel calls.

    numba's own is the source file's age and size: a kernel whose callee in another file changed would go on running
    the old callee's code, and a replay would diverge after an update in place.
    """
    cache_file = dispatcher._cache._cache_file
    cache_file._source_stamp = (cache_file._source_stamp, fingerprint(dispatcher), tuple(OPTIONS.items()))
