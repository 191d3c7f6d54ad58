"""What must hold of commands and clocks, whatever goes wrong; one checker for each promise.
Lives here: the promises about records, rows and what readers see. Not here: what commands change (effects)."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.simulation.commands.house import House
from tests.simulation.commands.link import event_id
from tests.simulation.commands.records import Heard, heard_of, keys_of_all, positions
from worldtick.contracts.commands import CONTROL_TOPIC, REPLY_TOPIC
from worldtick.contracts.deadletter import SUFFIX, read_dead_letter
from worldtick.contracts.ids import NAMESPACE, uuid5_text
from worldtick.control.desk import Outgoing
from worldtick.control.room import Account
from worldtick.store.clocks import unfinished


class NeverBack:
    """World time, seqs and versions never run back."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._before: dict[str, tuple[int, ...]] = {}

    def __call__(self) -> None:
        """Look."""
        for world, now in positions(self._house.pool.watch).items():
            before = self._before.get(world, now)
            assert all(was <= is_ for was, is_ in zip(before, now, strict=True)), f"{world} ran back: {before}, {now}"
            self._before[world] = now


class InTime:
    """A forced tick is rung when its reply is visible, and services have finished what is said to be completed."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._rung: Counter[str] = Counter()  # world -> the newest ring on world.tick

    def __call__(self, records: Sequence[Outgoing]) -> None:
        """These became visible together."""
        for record in records:
            if record.topic == "world.tick":
                ring = json.loads(record.value or b"")["data"]
                self._rung[ring["world"]] = max(self._rung[ring["world"]], ring["seq"])
        for record in records:
            if record.topic == REPLY_TOPIC:
                self._look(record, json.loads(record.value or b"")["data"])

    def _look(self, record: Outgoing, said: dict[str, Any]) -> None:
        if said["status"] == "completed" and "tick" in said:
            assert self._finished(said), f"completed before its services have finished: {said}"
        first = ("duplicate", b"true") not in record.headers
        if said["status"] == "accepted" and said["name"] == "tick.force" and not said["dry_run"] and first:
            assert self._rung[said["world"]] >= said["tick"], f"the forced tick is not rung with its reply: {said}"

    def _finished(self, said: dict[str, Any]) -> bool:
        if said["message"].startswith("the world is"):
            return True
        watch = self._house.pool.watch
        key = keys_of_all(watch)[said["world"]]
        return all(seq > said["tick"] for _, _, seq in unfinished(watch, [key]))


def every_record_is_audited(house: House, heard: Sequence[Heard]) -> None:
    """One row for each record of world.control, none without, each with a fate."""
    rows = Counter((row.partition, row.offset) for row in heard)
    assert rows == Counter([*house.asked]), f"rows and records differ: {rows}"
    assert all(row.fate != "judging" for row in heard), "a row was never decided"
    assert not [row for row in heard if row.code == "fault"], "a fault of ours"
    for row in heard:
        asked = house.asked[row.partition, row.offset]
        assert asked.garbage == (row.fate == "dead"), f"{row.fate}: {asked}"
        assert not (asked.late and row.fate == "accepted"), f"accepted though it was late: {asked}"


def every_record_is_answered_once(house: House, heard: Sequence[Heard]) -> None:
    """One reply or one dead letter that a read_committed reader sees, the bytes as they were stored."""
    replies = [entry for entry in house.bus.visible(REPLY_TOPIC) if _status(entry.value) != "completed"]
    said: Counter[tuple[str | None, bool, bytes | None]] = Counter(
        (event_id(entry.headers), ("duplicate", b"true") in entry.headers, entry.value) for entry in replies
    )
    owed = Counter((row.reply_id, row.fate == "duplicate", row.reply) for row in heard if row.fate != "dead")
    assert said == owed, f"too many: {list(said - owed)[:2]}; missing: {list(owed - said)[:2]}"
    letters = [
        read_dead_letter(entry.key, entry.value, entry.headers) for entry in house.bus.visible(CONTROL_TOPIC + SUFFIX)
    ]
    dead = Counter((row.partition, row.offset) for row in heard if row.fate == "dead")
    assert Counter((letter.partition, letter.offset) for letter in letters) == dead, "dead letters differ from the rows"


def every_id_is_decided_once(house: House, heard: Sequence[Heard]) -> None:
    """All records of an id but the first decisive one are duplicates with its reply, or refused."""
    by_id: defaultdict[tuple[str, str], list[Heard]] = defaultdict(list)
    for row in heard:
        if row.fate != "dead" and row.code != "rate_limited":
            by_id[house.asked[row.partition, row.offset].whose].append(row)
    for whose, rows in by_id.items():
        first, *others = sorted(rows, key=lambda row: row.command_key)
        firsts = [row for row in rows if row.decisive]
        assert firsts == [first], f"{whose} was decided {len(firsts)} times"
        meaning = house.asked[first.partition, first.offset].meaning
        for row in others:
            same = house.asked[row.partition, row.offset].meaning == meaning
            assert (row.fate, row.code) == (("duplicate", None) if same else ("refused", "id_taken")), f"{whose}: {row}"
            assert not same or row.reply == first.reply, f"{whose} was answered otherwise"


def every_completion_is_said(house: House, heard: Sequence[Heard]) -> None:
    """Whatever owes `completed` gets it, under one event id; once, unless its process failed after saying it."""
    said = Counter(
        event_id(entry.headers) for entry in house.bus.visible(REPLY_TOPIC) if _status(entry.value) == "completed"
    )
    owed = {
        uuid5_text(NAMESPACE.bytes, f"reply/{row.actor}/{row.command_id}/completed".encode())
        for row in heard
        if row.fate == "accepted" and row.said["completes"]
    }
    assert set(said) == owed, f"completed: {len(owed - set(said))} missing, {len(set(said) - owed)} not owed"
    assert not [row for row in heard if row.pending], "completed is still owed"
    for name, times in said.items():
        assert times <= 1 + house.excused[name], f"completed was said {times} times: {name}"


def every_account_is_exact(house: House, heard: Sequence[Heard]) -> None:
    """The accounts that stand with the committed offsets are what was read; commands are answered or dead."""
    for number, place in enumerate(house.bus.places):
        offset, text = house.bus.group.committed.get(number, (0, ""))
        account = msgspec.json.decode(text.encode(), type=Account) if text else Account()
        read = len(list(house.bus.log(place).visible(0, offset)))
        assert sum(msgspec.structs.astuple(account)) == read, f"{place}: {account} of {read} records"
        if place[0] == CONTROL_TOPIC:
            dead = sum(row.fate == "dead" for row in heard if row.partition == place[1])
            assert (account.dead, account.answered) == (dead, read - dead), f"{place}: {account}"


def every_paste_has_one_end(house: House, heard: Sequence[Heard]) -> None:
    """What people put on the tick topics is sealed, known already, or has one dead letter."""
    sealed = Counter(house.pool.watch.execute('select topic, "offset" from paste').fetchall())
    dead: Counter[tuple[str, int]] = Counter()
    for topic in {topic for topic, _ in house.pasted}:
        for entry in house.bus.visible(topic + SUFFIX):
            letter = read_dead_letter(entry.key, entry.value, entry.headers)
            dead[letter.topic, letter.offset] += 1
    ends = sealed + dead
    assert set(ends) <= house.pasted, "something else was taken for a paste"
    assert all(times == 1 for times in ends.values()), f"a paste had two ends: {ends}"


def _status(value: bytes | None) -> str:
    return str(json.loads(value or b"")["data"]["status"])


AT_THE_END = (
    every_record_is_audited,
    every_record_is_answered_once,
    every_id_is_decided_once,
    every_completion_is_said,
    every_account_is_exact,
    every_paste_has_one_end,
)


def watch(house: House) -> None:
    """Promises that are kept all along."""
    house.checks.append(NeverBack(house))
    house.bus.seen = InTime(house)


def keep(house: House) -> list[Heard]:
    """Promises that are kept in the end; the rows, for others to look at."""
    heard = heard_of(house.pool.watch)
    for promise in AT_THE_END:
        promise(house, heard)
    return heard
