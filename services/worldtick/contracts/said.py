"""What services say in great number, as structs that encode fast; field order is that on the wire.
Lives here: twins of the busiest models. Not here: the models themselves (events); a test keeps both equal."""

from decimal import Decimal

import msgspec


class MarketCleared(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """simulation.event.market_cleared; price is price_of(price_ticks)."""

    commodity: str
    price: Decimal
    volume: int
    timestamp: str
    market_id: str
    period: str = msgspec.field()
    tick_id: str = msgspec.field()
    game_hour: int = msgspec.field()
    world: str | None = None
    seq: int | None = None
    price_ticks: int | None = None
    district: str | None = None
    efficiency_ppm: int | None = None
    unmatched: int | None = None
    demand: int | None = None
    supply: int | None = None
    orders: int | None = None
    sources: dict[str, int] | None = None
    sinks: dict[str, int] | None = None


class StepCompleted(msgspec.Struct, kw_only=True, gc=False):
    """simulation.event.step_completed."""

    service: str
    slice: int
    seq: int
    version: int
    world: str
    tick_id: str
    slot: str
    outcome: str  # applied | dead
    digest: str  # 32 hex digits
    used: dict[str, int]
    carried: dict[str, int]
    events: int


class StepFailed(msgspec.Struct, kw_only=True, gc=False):
    """simulation.event.step_failed."""

    service: str
    slice: int
    seq: int
    version: int
    world: str
    tick_id: str
    slot: str
    reason: str  # raised | killed | hung
    error: str  # at most events.ERROR_MAX_CHARS
    attempts: int
    directives: int
