"""What moves factions: states and their thresholds, causes, powers, deeds, treaties, and every number of the model.
Lives here: enums and constants. Not here: what is computed with them (kernel), how a world begins (scenario, plan).

Scores, feelings and powers are integers in thousandths of a point (milli), so that no float reaches a digest. Every
relaxation is `x += (target - x) / n` per day, rounded away from x, so that it reaches its target exactly.
"""

from enum import IntEnum


class Relation(IntEnum):
    """States of a pair, worst first. A pair moves to a neighbour only."""

    WAR = 0
    COLD_WAR = 1
    PEACE = 2
    ALLIANCE = 3


class Power(IntEnum):
    """What a faction is strong by; each 0 to 100 points."""

    MILITARY = 0
    ECONOMY = 1
    TERRITORY = 2
    TECHNOLOGY = 3
    MORALE = 4


class Cause(IntEnum):
    """The parts of a pair's score. Their sum is the score."""

    AFFECTION = 0  # the mean of what both feel
    TRUST = 1
    TREATIES = 2
    GRIEVANCES = 3
    RIVALRY = 4  # equals want the same
    COMMON_ENEMY = 5
    SCARCITY = 6  # dear staples at home
    UNREST = 7  # a crowd that protests at home
    DETERRENCE = 8  # fear: keeps a bad score above war, and lifts none beyond FEARED_MILLI
    WEARINESS = 9  # of a war that lasts
    ALLEGIANCE = 10  # an ally of one is at war with the other


class Grievance(IntEnum):
    """What a faction can hold against another."""

    CLASH = 0
    SABOTAGE = 1
    WAR = 2
    BROKEN_TREATY = 3
    INCIDENT = 4


class Treaty(IntEnum):
    """What a pair can have signed; one of each kind."""

    ALLIANCE = 0
    TRADE = 1
    NON_AGGRESSION = 2


class Deed(IntEnum):
    """What a faction remembers of another."""

    NONE = 0
    TRADE_DEAL = 1
    FESTIVAL = 2
    AID = 3
    SLIGHT = 4
    BORDER_CLASH = 5
    SABOTAGE = 6
    WAR_DECLARED = 7
    PEACE_MADE = 8
    TREATY_SIGNED = 9
    TREATY_BROKEN = 10
    INCIDENT = 11


class Change(IntEnum):
    """What became of a treaty."""

    SIGNED = 0
    REFUSED = 1
    EXPIRED = 2
    BROKEN = 3


POINT = 1_000
FEELING_MAX = 100 * POINT  # of love and trust either way, of fear, of each power and of each grievance
CAUSES, POWERS, GRIEVANCES, TREATIES = len(Cause), len(Power), len(Grievance), len(Treaty)

# States: the score below or above which a pair leaves a state, and the days that it stays at least
ENTER_WAR, LEAVE_WAR = -58_000, -42_000
ENTER_COLD_WAR, LEAVE_COLD_WAR = -24_000, -8_000
ENTER_ALLIANCE, LEAVE_ALLIANCE = 42_000, 24_000
DWELL_DAYS = 14

# Feelings, in days of relaxation
LOVE_DAYS, TRUST_DAYS, FEAR_DAYS, GRIEVANCE_DAYS, PART_DAYS = 60, 60, 8, 70, 10
LATE_DAYS_MAX = 32  # a pair that waited longer for its evaluation relaxes as if it had waited so long

# Deeds: one in so many pair-days; (love, trust, grievance) of the one that it is done to
DEEDS_PPM = 300_000
MEMORY = 8  # deeds that each side remembers of the other

# Parts
TREATY_WORTH = (12_000, 8_000, 15_000)  # by Treaty
GRIEVANCES_MAX = 60_000
RIVALRY_WORTH = 12_000
ENEMY_WORTH, ENEMIES_MAX = 8_000, 3
ALLEGIANCE_WORTH, ALLEGIANCES_MAX = 14_000, 2
SCARCITY_WORTH, UNREST_WORTH = 25_000, 30_000  # at a doubled price; at a crowd wholly in unrest
FEARED_MILLI = -30_000  # fear lifts a score up to here and no further
FEAR_WORTH_PM = 350  # thousandths of the larger fear
WEARY_A_DAY, WEARINESS_MAX = 1_300, 150_000

# War and power, a day
WAR_MILITARY, WAR_ECONOMY, WAR_MORALE, WAR_TERRITORY = 450, 250, 350, 60
RECOVERY_DAYS = 90
UNREST_MORALE = 600  # a day, where the whole crowd is in unrest

# Treaties
ALLIANCE_DAYS, TRADE_DAYS, NON_AGGRESSION_DAYS = 180, 120, 90
TRADE_SIGNED_PPM, TRADE_MIN = 25_000, 6_000  # a day, at a score from there on
ACCEPTED_MIN = (20_000, -10_000, -45_000)  # by Treaty: the score at which a proposal of an admin is accepted
BREAK_PRICE = 20_000  # trust that the breaker loses, where a treaty names no price
USUAL_DAYS = 32  # prices are dear against about a month's
