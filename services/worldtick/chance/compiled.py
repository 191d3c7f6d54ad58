"""How kernels are compiled: to machine code, without the interpreter's lock, kept for the next process.
Lives here: the one decorator. Not here: any kernel."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """numba.njit with nogil and a cache on disk; no fastmath and no prange, so that the same input gives the same bytes.

    The cache lies beside the source, in the user's cache directory, or in NUMBA_CACHE_DIR. Where none of them can be
    written the kernel still works: each process then compiles it anew, some seconds.
    """
    try:
        return numba.njit(kernel, nogil=True, cache=True)  # type: ignore[no-any-return]
    except RuntimeError as fault:  # numba's "cannot cache function: no locator available"
        warnings.warn(f"{kernel.__name__}: {fault}; set NUMBA_CACHE_DIR to a writable directory", stacklevel=2)
        return numba.njit(kernel, nogil=True)  # type: ignore[no-any-return]
