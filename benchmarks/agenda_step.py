"""What does a tick of a million pending timers cost, against a heap and a sorted list in memory?

A tick takes 256 new timers, spread over a year, cancels 16, and runs the 1,000 that are due. Ours gives a new state and
leaves the old one as it was, with everything needed to start again from it; then its bytes are made, as the digest of
each tick wants them. Rivals do the same work in place and keep nothing: heapq, whose cancelled timers stay until they
come up, and sortedcontainers' SortedKeyList. Proof: all fire the same timers in the same order in every tick. For the
bytes the rival is msgspec's msgpack of the heap's million tuples. Asked too: how the tick grows with what waits (the
same tick over 500 times fewer timers), and how long it takes to say when the next timer is. Not asked: SQL and Kafka.

Machines are shared and all compute in one thread: seconds are the processor's, and a run is the quickest of several
ticks.
"""

import heapq
from math import inf
from time import process_time

import msgspec
from sortedcontainers import SortedKeyList

from benchmarks.figures import Figure, Place, from_runs
from worldtick.agenda.agenda import Agenda, Bounds, Cancel, Order, Put, agenda_of, live
from worldtick.agenda.codec import decode, encode
from worldtick.clock.worldtime import DAY_US, HOUR_US, SECOND_US

YEAR_US = 365 * DAY_US
ADDED, CANCELLED, DUE = 256, 16, 1_000
BOUNDS = Bounds(DUE, DUE, 10**7)
ASKS = 10_000  # for the next timer
Key = tuple[int, int, int, str]


