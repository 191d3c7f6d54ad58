"""Notices: what one process tells the others through PostgreSQL, so that waiting is short. They may be lost.
Lives here: the channel of slices that moved. Not here: what is done about it."""

from worldtick.store.db import Pool, translated

SLICES_CHANNEL = "worldtick_slices"  # notified by the commit that raises versions


def wait_for_slices(pool: Pool, timeout_s: float) -> bool:
    """Wait until some slice has moved, or the time is up; whether one has."""
    with translated(), pool.connection() as conn:
        conn.execute(f"listen {SLICES_CHANNEL}")
        conn.commit()
        try:
            return any(True for _ in conn.notifies(timeout=timeout_s, stop_after=1))
        finally:
            conn.execute(f"unlisten {SLICES_CHANNEL}")
