"""Who draws from which stream: a number here belongs to one purpose for ever.
Lives here: the register of stream numbers. Not here: the words themselves."""

from enum import IntEnum, unique


@unique
class ChanceStream(IntEnum):
    """Second word of Philox's counter. Never renumber and never reuse: old worlds replay with these.

    A room takes a block of 256: economy from 0x0100, npc 0x0200, society 0x0300, agenda 0x0400, settlements 0x0500,
    generation 0x0600, tests and service authors' own from 0xF000.
    """

    ECONOMY_GENESIS = 0x0100  # entity = person; the first beliefs
    ECONOMY_QUOTE = 0x0101  # entity = person, page = commodity // 8, half-word = commodity % 8; quotes in beliefs
    NPC_GENESIS = 0x0200  # entity = inhabitant; where it lives and works, what it is like, whom it knows
    NPC_DECIDE = 0x0201  # entity = inhabitant, page = second of the decision; choice, routine, partner
    NPC_CHANCE = 0x0202  # entity = inhabitant, page = second of the decision; quarter-words of chance conditions
    CROWD_GENESIS = 0x0380  # entity = person; where it lives, what it is like
    CROWD_HOUR = 0x0381  # entity = person, key = the day of its life, page = hour of the day; all that it does then
    CROWD_BROUGHT = 0x0382  # entity = 0, page = step; what a Mesa model brought along is seeded with
    DIPLOMACY_GENESIS = 0x0300  # entity = pair; what its two feel by nature
    DIPLOMACY_DAY = 0x0301  # entity = pair; what is done and signed in a day
    TEST_KIT = 0xF000
