"""A world's markets as bytes and back; equal states give equal bytes.
Lives here: the layout of snapshots. Not here: what the arrays mean (market.py).

Little-endian: the number of shocks (uint32), then for each its side, district, commodity, ppm, until_us (int64);
the wide, narrow, short and small arrays as they stand. Their lengths follow from the plan.
"""

import struct

import numpy as np

from worldtick.economy.factors import Shock
from worldtick.economy.market import Market, sizes
from worldtick.economy.plan import Plan

_COUNT = struct.Struct("<I")
_SHOCK = struct.Struct("<5q")


def encode(market: Market) -> bytes:
    """Canonical bytes."""
    return b"".join(
        (
            _COUNT.pack(len(market.shocks)),
            *(_SHOCK.pack(*shock) for shock in market.shocks),
            market.wide.astype("<i8", copy=False).tobytes(),
            market.narrow.astype("<i4", copy=False).tobytes(),
            market.short.astype("<u2", copy=False).tobytes(),
            market.small.tobytes(),
        )
    )


def decode(body: bytes, plan: Plan) -> Market:
    """The inverse of `encode`. Raises ValueError if the bytes are none of this plan."""
    wide, narrow, short, small = sizes(plan)
    count = int.from_bytes(body[: _COUNT.size], "little")
    start = _COUNT.size + count * _SHOCK.size
    expected = start + wide * 8 + narrow * 4 + short * 2 + small
    if len(body) != expected:
        raise ValueError(f"a state of {plan.persons} people and {count} shocks has {expected} bytes, not {len(body)}")
    shocks = tuple(Shock(*_SHOCK.unpack_from(body, _COUNT.size + i * _SHOCK.size)) for i in range(count))
    return Market(
        plan,
        np.frombuffer(body, "<i8", wide, start).astype(np.int64),
        np.frombuffer(body, "<i4", narrow, start + wide * 8).astype(np.int32),
        np.frombuffer(body, "<u2", short, start + wide * 8 + narrow * 4).astype(np.uint16),
        np.frombuffer(body, np.uint8, small, len(body) - small).copy(),
        shocks,
    )
