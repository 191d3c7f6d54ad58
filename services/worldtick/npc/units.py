"""The units of inhabitants' numbers, and the order of their levels.
Lives here: constants that the plan, the kernel and readers share. Not here: any scenario's own numbers (plan)."""

from enum import IntEnum

NEEDS = ("energy", "hunger", "social", "fun", "comfort", "safety")
MOODS = ("valence", "arousal")
LEVELS = NEEDS + MOODS  # rows of People.level
AXES = ("affinity", "trust", "chemistry", "tension")
TIERS = ("detailed", "active", "ambient", "dormant", "asleep")
LIMITS = (20, 100, 500, 5_000)  # by default: inhabitants of a world that each tier but the last holds
INTERVALS_S = (60, 300, 1_800, 7_200)  # and world seconds between decisions in it
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

POINT = 600  # units of a level in one point: one point an hour is then whole units every 6 s
FULL = 100 * POINT  # a need that is met, a mood at its height
EVEN = 50 * POINT  # a mood that is neither good nor bad
AXIS_FULL = 100
RATE_MAX = 200 * POINT  # units an hour, up or down: products stay within 32 bits
HOUR_S, DAY_S, WEEK_S = 3_600, 86_400, 604_800
NEVER = 1 << 62  # a second that does not come

ACTIVITIES_MAX = 64
ATOMS_MAX = 64  # distinct conditions of one scenario: one bit each
CLAUSES_MAX = 32  # of one expression
FLAGS_MAX, ITEMS_MAX, TRAITS_MAX, CATEGORIES_MAX = 32, 8, 8, 8
PLACES_MAX = 1_000
TIES_MAX = 8
RULES_MAX = 32  # by which tiers are claimed
UNITS_MAX = 65_535  # of one item that one inhabitant holds
HOPS_MAX = 8  # edges of a routine followed in one decision
COUNT_MAX = 4_000_000

KEEP_Q8 = 256  # a factor that changes nothing
URGENCY_LOW, URGENCY_HIGH = 64, 1_024  # a factor between 1/4 and 4
TRAIT_LOW, TRAIT_HIGH = 64, 1_024
SOFT_LOW, SOFT_HIGH = 128, 512  # mood and company: between 1/2 and 2
BROUGHT_LOW, BROUGHT_HIGH = 64, 1_024  # what a third party's evaluator says
STANDING_MAX = 65_535


class Tier(IntEnum):
    """How closely an inhabitant is simulated."""

    DETAILED = 0
    ACTIVE = 1
    AMBIENT = 2
    DORMANT = 3
    ASLEEP = 4


class Atom(IntEnum):
    """What a single condition looks at."""

    LEVEL = 0  # column = level; low <= units <= high
    TIE = 1  # column = axis; the best tie's points
    FLAG = 2  # column = flag
    ITEM = 3  # column = item; units
    PLACE = 4  # column = place
    KIND = 5  # column = kind of place
    HOME = 6  # at its own home
    WORK = 7
    TIME = 8  # second of the day in [low, high)
    DAYS = 9  # bit of the weekday in low
    CHANCE = 10  # column = which draw; low of 65,536
    BROUGHT = 11  # column = which third-party condition


class Intent(IntEnum):
    """What an inhabitant wants of another."""

    NONE = 0
    TALK = 1
    TRADE = 2
    GIVE = 3


class Phase(IntEnum):
    """What a line of the action log says."""

    FINISHED = 0
    STARTED = 1
    CUSTOM = 2  # the activity's own event, on completion


class Spot(IntEnum):
    """Where an activity takes place, other than at a kind of place."""

    STAY = -1
    HOME = -2
    WORK = -3
