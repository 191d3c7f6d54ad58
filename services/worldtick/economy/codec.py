"""A world's markets as bytes and back; equal states give equal bytes.
Lives here: the layout of snapshots. Not here: what a body holds (market.py).

Little-endian: the number of shocks (uint32), then for each its side, district, commodity, ppm, until_us (int64);
the body as it stands, whose length follows from the plan.
"""

import struct

import numpy as np

from worldtick.economy.factors import Shock
from worldtick.economy.market import Market, body_bytes
from worldtick.economy.plan import Plan

_COUNT = struct.Struct("<I")
_SHOCK = struct.Struct("<5q")


def encode(market: Market) -> bytes:
    """Canonical bytes."""
    head = [_COUNT.pack(len(market.shocks)), *(_SHOCK.pack(*shock) for shock in market.shocks)]
    return b"".join((*head, market.body.data))


def decode(body: bytes, plan: Plan) -> Market:
    """The inverse of `encode`. Raises ValueError if the bytes are none of this plan."""
    count = int.from_bytes(body[: _COUNT.size], "little")
    start = _COUNT.size + count * _SHOCK.size
    expected = start + body_bytes(plan)
    if len(body) != expected:
        raise ValueError(f"a state of {plan.persons} people and {count} shocks has {expected} bytes, not {len(body)}")
    shocks = tuple(Shock(*_SHOCK.unpack_from(body, _COUNT.size + i * _SHOCK.size)) for i in range(count))
    return Market(plan, np.frombuffer(body, np.uint8, offset=start).copy(), shocks)
