"""Scale: how much world time a wall microsecond is worth, exactly, in parts per billion.
Lives here: reading and writing scales, and what wall time earns. Not here: whose clock it is (simulator, course).

Integer parts per billion make every increment exact: what a span earns beyond whole microseconds is carried as
`owed_ppb` (0 to 999,999,999), so a million advances at 0.001 lose nothing, whatever the scale was in between."""

from decimal import Decimal, InvalidOperation
from typing import Final

from worldtick.clock.errors import NotAScale

PPB: Final = 1_000_000_000  # scale 1: as fast as the wall
SCALE_PPB_MAX: Final = 1_000_000 * PPB  # eleven world days a wall second


def parse_scale(given: str | float) -> int:
    """Parts per billion of a scale such as 60, 0.5 or "0.001".

    Raises NotAScale unless it is above 0, at most a million and of at most nine decimals.
    """
    try:
        number = Decimal(str(given))
    except InvalidOperation:
        raise NotAScale(f"{given!r} is no number; a scale is one like 60 or 0.5") from None
    if isinstance(given, bool) or not number.is_finite():
        raise NotAScale(f"{given!r} is no number; a scale is one like 60 or 0.5")
    if number <= 0:
        raise NotAScale(f"scale {given} stands still or runs back; it must be above 0: to stop a clock, pause it")
    if number > SCALE_PPB_MAX // PPB:
        raise NotAScale(f"scale {given} is above {SCALE_PPB_MAX // PPB}")
    ppb = number * PPB
    if ppb != int(ppb):
        raise NotAScale(f"scale {given} has over nine decimals")
    return int(ppb)


def check_scale(ppb: int) -> None:
    """Raises NotAScale unless these parts per billion are above 0 and at most a million."""
    if not 0 < ppb <= SCALE_PPB_MAX:
        raise NotAScale(f"{ppb} parts per billion is no scale: it must be above 0 and at most a million")


def format_scale(ppb: int) -> str:
    """The scale as people write it: 60, 0.5."""
    whole, part = divmod(ppb, PPB)
    return f"{whole}.{part:09d}".rstrip("0") if part else str(whole)


def earned(elapsed_us: int, scale_ppb: int, owed_ppb: int = 0) -> tuple[int, int]:
    """(world microseconds, owed_ppb left over) of `elapsed_us` wall microseconds; nothing where the wall ran back."""
    return divmod(max(0, elapsed_us) * scale_ppb + owed_ppb, PPB)
