"""Times as arguments of verbs: moments (RFC 3339, with a zone) and durations.
Lives here: reading them as click does. Not here: what they may look like (clock)."""

import click

from worldtick.clock.errors import NotAMoment
from worldtick.clock.firings import parse_duration_us
from worldtick.clock.worldtime import parse_unix_us


def moment_us(given: str) -> int:
    """Unix microseconds of RFC 3339 text. Raises BadParameter for what names no moment, or no zone."""
    try:
        return parse_unix_us(given)
    except NotAMoment as fault:
        raise click.BadParameter(str(fault)) from fault


def duration_us(given: str) -> int:
    """Microseconds of 250ms, 2s, 5m, 1h, 1h30m or 30d. Raises BadParameter."""
    try:
        return parse_duration_us(given)
    except NotAMoment as fault:
        raise click.BadParameter(str(fault)) from fault


def wait_us(given: str) -> int:
    """As duration_us; 0 waits for nothing."""
    return 0 if given in ("0", "0s") else duration_us(given)
