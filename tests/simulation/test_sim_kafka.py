"""The simulated Kafka does what the protocol relies on: transactions, stable offsets, fencing, cooperative moves.
Lives here: one test for each rule of the broker. Not here: the protocol on it (test_simulation)."""

from collections.abc import Callable

from tests.simulation.kafka import Broker, Fate, Group, Log


def _log() -> tuple[Broker, Log]:
    broker = Broker(1, ["world.tick"])
    return broker, broker.topics["world.tick"][0]


def _offsets(log: Log, position: int = 0) -> list[int]:
    return [entry.offset for entry in log.read(position, 100)]


def test_an_open_transaction_hides_what_is_behind_it() -> None:
    broker, log = _log()
    log.append(b"before")
    transaction = broker.begin("one")
    transaction.append(log, b"inside")
    log.append(b"after")
    assert _offsets(log) == [0]
    broker.end(transaction, commit=True)
    assert _offsets(log) == [0, 1, 2]


def test_an_aborted_transaction_leaves_gaps_and_a_marker() -> None:
    broker, log = _log()
    transaction = broker.begin("one")
    transaction.append(log, b"never seen")
    broker.end(transaction, commit=False)
    log.append(b"seen")
    assert _offsets(log) == [2]


def test_retention_moves_the_start_past_no_open_transaction() -> None:
    broker, log = _log()
    for _ in range(3):
        log.append(b"x")
    broker.begin("one").append(log, b"open")
    log.cut(99)
    assert (log.start, _offsets(log)) == (3, [])
    assert not log.has_more(0)


def test_a_new_producer_fences_the_old_one() -> None:
    broker, log = _log()
    old = broker.begin("one")
    old.append(log, b"x")
    broker.fence("one")
    assert old.fate is Fate.ABORTED
    assert broker.open == []


def _everything_to(member: int) -> Callable[[list[int]], int]:
    return lambda members: member


def _group(*members: int) -> Group:
    group = Group("economy", 1)
    for member in members:
        group.join(member)
    return group


def _noticed(group: Group, member: int) -> tuple[int, frozenset[int]]:
    noticed = group.notice(member)
    assert noticed is not None
    return noticed


def test_offsets_are_stable_only_when_no_transaction_is_pending() -> None:
    broker, _ = _log()
    group = _group(1)
    group.rebalance(_everything_to(1))
    generation, _ = _noticed(group, 1)
    transaction = broker.begin("one")
    assert transaction.send_offsets(group, 1, generation, {0: (7, "said")})
    assert group.fetch([0]) is None
    assert group.fetch([0], stable=False) == {0: (0, "")}
    broker.end(transaction, commit=True)
    assert group.fetch([0]) == {0: (7, "said")}


def test_an_old_generation_is_fenced() -> None:
    broker, _ = _log()
    group = _group(1)
    group.rebalance(_everything_to(1))
    generation, _ = _noticed(group, 1)
    group.rebalance(_everything_to(1))
    assert not broker.begin("one").send_offsets(group, 1, generation, {0: (7, "")})
    assert not group.commit(1, generation, {0: (7, "")})


def test_a_partition_moves_once_its_holder_has_given_it_up() -> None:
    group = _group(1, 2)
    group.rebalance(_everything_to(1))
    assert _noticed(group, 1)[1] == {0}
    group.rebalance(_everything_to(2))
    assert _noticed(group, 2)[1] == frozenset()
    assert _noticed(group, 1)[1] == frozenset()
    assert group.unseen(2)
    assert _noticed(group, 2)[1] == {0}


def test_an_expelled_members_partitions_are_free_at_once() -> None:
    group = _group(1, 2)
    group.rebalance(_everything_to(1))
    _noticed(group, 1)
    group.rebalance(_everything_to(2))
    group.expel(1)
    assert _noticed(group, 2)[1] == {0}
    assert group.notice(1) is None
