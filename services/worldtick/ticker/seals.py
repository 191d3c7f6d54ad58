"""One pass of a ticker: every world that has something due gets the ticks that may be sealed now.
Lives here: paging over worlds, one transaction a page, the catch-up bound. Not here: publishing, waiting."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from worldtick.clock.moves import Move, next_move
from worldtick.contracts.sealed import SealedTick
from worldtick.sealing.draft import Catalogue, Draft
from worldtick.sealing.seal import admissible, behind, missing_services, seal_round, standing_of
from worldtick.store.clocks import Clock, find_driven, lock_clocks, save_clocks
from worldtick.store.db import Connection, Pool, transaction
from worldtick.ticker.orders import Order, consume, waits_for_hours, worth

PAGE_WORLDS = 500  # locked in one transaction
ROUNDS_MAX = 64  # ticks of one world in one transaction


@dataclass(slots=True)
class Progress:
    """What a run has done and what is left, world by world."""

    sealed: dict[str, dict[str, int]] = field(default_factory=dict)  # world -> kind -> ticks
    used: dict[str, int] = field(default_factory=dict)  # world -> slots' ticks against its catch-up bound
    left: dict[str, int] = field(default_factory=dict)  # world -> slots still due
    behind: dict[str, list[str]] = field(default_factory=dict)  # world -> services it waits for
    hours_first: set[str] = field(default_factory=set)  # worlds whose daily waits for an hourly run
    missing: dict[str, list[str]] = field(default_factory=dict)  # world -> its services that this ticker does not have
    worlds: int = 0
    newest: dict[str, SealedTick] = field(default_factory=dict)

    @property
    def waiting(self) -> bool:
        """Whether something is left that later, without a new firing, can be sealed."""
        return bool(self.behind or self.hours_first)


def seal_pass(
    pool: Pool, catalogue: Catalogue, order: Order, keys: Sequence[int] | None, progress: Progress
) -> Iterator[int]:
    """Seal what may be sealed; yields the number of ticks after each page's commit, so that they can be published."""
    progress.worlds, progress.left, progress.behind, progress.hours_first, progress.missing = 0, {}, {}, set(), {}
    after = 0
    while True:
        with transaction(pool) as conn:
            page = find_driven(conn, keys, after, PAGE_WORLDS)
        if not page:
            return
        progress.worlds += len(page)
        after = page[-1].world_key
        yield from _seal_page(pool, catalogue, order, page, progress)


def _seal_page(
    pool: Pool, catalogue: Catalogue, order: Order, page: Sequence[Clock], progress: Progress
) -> Iterator[int]:
    """Transactions of ROUNDS_MAX rounds until nothing of the page may be sealed; bounded by the worlds' catch-up."""
    wanted = [clock.world_key for clock in page if _wants(clock, catalogue, order, progress)]
    while wanted:
        with transaction(pool) as conn:
            ticks, wanted = _seal_locked(conn, catalogue, order, wanted, progress)
        _count(ticks, progress)
        yield len(ticks)


def _wants(clock: Clock, catalogue: Catalogue, order: Order, progress: Progress) -> bool:
    if missing := missing_services(clock, catalogue):
        progress.missing[clock.world] = missing
        return False
    if waits_for_hours(clock, order):
        progress.hours_first.add(clock.world)
    return _move(clock, order, progress.used) is not None or _own_slots(clock, order) > 0


def _own_slots(clock: Clock, order: Order) -> int:
    """Slots due that this run itself may seal: a daily run leaves hours to the hourly one."""
    return 0 if order.run == "daily" and clock.hourly else worth(clock, order).slots


def _move(clock: Clock, order: Order, used: Mapping[str, int]) -> Move | None:
    slots = worth(clock, order).slots if used.get(clock.world, 0) < clock.catch_up_max else 0
    return next_move(standing_of(clock), order.run, slots)


def _seal_locked(
    conn: Connection, catalogue: Catalogue, order: Order, keys: Sequence[int], progress: Progress
) -> tuple[list[SealedTick], list[int]]:
    """(ticks sealed, worlds that could go on in another transaction)."""
    clocks = [
        clock
        for clock in lock_clocks(conn, keys)
        if clock.status == "active" and clock.driver == "scheduled" and not clock.paused
    ]
    late = behind(conn, clocks)
    used = dict(progress.used)
    ticks: list[SealedTick] = []
    changed: dict[int, Clock] = {}
    for _ in range(ROUNDS_MAX):
        drafts = [
            draft
            for clock in clocks
            if admissible(clock, late.get(clock.world_key, {})) and (draft := _draft(clock, order, used)) is not None
        ]
        if not drafts:
            break
        sealed = seal_round(conn, drafts, catalogue)
        for draft, tick in zip(drafts, sealed, strict=True):
            changed[draft.clock.world_key] = draft.clock
            if draft.clock.facts == "lag":
                for service in tick.consumers:
                    late.setdefault(draft.clock.world_key, {}).setdefault(service, tick.seq)
        ticks += sealed
    save_clocks(conn, list(changed.values()))
    progress.used.update(used)
    return ticks, _leave(clocks, order, late, used, progress)


def _draft(clock: Clock, order: Order, used: dict[str, int]) -> Draft | None:
    """The next tick of a world; what it uses of the firings and of the catch-up bound is noted."""
    move = _move(clock, order, used)
    if move is None:
        return None
    consume(clock, worth(clock, order).firings, move.slots)
    if move.slots:
        used[clock.world] = used.get(clock.world, 0) + 1
    return Draft(clock, move.kind, move.from_us, move.to_us, move.hours)


def _leave(
    clocks: Sequence[Clock],
    order: Order,
    late: Mapping[int, Mapping[str, int]],
    used: Mapping[str, int],
    progress: Progress,
) -> list[int]:
    """Note what is left of each world; keys of those that may go on at once."""
    more = []
    for clock in clocks:
        progress.left.pop(clock.world, None)
        progress.behind.pop(clock.world, None)
        if slots := _own_slots(clock, order):
            progress.left[clock.world] = slots
        if _move(clock, order, used) is None:
            continue
        services = dict(late.get(clock.world_key, {}))
        if admissible(clock, services):
            more.append(clock.world_key)
        else:
            bound = clock.seq + 1 - clock.lag_ticks
            progress.behind[clock.world] = sorted(name for name, seq in services.items() if seq <= bound)
            progress.left.setdefault(clock.world, 0)
    return more


def _count(ticks: Sequence[SealedTick], progress: Progress) -> None:
    for tick in ticks:
        kinds = progress.sealed.setdefault(tick.world, {})
        kinds[tick.kind] = kinds.get(tick.kind, 0) + 1
        progress.newest[tick.world] = tick
