"""Notices: what one process tells the others through PostgreSQL, so that waiting is short. They may be lost.
Lives here: the channels of slices that moved and of clocks that were changed. Not here: what is done about it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from worldtick.store.db import Connection, Pool, translated

SLICES_CHANNEL = "worldtick_slices"  # notified by the commit that raises versions
CLOCKS_CHANNEL = "worldtick_clocks"  # notified by the commit that changes how a clock runs


@contextmanager
def listening(pool: Pool, channels: Sequence[str] = (SLICES_CHANNEL,)) -> Iterator[Callable[[float], bool]]:
    """While it lasts, no notice is missed: begin it before looking, then wait(timeout in s) says whether one came.

    Holds a connection of the pool. Raises DatabaseAway.
    """
    with translated(), pool.connection() as conn:
        for channel in channels:
            conn.execute(f"listen {channel}")
        conn.commit()
        try:
            yield lambda timeout_s: _wait(conn, timeout_s)
        finally:
            if not conn.closed:
                conn.execute("unlisten *")


def _wait(conn: Connection, timeout_s: float) -> bool:
    """One notice is enough, and all that came with it are one."""
    with translated():
        heard = any(True for _ in conn.notifies(timeout=timeout_s, stop_after=1))
        while any(True for _ in conn.notifies(timeout=0)):
            pass
        return heard


def wait_for_slices(pool: Pool, timeout_s: float) -> bool:
    """Wait until some slice moves from now on, or the time is up; whether one has."""
    with listening(pool) as wait:
        return wait(timeout_s)