def measure(place: Place) -> list[Figure]:
    """A million timers, and a thousand; in a smoke run 20,000, and 2,000."""
    many, few, ticks = (20_000, 2_000, 3) if place.smoke else (1_000_000, 2_000, 9)
    puts = _puts(many)
    rows: dict[str, list[float]] = {}
    for _ in range(place.runs):
        for name, value in _one_run(puts, few, ticks).items():
            rows.setdefault(name, []).append(value)
    middle = {name: sorted(values)[len(values) // 2] for name, values in rows.items()}
    against = {
        "agenda_tick_ms": ("sortedlist_tick_ms", "ratio <= 10"),
        "agenda_encode_ms": ("heapq_msgpack_ms", "ratio <= 0.5"),
        "agenda_tick_of_few_ms": ("agenda_tick_ms", "ratio >= 0.05"),
        "agenda_next_timer_us": (None, "value <= 1000"),
    }
    found = []
    for name, values in rows.items():
        rival, goal = against.get(name, (None, None))
        unit = name.rpartition("_")[2]
        more = {} if rival is None else {"against": rival, "rival": middle[rival]}
        found.append(from_runs(name, unit, values, goal=goal, **more))
    return found


def _one_run(puts: list[Put], few: int, ticks: int) -> dict[str, float]:
    agenda, small = agenda_of(puts), agenda_of(_puts(few))
    heap_ms, heap, heap_said = _heap(puts, ticks)
    sorted_ms, sorted_said = _sorted(puts, ticks)
    ours_ms, after, said = _ours(agenda, ticks)
    assert said == heap_said == sorted_said, "all fire the same timers in the same order"
    few_ms, _, _ = _ours(small, min(ticks, few // DUE))
    began = process_time()
    body = encode(after)
    encode_ms = (process_time() - began) * 1_000
    began = process_time()
    packed = msgspec.msgpack.encode(heap)
    pack_ms = (process_time() - began) * 1_000
    assert len(packed) > len(heap)
    began = process_time()
    again = decode(body)
    decode_ms = (process_time() - began) * 1_000
    assert encode(again) == body
    return {
        "heapq_tick_ms": heap_ms,
        "sortedlist_tick_ms": sorted_ms,
        "agenda_tick_ms": ours_ms,
        "agenda_tick_of_few_ms": few_ms,
        "heapq_msgpack_ms": pack_ms,
        "agenda_encode_ms": encode_ms,
        "agenda_decode_ms": decode_ms,
        "agenda_next_timer_us": _next_us(after),
    }


def _next_us(agenda: Agenda) -> float:
    began = process_time()
    for _ in range(ASKS):
        found = agenda.next_us
    assert found is not None
    return (process_time() - began) / ASKS * 1e6


def _puts(count: int) -> list[Put]:
    """Timers spread over a year, in an order that has nothing to do with their times."""
    return [
        Put(f"t{number}", (number * 7_919 % count) * (YEAR_US // count), 0, 1, 0, "", None, "")
        for number in range(count)
    ]


def _due_us(puts: int, tick: int) -> int:
    """The end of a tick in which DUE of so many timers come up."""
    return ((tick + 1) * DUE - 1) * (YEAR_US // puts)


def _asked(tick: int, count: int) -> tuple[list[Put], list[str]]:
    """What a tick brings: timers of the second half of the year, and names of some that are far from due."""
    far_us = YEAR_US // 2 + HOUR_US
    added = [
        Put(
            f"n{tick}.{number}",
            far_us + (number * 104_729 + tick) % 4_000 * HOUR_US // 4 + SECOND_US,
            0,
            1,
            0,
            "",
            None,
            "",
        )
        for number in range(ADDED)
    ]
    names = [number for number in range(count - 1, 0, -1) if number * 7_919 % count > count // 2]
    return added, [f"t{number}" for number in names[tick * CANCELLED : (tick + 1) * CANCELLED]]


def _ours(agenda: Agenda, ticks: int) -> tuple[float, Agenda, list[str]]:
    """(quickest tick in ms, the agenda after all, what fired)."""
    count, best, said = agenda.queue.count, inf, []
    for tick in range(ticks):
        added, names = _asked(tick, count)
        orders: list[Order] = [*added, *(Cancel(name) for name in names)]
        began = process_time()
        lived = live(agenda, orders, _due_us(count, tick), BOUNDS)
        best = min(best, process_time() - began)
        agenda = lived.agenda
        said += [fate.name for fate in lived.fates if fate.what == "fired"]
    return best * 1_000, agenda, said


def _heap(puts: list[Put], ticks: int) -> tuple[float, list[Key], list[str]]:
    heap: list[Key] = [(put.at_us, put.priority, order, put.name) for order, put in enumerate(puts)]
    heapq.heapify(heap)
    pending = {put.name for put in puts}
    order, best, said = len(puts), inf, []
    for tick in range(ticks):
        added, names = _asked(tick, len(puts))
        until_us = _due_us(len(puts), tick)
        began = process_time()
        for put in added:
            if put.name not in pending:
                pending.add(put.name)
                heapq.heappush(heap, (put.at_us, put.priority, order, put.name))
                order += 1
        pending.difference_update(names)
        while heap and heap[0][0] <= until_us:
            name = heapq.heappop(heap)[3]
            if name in pending:
                pending.discard(name)
                said.append(name)
        best = min(best, process_time() - began)
    return best * 1_000, heap, said


def _sorted(puts: list[Put], ticks: int) -> tuple[float, list[str]]:
    timers = SortedKeyList(((put.at_us, put.priority, order, put.name) for order, put in enumerate(puts)), key=_key)
    pending = {timer[3]: timer for timer in timers}
    order, best, said = len(puts), inf, []
    for tick in range(ticks):
        added, names = _asked(tick, len(puts))
        until_us = _due_us(len(puts), tick)
        began = process_time()
        for put in added:
            if put.name not in pending:
                pending[put.name] = timer = (put.at_us, put.priority, order, put.name)
                timers.add(timer)
                order += 1
        for name in names:
            timers.remove(pending.pop(name))
        while timers and timers[0][0] <= until_us:
            name = timers.pop(0)[3]
            del pending[name]
            said.append(name)
        best = min(best, process_time() - began)
    return best * 1_000, said


def _key(timer: Key) -> tuple[int, int, int]:
    return timer[:3]
