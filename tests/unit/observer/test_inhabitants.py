"""Inhabitants in the overview: the words are npc's own, and slices are added up.
Lives here: sums of facts. Not here: rows and their way to a terminal (tests/integration/cli/test_npc)."""

from worldtick.npc import units, words
from worldtick.observer import counting, inhabitants


def test_the_words_are_those_of_npc() -> None:
    assert (inhabitants.SERVICE, inhabitants.HELD, inhabitants.DUE) == (words.NAME, words.HELD, words.DUE)
    assert counting.TIERS == units.TIERS


def test_slices_are_added_up_and_the_oldest_waits_longest() -> None:
    told = inhabitants._summed(
        [
            {"npc_tiers": {"active": 3, "asleep": 4}, "npc_due": {"carried": 2, "hourly": 9, "wait_s": 60}},
            {"npc_tiers": {"active": 1}, "npc_due": {"carried": 1, "hourly": 9, "wait_s": 7_200}},
            {"npc_claims": {"active": 8}},  # of a build that did not tell its tiers yet
        ]
    )
    assert told.tiers == {"detailed": 0, "active": 4, "ambient": 0, "dormant": 0, "asleep": 4}
    assert (told.carried, told.oldest_wait_s) == (3, 7_200)
