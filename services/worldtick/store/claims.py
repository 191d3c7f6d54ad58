"""Claims: which worker a partition belongs to, who reads what, and steps begun after an unclean end.
Lives here: rows of `reader`, `worker`, `claim`, `attempt`, `published`. Not here: what a worker commits (ledger)."""

from collections.abc import Mapping, Sequence
from itertools import chain

from worldtick.store.db import Connection

_SLOT_LOCKS = 0x77746B  # any fixed number: "wtk"
SLOTS_MAX = 1_000


def find_reader(conn: Connection, group: str, topic: str, topic_uuid: str) -> int:
    """The key of a consumer group on one incarnation of a topic, made at its first use."""
    row = conn.execute(
        "insert into reader (grp, topic, topic_uuid) values (%s, %s, %s)"
        " on conflict (grp, topic, topic_uuid) do update set grp = excluded.grp returning reader_key",
        (group, topic, topic_uuid),
    ).fetchone()
    if row is None:
        raise LookupError("upsert .. returning gave no row")
    return int(row[0])


def insert_worker(conn: Connection, group: str, host: str, pid: int) -> int:
    """A new worker's key."""
    row = conn.execute(
        "insert into worker (grp, host, pid) values (%s, %s, %s) returning worker_key", (group, host, pid)
    ).fetchone()
    if row is None:
        raise LookupError("insert .. returning gave no row")
    return int(row[0])


def see_worker(conn: Connection, worker_key: int, *, ended: bool = False) -> None:
    """Note that a worker lives, or that it ended cleanly."""
    conn.execute(
        "update worker set seen_at = clock_timestamp(), ended_at = case when %s then clock_timestamp() end"
        " where worker_key = %s",
        (ended, worker_key),
    )


def take_slot(conn: Connection, group: str, before: int | None = None) -> int | None:
    """A free number among a group's workers, held until this session ends; None if SLOTS_MAX are taken.

    It is the one that was had before, if it is still free, else the lowest.

    It makes a transactional id that the next process inherits, so that a dead one's transaction is fenced at once.
    """
    for slot in chain([] if before is None else [before], range(SLOTS_MAX)):
        row = conn.execute(
            "select pg_try_advisory_lock(hashtextextended(%s, %s))", (f"{group}/{slot}", _SLOT_LOCKS)
        ).fetchone()
        if row and row[0]:
            return slot
    return None


def claim_partitions(conn: Connection, reader_key: int, worker_key: int, partitions: Sequence[int]) -> dict[int, bool]:
    """Take partitions; True where the last claimer had let go cleanly, was we ourselves, or there was none.

    Waits for commits under way, which hold the rows; those of former owners fail from now on.
    """
    rows = conn.execute(
        "select partition, worker_key, clean from claim where reader_key = %s and partition = any(%s)"
        " order by partition for update",
        (reader_key, list(partitions)),
    ).fetchall()
    unclean = {partition for partition, claimer, clean in rows if not clean and claimer != worker_key}
    conn.execute(
        "insert into claim (reader_key, partition, worker_key) select %s, p, %s from unnest(%s::int[]) as p order by p"
        " on conflict (reader_key, partition) do update"
        " set worker_key = excluded.worker_key, clean = false, claimed_at = clock_timestamp()",
        (reader_key, worker_key, list(partitions)),
    )
    return {partition: partition not in unclean for partition in partitions}


def release_partitions(conn: Connection, reader_key: int, worker_key: int, partitions: Sequence[int]) -> None:
    """Let partitions go cleanly; those that another one has claimed meanwhile stay as they are."""
    conn.execute(
        "update claim set clean = true where reader_key = %s and worker_key = %s and partition = any(%s)",
        (reader_key, worker_key, list(partitions)),
    )


def begin_attempt(conn: Connection, slice_key: int, version: int) -> int:
    """Note that a step begins; how often it did without its process coming to the end of it."""
    row = conn.execute(
        "insert into attempt (slice_key, version, attempts) values (%s, %s, 1)"
        " on conflict (slice_key, version) do update set attempts = attempt.attempts + 1, begun_at = clock_timestamp()"
        " returning attempts",
        (slice_key, version),
    ).fetchone()
    if row is None:
        raise LookupError("upsert .. returning gave no row")
    return int(row[0])


def end_attempt(conn: Connection, slice_key: int, version: int) -> None:
    """Forget a step whose process came to the end of it."""
    conn.execute("delete from attempt where slice_key = %s and version = %s", (slice_key, version))


def note_published(conn: Connection, reader_key: int, offsets: Mapping[int, int]) -> None:
    """Note how far a reader has surely published: a lower bound of its committed offsets. Never moves back."""
    conn.execute(
        "insert into published (reader_key, partition, next_offset)"
        " select %s, n.partition, n.next_offset from unnest(%s::int[], %s::bigint[]) as n (partition, next_offset)"
        " order by n.partition on conflict (reader_key, partition) do update"
        " set next_offset = greatest(published.next_offset, excluded.next_offset), noted_at = clock_timestamp()",
        (reader_key, list(offsets), list(offsets.values())),
    )
