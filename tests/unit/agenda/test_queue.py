"""The queue and the register in their parts: chunks, bounds of them, and what stays packed.
Lives here: many timers. Not here: what becomes of them (test_agenda)."""

import pytest

from tests.unit.agenda.test_agenda import PLENTY, put
from worldtick.agenda import queue
from worldtick.agenda.agenda import Put, agenda_of, live
from worldtick.agenda.codec import decode, encode
from worldtick.agenda.queue import CHUNK, Chunk, Open, queue_of
from worldtick.agenda.register import BUCKET, OpenRegister, register_of
from worldtick.agenda.timers import Timer

MANY = 20_000


def _many(count: int = MANY) -> list[Put]:
    return [put(f"t{number}", 1_000 + number * 7_919 % count) for number in range(count)]


def test_a_step_opens_only_the_chunks_that_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    agenda = agenda_of(_many())
    opened: list[int] = []
    real = queue._timers

    def counted(chunk: Chunk) -> list[Timer]:
        opened.append(chunk.size)
        return real(chunk)

    monkeypatch.setattr(queue, "_timers", counted)
    assert agenda.next_us == 1_000
    live(agenda, [], 999, PLENTY)
    assert opened == [], "nothing was due: nothing is looked at"
    lived = live(agenda, [put("far", 15_000)], 1_009, PLENTY)
    assert lived.used == 10
    assert len(opened) <= 3, "the first chunk, the one that the new timer lies in, and for the count of what is due"


def test_chunks_stay_within_their_bound_however_they_grow() -> None:
    timers = list(agenda_of(_many(5_000)).queue)
    work = Open(queue_of([]))
    for timer in timers:
        work.add(timer)
    grown = work.closed()
    assert max(chunk.size for chunk in grown.chunks) <= 2 * CHUNK
    assert list(grown) == timers
    assert grown.body() == queue_of(reversed(timers)).body()
    assert [grown.due(at) for at in (999, 1_000, 3_499, 10_000)] == [0, 1, 2_500, 5_000]


def test_a_timer_is_found_and_removed_by_its_key() -> None:
    agenda = agenda_of(_many(2_000))
    work = Open(agenda.queue)
    for timer in list(agenda.queue)[::-3]:
        assert work.find(timer.key) == timer
        assert work.remove(timer.key) == timer
        with pytest.raises(KeyError):
            work.find(timer.key)
    assert work.closed().count == work.count == 2_000 - 667
    with pytest.raises(KeyError):
        work.remove((10**9, 0, 0))


def test_the_register_grows_and_its_buckets_stay_small() -> None:
    register = register_of([])
    for timer in agenda_of(_many()).queue:
        work = OpenRegister(register)
        work.put(timer.name, timer.key)
        register = work.closed()
    assert register.count == MANY
    assert max(len(names) for names in register.buckets) < 8 * BUCKET
    work = OpenRegister(register)
    work.drop("t5")
    assert work.get("t5") is None
    assert register.get("t5") is not None, "the register before it is as it was"
    assert work.closed().get("t6") == register.get("t6")


def test_an_agenda_of_many_comes_back_from_its_bytes() -> None:
    body = encode(agenda_of(_many()))
    assert encode(decode(body)) == body
    with pytest.raises(ValueError, match="layout 9"):
        decode(b"\x09" + body[1:])
