"""How long a loop waits after failures in a row, before it tries again what is away.
Lives here: the steps. Not here: the waiting, which must end when the process is told to stop."""

from collections.abc import Sequence
from typing import Final

BACKOFF_S: Final = (0.25, 0.5, 1.0, 2.0, 5.0)


def backoff_s(failures: int, steps: Sequence[float] = BACKOFF_S) -> float:
    """Seconds to wait after so many failures before this one; the last step for good."""
    return steps[min(failures, len(steps) - 1)]
