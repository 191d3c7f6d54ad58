"""The retention policy: which snapshots are kept, from which one a history starts, what may go.
Lives here: the pure judgement over simulated lives of a slice. Not here: deleting rows (tests/integration)."""

import pytest

from worldtick.store.retention import Kept, Policy, judge

POLICY = Policy(ticks=10)


def _live(
    ticks: int, snapshot_every: int, prune_every: int, genesis: int = 0
) -> list[tuple[int, int | None, list[int]]]:
    """(version, base, kept snapshots) after each pruning of a slice's life."""
    kept: list[int] = []
    seen: list[tuple[int, int | None, list[int]]] = []
    newest = None
    for version in range(genesis + 1, genesis + ticks + 1):
        if (version - genesis) % snapshot_every == 0:
            newest = version
        if version % prune_every == 0:
            verdict = judge(Kept(1, 1, version, genesis, newest, tuple(kept)), POLICY)
            if verdict.keep_now:
                assert newest is not None
                kept.append(newest)
            kept = [each for each in kept if each not in verdict.drop]
            seen.append((version, verdict.base, list(kept)))
    return seen


@pytest.mark.parametrize("snapshot_every", [1, 3, 7])
@pytest.mark.parametrize("prune_every", [1, 2, 5])
def test_history_is_bounded_and_never_too_short(snapshot_every: int, prune_every: int) -> None:
    life = _live(400, snapshot_every, prune_every)
    bound = POLICY.ticks + POLICY.spacing + snapshot_every + prune_every
    for version, base, kept in life:
        if base is not None:
            assert version - base >= POLICY.ticks
            assert base in kept  # what history starts from is never dropped
            assert base == min(kept)
        if version > 2 * bound:
            assert base is not None
            assert version - base <= bound + POLICY.spacing
        assert len(kept) <= 5


def test_nothing_goes_without_a_snapshot() -> None:
    assert judge(Kept(1, 1, 10_000, 0, None, ()), POLICY) == (False, None, ())


def test_a_service_that_joined_late_counts_from_its_genesis() -> None:
    assert not judge(Kept(1, 1, 104, 100, 104, ()), POLICY).keep_now
    assert judge(Kept(1, 1, 105, 100, 105, ()), POLICY).keep_now
    assert _live(100, 1, 1, genesis=100)[-1][1] is not None


def test_a_slice_that_stands_still_keeps_its_history() -> None:
    standing = Kept(1, 1, 12, 0, 12, (5, 12))
    assert judge(standing, POLICY) == (False, None, ())
